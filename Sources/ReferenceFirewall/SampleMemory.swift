// SPDX-License-Identifier: Apache-2.0
// What was sampled of each flow, in lines of four; docs/policy.md, "Sampling". In: a packet and its
// inspector. Out: whether its flow's budget has room for it.
import NetworkTypes
import PolicyLanguage

/// But for TCP a flow is over after so many nanoseconds without a packet.
private let idleTime: UInt64 = 120_000_000_000

/// A packet as budgets see it.
struct SampledPacket {
    var ends: FlowEnds
    /// Of the IP packet, as its header says.
    var length: Int
    var isTCP: Bool
    /// A SYN without ACK.
    var beginsConnection: Bool

    /// Nil where no IP header was read.
    init?(_ packet: PacketReading) {
        guard let source = packet.source, let destination = packet.destination else { return nil }
        // Ports that were read; the packet's other fields are no part of a flow.
        let hasPorts = packet.proto?.hasPorts ?? false
        ends = FlowEnds(
            packet.proto ?? IPProtocol(rawValue: 0),
            FlowEnds.End(source, hasPorts ? packet.sourcePort ?? 0 : 0),
            FlowEnds.End(destination, hasPorts ? packet.destinationPort ?? 0 : 0))
        length = packet.wholeLength ?? 0
        isTCP = packet.proto == .tcp && packet.tcpFlags != nil
        let flags = packet.tcpFlags ?? []
        beginsConnection = isTCP && flags.contains(.syn) && !flags.contains(.ack)
    }
}

struct SampleMemory {
    private static let places = 4

    private struct Flow {
        var name: UInt64
        var seen: UInt64
        var packets: UInt32 = 0
        var bytes: UInt64 = 0
        var inspector: Int
        var rule: String
    }

    private let inspectors: [Inspector]
    private let lineCount: UInt64
    /// Stands for what the inspectors are.
    private let definition: UInt64
    private var lines: [UInt64: [Flow]] = [:]

    /// - Parameter lineCount: a power of two.
    init(_ inspectors: [Inspector], lineCount: Int) {
        self.inspectors = inspectors
        self.lineCount = UInt64(max(1, lineCount))
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for inspector in inspectors {
            let numbers = [
                UInt64(inspector.samplePackets ?? 0), inspector.sampleBytes ?? 0, UInt64(inspector.everyFlow),
            ]
            let text = inspector.name + numbers.map { "|\($0)" }.joined() + "\n"
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        definition = hash
    }

    /// A packet that a rule wants inspected.
    /// - Parameter flow: the flow's name, where it is one of those that are sampled.
    mutating func ask(
        _ rule: Rule, _ packet: SampledPacket, at now: UInt64, flow kept: inout UInt64?
    ) -> SampleMark? {
        guard let number = inspectors.firstIndex(where: { $0.name == rule.inspect }) else { return nil }
        let hash = packet.ends.hash
        guard (hash >> 32) % UInt64(max(1, inspectors[number].everyFlow)) == 0 else { return nil }
        let name = name(of: hash)
        kept = name
        var line = lines[line(of: name)] ?? []
        let place = place(of: name, in: &line, packet, now)
        line[place].inspector = number
        line[place].rule = rule.name
        let mark = charge(&line[place], packet)
        lines[self.line(of: name)] = line
        return mark
    }

    /// Where a packet's flow stands: made where it does not yet, begun anew where it does.
    private func place(of name: UInt64, in line: inout [Flow], _ packet: SampledPacket, _ now: UInt64) -> Int
    {
        let fresh = Flow(name: name, seen: now, inspector: 0, rule: "")
        if let place = line.firstIndex(where: { $0.name == name }) {
            if packet.beginsConnection || (!packet.isTCP && isIdle(line[place], now)) { line[place] = fresh }
            line[place].seen = now
            return place
        }
        if line.count < Self.places {
            line.append(fresh)
            return line.count - 1
        }
        let oldest = line.indices.min { line[$0].seen < line[$1].seen } ?? 0
        line[oldest] = fresh
        return oldest
    }

    /// A later fragment of a packet whose flow is sampled.
    mutating func goOn(_ name: UInt64, _ packet: SampledPacket, at now: UInt64) -> SampleMark? {
        guard var line = lines[line(of: name)], let place = line.firstIndex(where: { $0.name == name }) else {
            return nil
        }
        line[place].seen = now
        let mark = charge(&line[place], packet)
        lines[self.line(of: name)] = line
        return mark
    }

    /// A packet that this host sends: it begins no flow.
    mutating func reply(_ packet: SampledPacket, at now: UInt64) -> SampleMark? {
        let name = name(of: packet.ends.hash)
        guard var line = lines[line(of: name)], let place = line.firstIndex(where: { $0.name == name }),
            packet.isTCP || !isIdle(line[place], now)
        else { return nil }
        if packet.beginsConnection { (line[place].packets, line[place].bytes) = (0, 0) }
        line[place].seen = now
        let mark = charge(&line[place], packet)
        lines[self.line(of: name)] = line
        return mark
    }

    private func charge(_ flow: inout Flow, _ packet: SampledPacket) -> SampleMark? {
        let inspector = inspectors[flow.inspector]
        if let packets = inspector.samplePackets, flow.packets >= packets { return nil }
        if let bytes = inspector.sampleBytes, flow.bytes >= bytes { return nil }
        flow.packets &+= 1
        flow.bytes &+= UInt64(packet.length)
        return SampleMark(inspector: inspector.name, rule: flow.rule)
    }

    private func isIdle(_ flow: Flow, _ now: UInt64) -> Bool {
        now > flow.seen && now - flow.seen >= idleTime
    }

    private func line(of name: UInt64) -> UInt64 { (name >> 32) % lineCount }

    private func name(of hash: UInt64) -> UInt64 {
        let name = mix(hash, definition)
        return name == 0 ? 1 : name
    }
}

private func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
    return product ^ product >> 32
}

extension FlowEnds {
    /// With the seed of a replay.
    fileprivate var hash: UInt64 {
        let isV4 = lower.address.family == .ipv4
        let words = [(isV4 ? 4 : 6) << 8 | UInt64(proto.rawValue)] + lower.address.words + upper.address.words
        return (words + [UInt64(lower.port) << 16 | UInt64(upper.port)]).reduce(0, mix)
    }
}

extension IPAddress {
    fileprivate var words: [UInt64] {
        let low = UInt64(truncatingIfNeeded: bits)
        return family == .ipv4 ? [low] : [UInt64(truncatingIfNeeded: bits >> 64), low]
    }
}
