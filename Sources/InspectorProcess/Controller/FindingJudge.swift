// SPDX-License-Identifier: Apache-2.0
// The controller believes no finding: a worker that was taken over may say anything. In: a finding, and what
// the controller knows by itself: the policy's inspectors, and from the kernel's own table whether the flow
// was sampled. Out: an act, or why there is none.
import NetworkTypes

/// What the running policy lets an inspector do.
public struct InspectorBounds: Sendable, Equatable {
    /// The strongest response: of `on-match`.
    public enum Strongest: Sendable, Equatable {
        case alert, dropFlow
        /// Bans of at most so many nanoseconds; flows may be dropped too.
        case ban(nanoseconds: UInt64)
    }

    public var strongest: Strongest
    /// Counter slots of the rules that name the inspector.
    public var ruleSlots: Set<UInt32>
    /// Positions of other inspectors that may be asked for packets of the same flows; nil: all.
    public var meets: Set<UInt16>?

    public init(strongest: Strongest, ruleSlots: Set<UInt32>, meets: Set<UInt16>? = []) {
        (self.strongest, self.ruleSlots, self.meets) = (strongest, ruleSlots, meets)
    }
}

extension InspectorBounds {
    /// Whether an act that was judged by other bounds keeps to these too.
    public func permits(_ act: InspectionAct) -> Bool {
        switch (act, strongest) {
        case (.ban(_, let slot, let nanoseconds, _), .ban(let most)):
            ruleSlots.contains(slot) && nanoseconds <= most
        case (.dropFlow(_, let slot, _, _), .ban), (.dropFlow(_, let slot, _, _), .dropFlow):
            ruleSlots.contains(slot)
        case (.ban, .dropFlow), (_, .alert): false
        }
    }
}

/// Which rule had a flow sampled, and for which inspector, as the kernel has it.
public struct FlowSampling: Sendable, Equatable {
    public var ruleSlot: UInt32
    public var inspector: UInt16

    public init(ruleSlot: UInt32, inspector: UInt16) {
        self.ruleSlot = ruleSlot
        self.inspector = inspector
    }
}

/// What the controller does for a finding that holds.
public enum InspectionAct: Sendable, Hashable {
    case dropFlow(InspectedFlow, ruleSlot: UInt32, nanoseconds: UInt64, cause: ReportedFinding.Cause)
    case ban(IPAddress, ruleSlot: UInt32, nanoseconds: UInt64, cause: ReportedFinding.Cause)
}

/// Why a finding is not carried out.
public enum FindingRefusal: String, Error, Sendable, CaseIterable {
    case unknownInspector = "an unknown inspector"
    case unknownRule = "a rule without that inspector"
    case strongerThanPolicy = "a response stronger than on-match"
    case tooLong = "a response longer than on-match"
    case foreignAddress = "an address that the flow does not have"
    /// Not in the kernel's table: never sampled, or forgotten since by a full table.
    case unknownFlow = "a flow that is not sampled"
    case tooMany = "too many a second"

    /// No worker that does what it should ever says such a thing: it has to go.
    public var isLie: Bool { self != .unknownFlow && self != .tooMany }
}

/// Judges the findings of one worker by the generation that it was started for.
public struct FindingJudge: Sendable {
    /// By position in the policy.
    private let inspectors: [InspectorBounds]
    private var tokens: FindingTokens
    /// By cause; what is not there did not happen.
    public private(set) var refused: [FindingRefusal: UInt64] = [:]
    public private(set) var accepted: UInt64 = 0

    /// How long a flow may stay dropped: longer than a TCP sender goes on to send a segment again
    /// (RFC 9293 3.8.3).
    public static let mostDropNanoseconds: UInt64 = 15 * 60 * 1_000_000_000

    /// - Parameter perSecond: findings that may come, on average; as many at once.
    public init(inspectors: [InspectorBounds], perSecond: UInt32 = 10_000) {
        self.inspectors = inspectors
        tokens = FindingTokens(perSecond: perSecond)
    }

    /// - Parameters:
    ///   - now: nanoseconds of a clock that does not go back.
    ///   - sampling: what the kernel knows of a flow, in either direction; nil: nothing.
    public mutating func judge(
        _ finding: ReportedFinding, now: UInt64, sampling: (InspectedFlow) -> FlowSampling?
    ) throws(FindingRefusal) -> InspectionAct {
        do throws(FindingRefusal) {
            try check(finding)
            guard tokens.take(at: now) else { throw .tooMany }
            // The kernel has the rule and inspector of the flow's latest packet. Where rules of several may
            // ask for packets of one flow each of them acts, whichever the sender chose last; that this rule
            // has this inspector is checked above.
            guard let latest = sampling(finding.flow)?.inspector,
                latest == finding.inspector
                    || inspectors[Int(finding.inspector)].meets?.contains(latest) ?? true
            else { throw .unknownFlow }
        } catch {
            refused[error, default: 0] &+= 1
            throw error
        }
        accepted &+= 1
        switch finding.response {
        case .dropFlow:
            return .dropFlow(
                finding.flow, ruleSlot: finding.ruleSlot, nanoseconds: finding.nanoseconds,
                cause: finding.cause)
        case .ban(let address):
            return .ban(
                address, ruleSlot: finding.ruleSlot, nanoseconds: finding.nanoseconds, cause: finding.cause)
        }
    }

    /// What can be seen from the finding alone.
    private func check(_ finding: ReportedFinding) throws(FindingRefusal) {
        guard inspectors.indices.contains(Int(finding.inspector)) else { throw .unknownInspector }
        let bounds = inspectors[Int(finding.inspector)]
        guard bounds.ruleSlots.contains(finding.ruleSlot) else { throw .unknownRule }
        switch (finding.response, bounds.strongest) {
        case (_, .alert), (.ban, .dropFlow): throw .strongerThanPolicy
        case (.dropFlow, _):
            guard finding.nanoseconds <= Self.mostDropNanoseconds else { throw .tooLong }
        case (.ban(let address), .ban(let most)):
            guard finding.nanoseconds <= most else { throw .tooLong }
            guard address == finding.flow.source || address == finding.flow.destination else {
                throw .foreignAddress
            }
        }
    }
}

/// A token bucket, full at first.
private struct FindingTokens: Sendable {
    private let perSecond: UInt64
    /// In billionths of a finding.
    private var left: UInt64
    private var filledAt: UInt64?

    init(perSecond: UInt32) {
        self.perSecond = UInt64(perSecond)
        left = UInt64(perSecond) * 1_000_000_000
    }

    mutating func take(at now: UInt64) -> Bool {
        let most = perSecond * 1_000_000_000
        if let filledAt, now > filledAt {
            // A second fills the bucket.
            let passed = min(now - filledAt, 1_000_000_000)
            left = min(most, left + passed * perSecond)
        }
        filledAt = max(filledAt ?? now, now)
        guard left >= 1_000_000_000 else { return false }
        left -= 1_000_000_000
        return true
    }
}
