// SPDX-License-Identifier: Apache-2.0
// The model of `top`: two readings in, totals and rates out. Pure: drawing and JSON are made from it.
import Dataplane
import NetworkTypes
import PolicyLanguage

public struct TopReport: Sendable {
    /// Totals since the pins were made, and growth a second over the interval.
    public struct Row: Sendable {
        public var name: String
        public var total: ReasonCount
        public var perSecond: Rates
    }

    public struct RuleRow: Sendable {
        public var name: String
        public var total: Count
        public var wouldDrop: Count
        public var packetsPerSecond: Double
        public var bitsPerSecond: Double
        /// Of what it dropped or rejected, and of what the limit did that it alone names.
        public var dropsPerSecond: Double
    }

    /// Packets that a limit was asked for, and those of them that it dropped.
    public struct LimitRow: Sendable {
        public var name: String
        public var total: LimitCount
        public var packetsPerSecond: Double
        public var dropsPerSecond: Double
    }

    public struct Rates: Sendable {
        public var packets: Double
        public var bits: Double
        public var drops: Double
    }

    /// A source's share, estimated from the packets noted in the interval.
    public struct SourceRow: Sendable {
        public var source: IPAddress
        public var packetsPerSecond: Double
        public var bitsPerSecond: Double
        public var dropsPerSecond: Double
    }

    public var policy: String
    /// Seconds between the readings.
    public var interval: Double
    public var all: Row
    public var reasons: [Row]
    public var rules: [RuleRow]
    /// In the policy's order.
    public var limits: [LimitRow]
    public var cpus: [Row]
    public var sources: [SourceRow]
    /// Totals since the pins were made.
    public var answers: AnswerCounts

    /// - Parameters:
    ///   - before: the earlier reading.
    ///   - now: the later one.
    ///   - sourceLimit: how many of the busiest sources to keep.
    public init(from before: CounterReading, to now: CounterReading, sourceLimit: Int) {
        policy = now.policy
        answers = now.answers
        let interval = max(1e-9, Double(now.nanoseconds &- before.nanoseconds) / 1e9)
        self.interval = interval
        func row(_ name: String, _ old: ReasonCount, _ new: ReasonCount) -> Row {
            let growth = new.since(old)
            return Row(
                name: name, total: new,
                perSecond: Rates(
                    packets: Double(growth.total.packets) / interval,
                    bits: Double(growth.total.bytes) * 8 / interval,
                    drops: Double(growth.drop.packets + growth.reject.packets) / interval))
        }
        let oldReasons = Self.byReason(before.cpus)
        let newReasons = Self.byReason(now.cpus)
        reasons = Reason.allCases.map(\.rawValue).compactMap { name in
            newReasons[name].map { row(name, oldReasons[name] ?? ReasonCount(), $0) }
        }
        all = row("all", Self.sum(oldReasons.values), Self.sum(newReasons.values))
        cpus = now.cpus.indices.map { cpu in
            row(
                "cpu\(cpu)",
                before.cpus.indices.contains(cpu) ? Self.sum(before.cpus[cpu].values) : ReasonCount(),
                Self.sum(now.cpus[cpu].values))
        }
        limits = Self.limits(before.limits, now.limits, interval)
        rules = Self.rules(before.rules, now.rules, interval, limits)
        sources = Self.sources(before, now, packetsPerSecond: all.perSecond.packets, limit: sourceLimit)
    }

    private static func sum(_ counts: some Sequence<ReasonCount>) -> ReasonCount {
        counts.reduce(ReasonCount(), +)
    }

    private static func byReason(_ cpus: [[String: ReasonCount]]) -> [String: ReasonCount] {
        cpus.reduce(into: [:]) { sum, cpu in sum.merge(cpu, uniquingKeysWith: +) }
    }

    private static func rules(
        _ before: [CounterReading.RuleReading], _ now: [CounterReading.RuleReading], _ interval: Double,
        _ limits: [LimitRow]
    ) -> [RuleRow] {
        let limited = Dictionary(
            limits.map { ($0.name, $0.dropsPerSecond) }, uniquingKeysWith: { first, _ in first })
        let old = Dictionary(before.map { ($0.name, $0.decided) }, uniquingKeysWith: { first, _ in first })
        return now.map { rule in
            let growth = rule.decided.since(old[rule.name] ?? rule.decided)
            let packets = Double(growth.packets) / interval
            let limitDrops = rule.ownLimit.flatMap { limited[$0] } ?? 0
            return RuleRow(
                name: rule.name, total: rule.decided, wouldDrop: rule.wouldDrop, packetsPerSecond: packets,
                bitsPerSecond: Double(growth.bytes) * 8 / interval,
                dropsPerSecond: rule.drops ? packets : limitDrops)
        }
    }

    private static func limits(
        _ before: [CounterReading.LimitReading], _ now: [CounterReading.LimitReading], _ interval: Double
    ) -> [LimitRow] {
        let old = Dictionary(before.map { ($0.name, $0.count) }, uniquingKeysWith: { first, _ in first })
        return now.map { limit in
            let earlier = old[limit.name] ?? limit.count
            let dropped = limit.count.dropped.since(earlier.dropped).packets
            let other =
                limit.count.passed.since(earlier.passed).packets
                + limit.count.wouldDrop.since(earlier.wouldDrop).packets
            return LimitRow(
                name: limit.name, total: limit.count,
                packetsPerSecond: Double(other + dropped) / interval,
                dropsPerSecond: Double(dropped) / interval)
        }
    }

    /// Shares of the noted packets, scaled to all packets of the interval.
    private static func sources(
        _ before: CounterReading, _ now: CounterReading, packetsPerSecond: Double, limit: Int
    ) -> [SourceRow] {
        var noted: [NotedPacket] = []
        for (cpu, reading) in now.noted.enumerated() {
            let seen = before.noted.indices.contains(cpu) ? before.noted[cpu].cursor : 0
            noted += reading.packets.suffix(Int(clamping: reading.cursor &- min(seen, reading.cursor)))
        }
        guard !noted.isEmpty else { return [] }
        let scale = packetsPerSecond / Double(noted.count)
        var rows: [IPAddress: SourceRow] = [:]
        for packet in noted {
            guard let source = packet.source else { continue }
            let empty = SourceRow(source: source, packetsPerSecond: 0, bitsPerSecond: 0, dropsPerSecond: 0)
            rows[source, default: empty].packetsPerSecond += scale
            rows[source, default: empty].bitsPerSecond += scale * Double(packet.bytes) * 8
            rows[source, default: empty].dropsPerSecond += packet.dropped ? scale : 0
        }
        let sorted = rows.values.sorted {
            ($1.packetsPerSecond, $0.source) < ($0.packetsPerSecond, $1.source)
        }
        return Array(sorted.prefix(limit))
    }
}
