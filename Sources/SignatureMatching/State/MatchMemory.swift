// SPDX-License-Identifier: Apache-2.0
// What signatures remember beyond flows: bits of hosts and pairs, and how often they matched. Bounded, on
// packets' time.

import NetworkTypes
import Signatures

/// Kept over reloads: give it to the next matcher.
public final class MatchMemory {
    /// Bits of hosts and pairs, and counted rates, that are kept, each.
    public static let most = 65_536

    /// Ports that one rate tells apart.
    private static let mostPorts = 256

    /// What was forgotten for want of room.
    public var forgotten: UInt64 { bits.forgotten &+ rates.forgotten }

    private var bits = RecentTable<HostBit, BitEnd>(most: MatchMemory.most)
    private var rates = RecentTable<RateKey, Rate>(most: MatchMemory.most)

    private struct HostBit: Hashable {
        var name: Int
        var first: IPAddress
        var second: IPAddress?
    }

    private struct BitEnd: Expiring {
        var end: Int64

        func isNeeded(at now: Int64) -> Bool { now < end }
    }

    struct RateKey: Hashable {
        var gid: UInt32
        var sid: UInt32
        var isFilter: Bool
        var first: IPAddress?
        var second: IPAddress?
        var ports: UInt32 = 0
    }

    private struct Rate: Expiring {
        var start: Int64
        var count: UInt32
        var next: UInt64
        var seconds: UInt32
        /// Ports that were seen in the span, where only new ones count.
        var ports: Set<UInt16> = []

        func isNeeded(at now: Int64) -> Bool { now &- start <= Int64(seconds) * 1_000_000_000 }
    }

    public init() {}
}

// Bits of hosts.
extension MatchMemory {
    private static func bit(_ name: Int, _ scope: BitScope, _ header: PacketHeader) -> HostBit {
        switch scope {
        case .flow, .source: HostBit(name: name, first: header.source)
        case .destination: HostBit(name: name, first: header.destination)
        case .addressPair:
            HostBit(
                name: name, first: min(header.source, header.destination),
                second: max(header.source, header.destination))
        }
    }

    func hasBit(_ name: Int, _ scope: BitScope, _ header: PacketHeader) -> Bool {
        let now = header.timeNanoseconds
        return bits.use(MatchMemory.bit(name, scope, header), at: now)?.isNeeded(at: now) ?? false
    }

    func setBit(_ name: Int, _ scope: BitScope, _ header: PacketHeader, seconds: UInt32) {
        let now = header.timeNanoseconds
        let end = seconds == 0 ? .max : now &+ Int64(seconds) * 1_000_000_000
        bits.set(BitEnd(end: end), for: MatchMemory.bit(name, scope, header), at: now)
    }

    func clearBit(_ name: Int, _ scope: BitScope, _ header: PacketHeader) {
        bits.remove(MatchMemory.bit(name, scope, header))
    }
}

// Rates.
extension MatchMemory {
    /// What a rate says of one more match.
    enum RateAnswer { case report, silent, none }

    private static func key(
        _ signature: Signature, _ tracking: RateTracking, isFilter: Bool, _ header: PacketHeader
    ) -> RateKey {
        var key = RateKey(gid: signature.gid, sid: signature.sid, isFilter: isFilter)
        switch tracking {
        case .bySource: key.first = header.source
        case .byDestination: key.first = header.destination
        case .byRule: break
        case .byBoth, .byFlow:
            key.first = min(header.source, header.destination)
            key.second = max(header.source, header.destination)
        }
        if tracking == .byFlow {
            let ports = [header.sourcePort, header.destinationPort].sorted()
            key.ports = UInt32(ports[0]) << 16 | UInt32(ports[1])
        }
        return key
    }

    /// Whether a match counts: false up to the filter's count within its span.
    func passes(_ filter: DetectionFilter, of signature: Signature, _ header: PacketHeader) -> Bool {
        let key = MatchMemory.key(signature, filter.tracking, isFilter: true, header)
        let port = filter.uniqueOn.map { $0 == .source ? header.sourcePort : header.destinationPort }
        return count(key, seconds: filter.seconds, header.timeNanoseconds, port: port) > filter.count
    }

    func answer(_ threshold: Threshold, of signature: Signature, _ header: PacketHeader) -> RateAnswer {
        let key = MatchMemory.key(signature, threshold.tracking, isFilter: false, header)
        if threshold.kind == .backoff { return backOff(threshold, key, header.timeNanoseconds) }
        let now = header.timeNanoseconds
        let count = count(key, seconds: threshold.seconds, now)
        switch threshold.kind {
        case .limit: return count <= threshold.count ? .report : .silent
        case .both: return count == threshold.count ? .report : count > threshold.count ? .silent : .none
        case .threshold, .backoff:
            guard count >= threshold.count else { return .none }
            if var rate = rates.use(key, at: now) {
                rate.count = 0
                rates.set(rate, for: key, at: now)
            }
            return .report
        }
    }

    /// The count with this match within the span that is running.
    private func count(
        _ key: RateKey, seconds: UInt32, _ now: Int64, port: UInt16? = nil
    ) -> UInt32 {
        var rate = rates.use(key, at: now) ?? Rate(start: now, count: 0, next: 0, seconds: seconds)
        let (age, overflow) = now.subtractingReportingOverflow(rate.start)
        if overflow || age > Int64(seconds) * 1_000_000_000 {
            rate.start = now
            rate.count = 0
            rate.ports = []
        }
        if let port {
            if rate.ports.contains(port) { return rate.count }
            if rate.ports.count < MatchMemory.mostPorts { rate.ports.insert(port) }
        }
        rate.count = rate.count == .max ? .max : rate.count + 1
        rates.set(rate, for: key, at: now)
        return rate.count
    }

    private func backOff(_ threshold: Threshold, _ key: RateKey, _ now: Int64) -> RateAnswer {
        var rate = rates.use(key, at: now) ?? Rate(start: now, count: 0, next: 0, seconds: .max)
        // What was counted for a threshold of another type, before a reload, does not count.
        if rate.next == 0 { (rate.next, rate.count) = (UInt64(max(1, threshold.count)), 0) }
        rate.count = rate.count == .max ? .max : rate.count + 1
        let isDue = UInt64(rate.count) == rate.next
        if isDue {
            let (next, overflow) = rate.next.multipliedReportingOverflow(
                by: UInt64(max(1, threshold.multiplier)))
            rate.next = overflow ? .max : max(next, rate.next + 1)
        }
        rates.set(rate, for: key, at: now)
        return isDue ? .report : .silent
    }
}
