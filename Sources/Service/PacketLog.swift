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
    /// What monitor mode kept from dropping the packet: the rule or limit, or without one the reason.
    public var wouldDrop: String?
    public var logged: LoggedPacket

    public var text: String {
        var why = logged.reason
        if let rule { why += " '\(rule)'" }
        if !logged.detail.isEmpty { why += " (\(logged.detail))" }
        if let wouldDrop { why += ", would drop: \(wouldDrop)" }
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
            ("detail", .string(logged.detail)), ("would_drop", wouldDrop.map(JSONValue.string) ?? .null),
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
        members.append(("verdict", verdict))
        return .object(members)
    }

    /// As of the inspector's alerts: a reject is a drop that its sender is told of.
    private var verdict: JSONValue {
        guard logged.verdict == "reject" else {
            return .object([("action", logged.verdict == "pass" ? "pass" : "drop")])
        }
        let answer: JSONValue = logged.packet?.proto == .tcp ? "tcp-reset" : "icmp-prohib"
        return .object([
            ("action", "drop"), ("reject-target", "to_client"), ("reject", .array([answer])),
        ])
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

/// The log of the policies that run here, one after another.
public struct PacketLog {
    private let datapath: Datapath
    /// Those of the program that ran when they were read.
    private var source: Source

    private struct Source {
        var program: UInt32?
        var reader: EventReader
        var rules: [UInt32: String]
        var limits: [UInt32: String]
        var interfaces: [UInt32: String]

        init(_ datapath: Datapath) throws {
            guard let state = try SharedState.open(datapath.pins) else {
                throw ServiceError(.unavailable, "no policy runs here: apply one first")
            }
            program = try datapath.runningProgramID()
            reader = try EventReader(state)
            rules = Dictionary(
                try state.slots().map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
            limits = try state.limitNames()
            interfaces = Dictionary(
                try NetworkInterface.all().map { ($0.index, $0.name) },
                uniquingKeysWith: { first, _ in first })
        }
    }

    public init() throws {
        try requirePrivileges(for: "events")
        datapath = try Datapath()
        source = try Source(datapath)
    }

    /// What was logged since the last call; waits at most `milliseconds`.
    /// - Throws: also where no policy runs here any more.
    public mutating func next(milliseconds: Int32) throws -> [LogEntry] {
        let offset = wallClock() - Int64(clamping: programClock())
        let packets = try source.reader.next(milliseconds: milliseconds)
        // An apply brings new names before its first packet, a detach and apply another log.
        let slots = packets.flatMap { [$0.ruleSlot, $0.wouldDropSlot] }.compactMap { $0 }
        let limits = packets.flatMap { [$0.limitSlot, $0.wouldDropLimit] }.compactMap { $0 }
        let isKnown =
            slots.allSatisfy { source.rules[$0] != nil } && limits.allSatisfy { source.limits[$0] != nil }
        if try !isKnown || datapath.runningProgramID() != source.program {
            source = try Source(datapath)
        }
        return packets.map { entry($0, offset) }
    }

    private func entry(_ logged: LoggedPacket, _ offset: Int64) -> LogEntry {
        func name(_ slot: UInt32) -> String { source.rules[slot] ?? "slot \(slot)" }
        func limit(_ slot: UInt32) -> String { source.limits[slot] ?? "slot \(slot)" }
        var logged = logged
        if let slot = logged.limitSlot { logged.detail = limit(slot) }
        let suspect = logged.wouldDropSlot.map(name) ?? logged.wouldDropLimit.map(limit)
        return LogEntry(
            wallNanoseconds: Int64(clamping: logged.nanoseconds) &+ offset,
            interface: source.interfaces[logged.interfaceIndex] ?? String(logged.interfaceIndex),
            rule: logged.ruleSlot.map(name),
            wouldDrop: logged.wouldDrop ? suspect ?? logged.reason : nil,
            logged: logged)
    }
}
