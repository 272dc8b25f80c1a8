// SPDX-License-Identifier: Apache-2.0
// EVE's `alert` object. In: the signature that matched, or the protocol that the policy forbids, and what
// became of it. Out: its fields in Suricata's order.
import JSONOutput
import Signatures

/// What became of the packet that an alert is about.
enum AlertAction: String, Sendable {
    case allowed, blocked
}

extension Signature {
    /// EVE's `alert` object.
    func eve(_ action: AlertAction) -> JSONValue {
        var members = EventMembers()
        members.add("action", .string(action.rawValue))
        members.add("gid", .integer(Int64(gid)))
        members.add("signature_id", .integer(Int64(sid)))
        members.add("rev", .integer(Int64(rev)))
        members.add("signature", .string(message))
        members.add("category", .string(category))
        members.add("severity", .integer(Int64(priority)))
        if !metadata.isEmpty { members.add("metadata", metadataObject) }
        if !references.isEmpty {
            members.add("references", .array(references.map { .string("\($0.system):\($0.id)") }))
        }
        return members.object
    }

    /// Each key once, with all of its values, as EVE has it.
    private var metadataObject: JSONValue {
        var groups: [(String, [JSONValue])] = []
        for pair in metadata {
            if let index = groups.firstIndex(where: { $0.0 == pair.key }) {
                groups[index].1.append(.string(pair.value))
            } else {
                groups.append((pair.key, [.string(pair.value)]))
            }
        }
        return .object(groups.map { ($0.0, .array($0.1)) })
    }

    /// "[1:2024217:3] a message", as Suricata's fast log has it.
    var summary: String { "[\(gid):\(sid):\(rev)] \(message)" }
}

/// The alert that a protocol is spoken which the policy forbids: it has no signature, so its number is 0.
struct ProtocolAlert: Sendable {
    /// As ndpiReader prints it.
    var name: String

    func eve(_ action: AlertAction) -> JSONValue {
        .object([
            ("action", .string(action.rawValue)), ("gid", 1), ("signature_id", 0), ("rev", 0),
            ("signature", .string(summary)), ("category", "Policy violation"), ("severity", 2),
        ])
    }

    var summary: String { "protocol \(name) is not allowed" }
}
