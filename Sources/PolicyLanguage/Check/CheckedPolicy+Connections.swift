// SPDX-License-Identifier: Apache-2.0
// What a policy asks of connections, which decides whether they are followed at all.

extension Rule {
    /// The one state that the rule asks for; nil: it holds in both.
    public var askedState: ConnectionState? { state.flatMap { $0.count == 1 ? $0.first : nil } }

    /// Some packets for which it holds do not get through.
    fileprivate var canDrop: Bool {
        action == .drop || action == .reject || limit != nil || inspect != nil || synCookiesAbove != nil
    }
}

extension CheckedPolicy {
    /// Some rule asks for the state of packets.
    public var asksForState: Bool { rules.contains { $0.askedState != nil } }

    /// Something can happen to replies for which the state would have to let them pass.
    public var canDropReplies: Bool { defaultVerdict == .drop || rules.contains(where: \.canDrop) }
}
