// SPDX-License-Identifier: Apache-2.0
// What signatures remember beyond flows: bits of hosts and pairs, and how often they matched. Bounded, on
// packets' time. Rates by flow are kept with their flow.

import NetworkTypes
import Signatures

/// Kept over reloads: give it to the next matcher.
public final class MatchMemory {
    /// Bits of hosts and pairs, and counted rates, that are kept, each.
    public static let most = 65_536

    /// What was forgotten for want of room.
    public var forgotten: UInt64 { bits.forgotten &+ rates.forgotten }

    private var bits = RecentTable<HostBit, BitEnd>(most: MatchMemory.most)
    private var rates = RecentTable<RateKey, MatchRate>(most: MatchMemory.most)

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
        /// `Signature.key`.
        var signature: UInt64
        var isFilter: Bool
        var first: IPAddress?
        var second: IPAddress?
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
    /// Whether a match counts: false up to the filter's count within its span, and where it would be counted
    /// in its flow and has none.
    func passes(
        _ filter: DetectionFilter, of signature: Signature, _ header: PacketHeader, _ flow: FlowMatchState?
    ) -> Bool {
        let port = filter.uniqueOn.map { $0 == .source ? header.sourcePort : header.destinationPort }
        let counter = RateCounter(signature, filter.tracking, isFilter: true, seconds: filter.seconds)
        return change(counter, header, flow) { $0.passes(filter, port: port, at: header.timeNanoseconds) }
            ?? false
    }

    func answer(
        _ threshold: Threshold, of signature: Signature, _ header: PacketHeader, _ flow: FlowMatchState?
    ) -> RateAnswer {
        let seconds = threshold.kind == .backoff ? .max : threshold.seconds
        let counter = RateCounter(signature, threshold.tracking, isFilter: false, seconds: seconds)
        return change(counter, header, flow) { $0.answer(threshold, at: header.timeNanoseconds) }
            ?? RateAnswer.none
    }

    /// A signature's rates: where they are kept, and how long they are needed.
    private struct RateCounter {
        let signature: UInt64
        let tracking: RateTracking
        let isFilter: Bool
        let seconds: UInt32

        init(_ signature: Signature, _ tracking: RateTracking, isFilter: Bool, seconds: UInt32) {
            self.signature = signature.key
            self.tracking = tracking
            self.isFilter = isFilter
            self.seconds = seconds
        }
    }

    /// Changes the rate that a match counts for. Nil: it is its flow's, and there is none.
    private func change<Result>(
        _ counter: RateCounter, _ header: PacketHeader, _ flow: FlowMatchState?,
        _ change: (inout MatchRate) -> Result
    ) -> Result? {
        let now = header.timeNanoseconds
        var key = RateKey(signature: counter.signature, isFilter: counter.isFilter)
        switch counter.tracking {
        case .bySource: key.first = header.source
        case .byDestination: key.first = header.destination
        case .byRule: break
        case .byBoth:
            key.first = min(header.source, header.destination)
            key.second = max(header.source, header.destination)
        case .byFlow:
            return flow?.changeRate(of: counter.signature, at: now, seconds: counter.seconds, change)
        }
        var rate = rates.use(key, at: now) ?? MatchRate(at: now, seconds: counter.seconds)
        let result = change(&rate)
        rates.set(rate, for: key, at: now)
        return result
    }
}
