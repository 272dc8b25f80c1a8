// SPDX-License-Identifier: Apache-2.0
// The inspectors that look at a flow. Rules look at packets: what varies within a flow (DSCP, TTL, TCP flags)
// may have several of them ask for its packets, and who sends a flow's first packet is not to choose which
// of them sees the rest. Each that was asked once sees all that follows, and acts by its own `on-match`.
import SignatureMatching

/// One inspector of a flow.
struct FlowSeat {
    /// Positions in the plan: of the first packet that was sampled for it.
    let rule: UInt32
    let inspector: Int
    /// Bits, counters and reports of its signatures; nil without signatures.
    let matchState: FlowMatchState?
    /// Whether its `protocols` were compared with an answer that stands.
    var isProtocolJudged = false

    init(rule: UInt32, inspector: Int, matchState: FlowMatchState?) {
        (self.rule, self.inspector, self.matchState) = (rule, inspector, matchState)
    }
}

extension InspectedFlow {
    /// Takes in a further inspector.
    func join(_ seat: FlowSeat) {
        others.append(seat)
        if seat.matchState != nil { hasSignatures = true }
    }

    func isSeated(_ inspector: Int) -> Bool {
        seat.inspector == inspector || others.contains { $0.inspector == inspector }
    }

    /// In the order in which they came.
    @inline(__always) func forEachSeat(_ body: (FlowSeat) -> Void) {
        body(seat)
        for other in others { body(other) }
    }

    /// Asks for each that is not judged yet whether it is now.
    func judgeSeats(_ body: (FlowSeat) -> Bool) {
        if !seat.isProtocolJudged { seat.isProtocolJudged = body(seat) }
        for place in others.indices where !others[place].isProtocolJudged {
            others[place].isProtocolJudged = body(others[place])
        }
    }

    /// For all of them the policy's `protocols` were compared with an answer that stands.
    var isProtocolJudged: Bool { seat.isProtocolJudged && others.allSatisfy(\.isProtocolJudged) }

    /// They are compared again.
    func forgetProtocols() {
        seat.isProtocolJudged = false
        for place in others.indices { others[place].isProtocolJudged = false }
    }
}

extension SampleConsumer {
    /// A seat for the inspector of the sample that is being taken.
    func makeSeat() -> FlowSeat {
        let hasSignatures = signatures.indices.contains(inspector) && signatures[inspector] != nil
        return FlowSeat(rule: rule, inspector: inspector, matchState: hasSignatures ? .init() : nil)
    }

    /// Its signatures, where they still look at the flow.
    func signatures(of seat: FlowSeat) -> InspectorSignatures? {
        guard !(seat.matchState?.isBypassed ?? true), signatures.indices.contains(seat.inspector) else {
            return nil
        }
        return signatures[seat.inspector]
    }
}
