// SPDX-License-Identifier: Apache-2.0
// Packets -> datagrams: all datagrams that wait for fragments, bounded in number, bytes and time. In:
// fragments. Out: datagrams as packets. Where fragments overlap the datagram goes, as Linux lets it go (RFC
// 5722; under IPv4 too); one that lies inside of what is here already goes alone.
import NetworkTypes

/// The datagrams that wait.
struct Defragmenter {
    private var trains: [FragmentKey: FragmentTrain] = [:]
    /// Keys with serial numbers in the order of their first fragments, from `oldest` on; some are gone.
    private var order: [(key: FragmentKey, serial: UInt64)] = []
    private var oldest = 0
    private var serial: UInt64 = 0
    private let memory: StreamMemory
    private let options: StreamOptions
    /// The last datagram that was completed.
    private(set) var datagram: [UInt8] = []
    /// The length of what stands in it before what was fragmented.
    private(set) var headerLength = 0

    init(_ options: StreamOptions) {
        self.options = options
        memory = StreamMemory(limit: options.maximumFragmentBytes)
    }

    var count: Int { trains.count }
    var byteCount: Int { memory.used }
    /// Places in the order of age, those of datagrams that are gone too.
    var orderCount: Int { order.count }

    /// Takes a fragment.
    /// - Returns: whether `datagram` is a whole one now.
    mutating func take(
        _ fragment: DecodedPacket, _ anomalies: inout AnomalySet, _ counters: inout StreamCounters
    ) -> Bool {
        counters.fragments &+= 1
        noteTiny(fragment, &anomalies)
        guard isPossible(fragment, &anomalies) else {
            counters.fragmentsRefused &+= 1
            return false
        }
        let train = self.train(FragmentKey(fragment), fragment.time, &counters)
        makeRoom(for: fragment.payload.count, of: train, &counters)
        switch train.take(fragment, memory, &anomalies) {
        case .kept: return false
        case .refused:
            anomalies.insert(train.key.isV4 ? .ipv4FragmentIgnored : .ipv6FragmentIgnored)
            counters.fragmentsRefused &+= 1
            return false
        case .discards:
            counters.datagramsDiscarded &+= 1
            remove(train)
            return false
        case .completes:
            let isWhole = train.write(to: &datagram)
            headerLength = train.headerLength
            if isWhole {
                counters.datagrams &+= 1
            } else {
                anomalies.insert(train.key.isV4 ? .ipv4FragmentTooLarge : .ipv6FragmentTooLarge)
                counters.datagramsDiscarded &+= 1
            }
            remove(train)
            return isWhole
        }
    }

    /// Lets go what has waited too long.
    mutating func expire(_ now: Int64, _ counters: inout StreamCounters) {
        while let train = oldestTrain(), now &- train.firstTime >= options.fragmentTimeout {
            counters.datagramsTimedOut &+= 1
            remove(train)
        }
    }

    private func isPossible(_ fragment: DecodedPacket, _ anomalies: inout AnomalySet) -> Bool {
        let isV4 = fragment.family == .ipv4
        let count = fragment.payload.count
        guard fragment.missingPayload == 0 else {
            anomalies.insert(isV4 ? .ipv4FragmentIgnored : .ipv6FragmentIgnored)
            return false
        }
        if !isV4, fragment.fragment.hasMore, count % 8 != 0 {
            anomalies.insert(.ipv6FragmentInvalidLength)
            return false
        }
        let headerLength = isV4 ? fragment.ipHeader.count : 0
        if fragment.fragment.offset + count + headerLength > FragmentTrain.maximumLength {
            anomalies.insert(isV4 ? .ipv4FragmentTooLarge : .ipv6FragmentTooLarge)
            // Under IPv4 Linux keeps it: no datagram that ends elsewhere comes of this one.
            return isV4
        }
        if !isV4, fragment.fragment.offset == 0, isChainCut(fragment) {
            anomalies.insert(.ipv6FragmentTiny)
            return false
        }
        return true
    }

    /// Whether a first fragment under IPv6 lacks some of the headers up to TCP's, UDP's or ICMPv6's (RFC 8200
    /// 4.5): such a one is discarded, and it alone. Of other protocols one byte is enough for Linux.
    private func isChainCut(_ fragment: DecodedPacket) -> Bool {
        let bytes = fragment.payload
        var next = fragment.proto.rawValue
        var offset = 0
        while [0, 43, 44, 51, 60].contains(next) {
            // Linux does not look further, and takes it; what comes of it is read like any other.
            guard offset + 2 <= bytes.count else { return false }
            let second = Int(bytes[offset + 1])
            let length = next == 44 ? 8 : next == 51 ? (second + 2) * 4 : (second + 1) * 8
            next = bytes[offset]
            offset += length
        }
        switch next {
        case 6: return bytes.count < offset + 20
        case 17, 58: return bytes.count < offset + 8
        case 59: return false
        default: return bytes.count < offset + 1
        }
    }

    /// A first fragment must hold the L4 header, so that filters can judge it; TCP's flags stand in bytes
    /// that a second one of offset 8 would bring.
    private func noteTiny(_ fragment: DecodedPacket, _ anomalies: inout AnomalySet) {
        let isFirst = fragment.fragment.offset == 0
        let isTiny = isFirst && fragment.payload.count < fragment.proto.fixedHeaderLength
        let isSecond = fragment.fragment.offset == 8 && fragment.proto == .tcp
        guard isTiny || isSecond else { return }
        anomalies.insert(fragment.family == .ipv4 ? .ipv4FragmentTiny : .ipv6FragmentTiny)
    }

    private mutating func train(
        _ key: FragmentKey, _ time: Int64, _ counters: inout StreamCounters
    ) -> FragmentTrain {
        if let train = trains[key] { return train }
        if trains.count >= options.maximumDatagrams, let oldest = oldestTrain() {
            counters.datagramsEvicted &+= 1
            remove(oldest)
        }
        serial &+= 1
        let train = FragmentTrain(key, time: time, serial: serial)
        trains[key] = train
        order.append((key, serial))
        if order.count > 4 * max(256, options.maximumDatagrams) { forgetGone() }
        return train
    }

    /// Datagrams that were completed behind one that still waits.
    private mutating func forgetGone() {
        order = order[oldest...].filter { trains[$0.key]?.serial == $0.serial }
        oldest = 0
    }

    /// The oldest others give way.
    private mutating func makeRoom(
        for count: Int, of train: FragmentTrain, _ counters: inout StreamCounters
    ) {
        let needed = count + 2 * StreamMemory.pieceCost
        while memory.used + needed > memory.limit, let oldest = oldestTrain(), oldest !== train {
            counters.datagramsEvicted &+= 1
            remove(oldest)
        }
    }

    private mutating func oldestTrain() -> FragmentTrain? {
        while oldest < order.count {
            let entry = order[oldest]
            if let train = trains[entry.key], train.serial == entry.serial { return train }
            oldest += 1
            // Half of it is gone: the rest moves to the front.
            if oldest >= 1024, oldest * 2 >= order.count {
                order.removeFirst(oldest)
                oldest = 0
            }
        }
        order.removeAll(keepingCapacity: true)
        oldest = 0
        return nil
    }

    private mutating func remove(_ train: FragmentTrain) {
        train.release(memory)
        trains[train.key] = nil
    }
}
