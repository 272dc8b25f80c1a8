// SPDX-License-Identifier: Apache-2.0
// Logged packets with the names that their numbers stand for.
import Dataplane
import Diagnostics
import JSONOutput
import NetworkTypes

/// A logged packet as it is printed.
public struct LogEntry: Sendable {
    /// Since 1970-01-01T00:00Z.
    public var wallNanoseconds: Int64
    public var interface: String
    public var rule: String?
    /// The rule in monitor mode that would have dropped it.
    public var wouldDropRule: String?
    public var logged: LoggedPacket

    public var text: String {
        var why = logged.reason
        if let rule { why += " '\(rule)'" }
        if !logged.detail.isEmpty { why += " (\(logged.detail))" }
        if logged.wouldDrop { why += ", would drop" + (wouldDropRule.map { " by '\($0)'" } ?? "") }
        return printable(
            "\(timestamp(nanoseconds: wallNanoseconds)) \(interface) \(logged.verdict) \(why): "
                + "\(logged.packet?.flowText ?? "not IP")")
    }

    /// Suricata's EVE format: a `drop` event, or `netflow`-like `packet` fields under its own type for what
    /// passed.
    public var eve: JSONValue {
        var members: [(String, JSONValue)] = [
            ("timestamp", .string(String(timestamp(nanoseconds: wallNanoseconds).dropLast()) + "+0000")),
            ("event_type", logged.verdict == "pass" ? "alert" : "drop"), ("in_iface", .string(interface)),
        ]
        if let packet = logged.packet { members += Self.members(packet) }
        let context: JSONValue = .object([
            ("policy_rule", rule.map(JSONValue.string) ?? .null), ("reason", .string(logged.reason)),
            ("detail", .string(logged.detail)), ("would_drop", .bool(logged.wouldDrop)),
            ("would_drop_rule", wouldDropRule.map(JSONValue.string) ?? .null),
        ])
        members.append(
            (
                "alert",
                .object([
                    ("action", logged.verdict == "pass" ? "allowed" : "blocked"), ("gid", 1),
                    ("signature_id", 0),
                    ("rev", 0), ("signature", .string(rule ?? logged.reason)), ("category", "policy"),
                    ("severity", 3),
                    ("context", context),
                ])
            ))
        if logged.verdict != "pass" {
            members.append(
                (
                    "drop",
                    .object([("len", .integer(Int64(logged.packet?.length ?? 0))), ("reason", "rules")])
                ))
        }
        members.append(
            ("verdict", .object([("action", .string(logged.verdict == "pass" ? "pass" : "drop"))])))
        return .object(members)
    }

    private static func members(_ packet: PacketDescription) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = [("src_ip", .string(packet.source.description))]
        if let port = packet.sourcePort { members.append(("src_port", .integer(Int64(port)))) }
        members.append(("dest_ip", .string(packet.destination.description)))
        if let port = packet.destinationPort { members.append(("dest_port", .integer(Int64(port)))) }
        let name = packet.proto == .icmpv6 ? "IPv6-ICMP" : packet.proto.name?.uppercased()
        members.append(("proto", .string(name ?? String(packet.proto.rawValue))))
        if let type = packet.icmpType { members.append(("icmp_type", .integer(Int64(type)))) }
        if !packet.vlans.isEmpty {
            members.append(("vlan", .array(packet.vlans.map { .integer(Int64($0)) })))
        }
        members.append(("ip_v", packet.source.family == .ipv4 ? 4 : 6))
        return members
    }
}

/// The log of the policy that runs here.
public struct PacketLog {
    private let state: SharedState
    private let reader: EventReader
    private var names: [UInt32: String] = [:]

    public init() throws {
        try requirePrivileges(for: "events")
        guard let state = try SharedState.open(try Datapath().pins) else {
            throw ServiceError(.unavailable, "no policy runs here: apply one first")
        }
        self.state = state
        reader = try EventReader(state)
    }

    /// What was logged since the last call; waits at most `milliseconds`.
    public mutating func next(milliseconds: Int32) throws -> [LogEntry] {
        let logged = try reader.next(milliseconds: milliseconds)
        guard !logged.isEmpty else { return [] }
        // A policy may have come since, and its rules and interfaces with it.
        let slots = logged.flatMap { [$0.ruleSlot, $0.wouldDropSlot] }.compactMap { $0 }
        if slots.contains(where: { names[$0] == nil }) {
            names = Dictionary(
                try state.slots().map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        }
        let interfaces = Dictionary(
            try NetworkInterface.all().map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        let offset = wallClock() - Int64(clamping: programClock())
        return logged.map { packet in
            LogEntry(
                wallNanoseconds: Int64(clamping: packet.nanoseconds) &+ offset,
                interface: interfaces[packet.interfaceIndex] ?? String(packet.interfaceIndex),
                rule: packet.ruleSlot.map(name), wouldDropRule: packet.wouldDropSlot.map(name), logged: packet
            )
        }
    }

    private func name(_ slot: UInt32) -> String { names[slot] ?? "slot \(slot)" }
}
