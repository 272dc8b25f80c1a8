// SPDX-License-Identifier: Apache-2.0
// One reading of all counters: what `top` compares two of.
import Dataplane
import NetworkTypes
import PolicyLanguage

public struct CounterReading: Sendable {
    public struct RuleReading: Sendable {
        public var name: String
        public var decided: Count
        public var wouldDrop: Count
        /// What it decides is dropped or rejected: not under the policy's `mode: monitor`.
        public var drops = false
        /// The limit that no other rule names, whose drops are this rule's.
        public var ownLimit: String?
    }

    public struct LimitReading: Sendable {
        public var name: String
        public var count: LimitCount

        public init(name: String, count: LimitCount) {
            self.name = name
            self.count = count
        }
    }

    /// CLOCK_MONOTONIC.
    public var nanoseconds: UInt64
    public var policy: String
    /// By CPU, then by reason's name.
    public var cpus: [[String: ReasonCount]]
    /// In the policy's order.
    public var rules: [RuleReading]
    /// In the policy's order.
    public var limits: [LimitReading] = []
    /// By CPU: how many sources were noted so far, and the last ones.
    public var noted: [(cursor: UInt64, packets: [NotedPacket])]
    /// What the program sent by itself, and what it withheld.
    public var answers = AnswerCounts()

    public init(
        nanoseconds: UInt64, policy: String, cpus: [[String: ReasonCount]], rules: [RuleReading],
        noted: [(cursor: UInt64, packets: [NotedPacket])]
    ) {
        self.nanoseconds = nanoseconds
        self.policy = policy
        self.cpus = cpus
        self.rules = rules
        self.noted = noted
    }
}

/// Reads the running policy's counters.
public struct CounterReader {
    private let datapath: Datapath
    private let state: SharedState

    public init() throws {
        try requirePrivileges(for: "top")
        datapath = try Datapath()
        guard let state = try SharedState.open(datapath.pins), try !datapath.attachments().isEmpty else {
            throw ServiceError(.unavailable, "no policy runs here: apply one first")
        }
        self.state = state
    }

    public func read() throws -> CounterReading {
        let info = try runningInfo(datapath)
        let known = info?.rules ?? []
        let counts = try state.ruleCounts(slots: known.map(\.slot))
        let enforces = info?.header.mode != PolicyMode.monitor.rawValue
        let owned = (info?.header.limits ?? []).compactMap { limit in limit.onlyRule.map { ($0, limit.name) }
        }
        let ownLimits = Dictionary(owned, uniquingKeysWith: { first, _ in first })
        let rules = zip(known, counts).map { rule, count in
            CounterReading.RuleReading(
                name: rule.name, decided: count.decided, wouldDrop: count.wouldDrop,
                drops: rule.drops && enforces, ownLimit: ownLimits[rule.name])
        }
        var reading = CounterReading(
            nanoseconds: programClock(), policy: info?.header.policy ?? "", cpus: try state.reasonCounts(),
            rules: rules,
            noted: try state.notedPackets())
        reading.answers = try state.answerCounts()
        reading.limits = try (info?.header.limits ?? []).map {
            .init(name: $0.name, count: try state.limitCount(slot: $0.slot))
        }
        return reading
    }
}
