// SPDX-License-Identifier: Apache-2.0
// What the program sent by itself and what it withheld, for `status` and `top`. In: counters. Out: lines,
// JSON.
import Dataplane
import JSONOutput

extension AnswerCounts {
    /// Nothing where nothing was sent or withheld, as with policies that do not reject.
    var lines: [String] {
        func text(_ names: [String], _ counts: [String: UInt64]) -> String {
            names.filter { (counts[$0] ?? 0) > 0 }.map { "\($0) \(counts[$0] ?? 0)" }.joined(separator: ", ")
        }
        let parts = [
            ("answers sent", text(Self.sentNames, sent)),
            ("answers withheld", text(Self.withheldNames, withheld)),
            ("syn cookies", text(Self.cookieNames, cookies)),
        ]
        return parts.filter { !$0.1.isEmpty }.map { "\($0.0): \($0.1)" }
    }

    var json: JSONValue {
        func object(_ names: [String], _ counts: [String: UInt64]) -> JSONValue {
            .object(names.map { ($0, .unsigned(counts[$0] ?? 0)) })
        }
        return .object([
            ("sent", object(Self.sentNames, sent)), ("withheld", object(Self.withheldNames, withheld)),
            ("cookies", object(Self.cookieNames, cookies)),
        ])
    }
}
