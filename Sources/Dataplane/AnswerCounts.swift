// SPDX-License-Identifier: Apache-2.0
// What the XDP program sent by itself and what it withheld: read from guard_answers.
import CBPF
import GuardABI

/// Answers to rejected packets, and SYN cookies, since the pins were made. Sent means handed to the driver:
/// whether the frame left, nobody tells the program.
public struct AnswerCounts: Sendable, Hashable {
    /// Frames sent for rejected packets, by kind: "rst", "icmp".
    public var sent: [String: UInt64] = [:]
    /// Rejected packets, and SYNs beyond their rate, that got no answer, by cause.
    public var withheld: [String: UInt64] = [:]
    /// Cookies "sent", and acknowledgements that brought a "valid" or an "invalid" one.
    public var cookies: [String: UInt64] = [:]

    public init() {}

    /// The names that each may have, in the order of the program's counters.
    public static let sentNames = names(GUARD_ANSWER_RST, upTo: GUARD_COOKIES_SENT)
    public static let cookieNames = names(GUARD_COOKIES_SENT, upTo: GUARD_WITHHELD_BUDGET)
    public static let withheldNames = names(GUARD_WITHHELD_BUDGET, upTo: GUARD_ANSWERS)

    private static func names(_ first: guard_answer_count, upTo end: guard_answer_count) -> [String] {
        (first.rawValue..<end.rawValue).map {
            String(cString: guard_answer_name(guard_answer_count(rawValue: $0)))
        }
    }
}

extension SharedState {
    public func answerCounts() throws(KernelError) -> AnswerCounts {
        let map = try descriptor(.answers)
        func counts(_ first: guard_answer_count, _ names: [String]) throws(KernelError) -> [String: UInt64] {
            var found: [String: UInt64] = [:]
            for (position, name) in names.enumerated() {
                let key = first.rawValue + UInt32(position)
                found[name] = try perCPUValues(map, key: key, of: UInt64(0)).reduce(0, &+)
            }
            return found
        }
        var all = AnswerCounts()
        all.sent = try counts(GUARD_ANSWER_RST, AnswerCounts.sentNames)
        all.cookies = try counts(GUARD_COOKIES_SENT, AnswerCounts.cookieNames)
        all.withheld = try counts(GUARD_WITHHELD_BUDGET, AnswerCounts.withheldNames)
        return all
    }
}
