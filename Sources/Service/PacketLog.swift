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
    public var logged: LoggedPacket

    public var text: String {
        var why = logged.reason
        if let rule { why += " '\(rule)'" }
        if !logged.detail.isEmpty { why += " (\(logged.detail))" }
        if logged.wouldDrop { why += ", would drop" }
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
    private let reader: EventReader
    private let names: [UInt32: String]
    private let interfaces: [UInt32: String]

    public init() throws {
        try requirePrivileges(for: "events")
        let datapath = try Datapath()
        guard let state = try SharedState.open(datapath.pins) else {
            throw ServiceError(.unavailable, "no policy runs here: apply one first")
        }
        reader = try EventReader(state)
        names = Dictionary(
            try state.slots().map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        interfaces = Dictionary(
            try NetworkInterface.all().map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
    }

    /// What was logged since the last call; waits at most `milliseconds`.
    public func next(milliseconds: Int32) throws -> [LogEntry] {
        let offset = wallClock() - Int64(clamping: programClock())
        return try reader.next(milliseconds: milliseconds).map { logged in
            LogEntry(
                wallNanoseconds: Int64(clamping: logged.nanoseconds) &+ offset,
                interface: interfaces[logged.interfaceIndex] ?? String(logged.interfaceIndex),
                rule: logged.ruleSlot.map { names[$0] ?? "slot \($0)" }, logged: logged)
        }
    }
}
