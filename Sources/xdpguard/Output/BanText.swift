// SPDX-License-Identifier: Apache-2.0
// Bans in words and as JSON: a line or an object for each, and what `ban --why` answers.
import Diagnostics
import JSONOutput
import Service

extension BanEntry {
    /// As in "203.0.113.7 until 2026-..., since 2026-..., 2 packets dropped: too loud".
    var line: String {
        var text = "\(prefix) "
        text += endsNanoseconds.map { "until \(timestamp(nanoseconds: $0))" } ?? "for ever"
        text += ", since \(timestamp(nanoseconds: sinceNanoseconds)), \(dropped.packets) packets dropped"
        switch origin {
        case .manual: break
        case .limit(let name): text += ", by limit '\(name)'"
        case .inspector: text += ", by the inspector"
        }
        if !reason.isEmpty { text += ": \(reason)" }
        return printable(text)
    }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("prefix", .string(prefix.description)),
            ("since", .string(timestamp(nanoseconds: sinceNanoseconds))),
            ("until", endsNanoseconds.map { .string(timestamp(nanoseconds: $0)) } ?? .null),
            ("origin", .string(origin.word)),
        ]
        if case .limit(let name) = origin { members.append(("limit", .string(name))) }
        members += [
            ("reason", .string(reason)), ("packets", .unsigned(dropped.packets)),
            ("bytes", .unsigned(dropped.bytes)),
        ]
        return .object(members)
    }
}

extension BanExplanation {
    var lines: [String] {
        var lines: [String] = []
        if isBanned {
            lines.append("\(address) is banned")
        } else {
            lines.append("\(address) is not banned")
        }
        lines += bans.map { (isNeverBanned ? "  would be: " : "  ") + $0.line }
        if isNeverBanned {
            let named = sets.isEmpty ? "" : ", in \(sets.map { "$" + $0 }.joined(separator: ", "))"
            lines.append("  'never-ban' of \(file) has it\(named): no ban holds")
        }
        lines += failsafe.map {
            "  failsafe at \($0) passes what it sends to that entry's service, banned or not"
        }
        return lines
    }

    var json: JSONValue {
        .object([
            ("address", .string(address.description)), ("banned", .bool(isBanned)),
            ("bans", .array(bans.map(\.json))),
            (
                "never_ban",
                isNeverBanned
                    ? .object([
                        ("file", .string(file)), ("sets", .array(sets.map(JSONValue.string))),
                    ]) : .null
            ),
            ("failsafe", .array(failsafe.map(JSONValue.string))),
        ])
    }
}
