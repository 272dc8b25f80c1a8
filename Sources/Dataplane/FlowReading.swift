// SPDX-License-Identifier: Apache-2.0
// The tables of connections as they are now: one value for each live connection, and how full they are.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// A live connection as this host sees it.
public struct Flow: Sendable, Hashable {
    public enum State: String, Sendable { case halfOpen = "half-open", established, closing }

    public var proto: IPProtocol
    public var local: IPAddress
    public var remote: IPAddress
    /// ICMP echo: its identifier, in both.
    public var localPort: UInt16
    public var remotePort: UInt16
    public var isOpenedHere: Bool
    public var state: State
    /// Nanoseconds since it was opened, and until it is over without a further packet.
    public var age: UInt64
    public var expiresIn: UInt64
    /// Of both directions, as far as the programs looked them up; bytes of IP packets.
    public var packets: UInt64
    public var bytes: UInt64
}

/// All live connections and the tables that they stand in.
public struct FlowTables: Sendable {
    public var flows: [Flow] = []
    /// Connections in each table, those included whose time is over, and its places.
    public var answered = (used: 0, places: 0)
    /// Opened by this host, and by others.
    public var unanswered = (used: 0, places: 0)
    public var halfOpen = (used: 0, places: 0)
    /// Conversations without a handshake that the other side began.
    public var marks = (used: 0, places: 0)
    /// Ever opened by this host, and accepted; how often no place could be had.
    public var opened: UInt64 = 0
    public var accepted: UInt64 = 0
    public var failed: UInt64 = 0
    /// Answered ones that still counted and gave way to a newer one.
    public var displaced: UInt64 = 0
}

extension SharedState {
    /// Nil where the running policy follows no connections.
    /// - Parameter now: `programClock()`.
    public func flows(now: UInt64) throws(KernelError) -> FlowTables? {
        guard maps[.flows] != nil else { return nil }
        var tables = FlowTables()
        tables.answered = try readAnswered(now, into: &tables.flows)
        tables.unanswered = try readOpenings(.unanswered, now, into: &tables.flows)
        tables.halfOpen = try readOpenings(.halfOpen, now, into: &tables.flows)
        tables.marks = try countMarks(now)
        var (zero, totals) = (UInt32(0), guard_flow_totals())
        try check(
            bpf_map_lookup_elem(descriptor(.flowTotals), &zero, &totals), "read the connections' totals")
        (tables.opened, tables.accepted) = (totals.opened, totals.accepted)
        (tables.failed, tables.displaced) = (totals.failed, totals.displaced)
        return tables
    }

    private func readAnswered(
        _ now: UInt64, into flows: inout [Flow]
    ) throws(KernelError) -> (used: Int, places: Int) {
        let map = try descriptor(.flows)
        let groups = try entries(ofMap: map)
        var used = 0
        for index in 0..<groups {
            var (key, group, again) = (index, guard_flow_group(), guard_flow_group())
            try check(bpf_map_lookup_elem(map, &key, &group), "read the connections")
            guard group.isUsed else { continue }
            // A place may be copied while it is written: of the old key one half, of the new one the other.
            try check(bpf_map_lookup_elem(map, &key, &again), "read the connections")
            for place in group.stable(in: again) {
                used += 1
                if let live = Flow(place.key, place.flow, now: now) { flows.append(live) }
            }
        }
        return (used, Int(groups) * Int(GUARD_FLOW_GROUP))
    }

    private func readOpenings(
        _ table: SharedMap, _ now: UInt64, into flows: inout [Flow]
    ) throws(KernelError) -> (used: Int, places: Int) {
        let map = try descriptor(table)
        let places = Int(try entries(ofMap: map))
        var seen: Set<FlowIdentity> = []
        for var key in try mapKeys(map, room: places, from: guard_flow_key()) {
            var opening = guard_opening()
            guard bpf_map_lookup_elem(map, &key, &opening) == 0, seen.insert(FlowIdentity(key)).inserted
            else {
                continue
            }
            if let live = Flow(key, opening.flow, now: now) { flows.append(live) }
        }
        return (seen.count, places)
    }

    private func countMarks(_ now: UInt64) throws(KernelError) -> (used: Int, places: Int) {
        let map = try descriptor(.flowMarks)
        let lines = try entries(ofMap: map)
        var used = 0
        for index in 0..<lines {
            var (key, line) = (index, guard_mark_line())
            try check(bpf_map_lookup_elem(map, &key, &line), "read the conversations' marks")
            let tags = [line.tags.0, line.tags.1, line.tags.2, line.tags.3]
            let times = [line.times.0, line.times.1, line.times.2, line.times.3]
            used += zip(tags, times).count { tag, time in
                tag != 0 && (now < time || now - time < (tag & 1 == 1 ? 120 : 30) * 1_000_000_000)
            }
        }
        return (used, Int(lines) * Int(GUARD_MARK_WAYS))
    }
}

/// A key's fields, to tell keys apart that a walk gives twice.
struct FlowIdentity: Hashable {
    private let words: [UInt64]

    init(_ key: guard_flow_key) {
        let ports = UInt64(key.local_port) << 16 | UInt64(key.remote_port)
        words = [
            key.local.high, key.local.low, key.remote.high, key.remote.low,
            ports << 16 | UInt64(key.family) << 8 | UInt64(key.protocol),
        ]
    }
}

extension Flow {
    /// Nil where its time is over.
    fileprivate init?(_ key: guard_flow_key, _ flow: guard_flow, now: UInt64) {
        var flow = flow
        let family: AddressFamily = key.family == 4 ? .ipv4 : .ipv6
        proto = IPProtocol(rawValue: key.protocol)
        local = IPAddress(family: family, bits: UInt128(key.local.high) << 64 | UInt128(key.local.low))
        remote = IPAddress(family: family, bits: UInt128(key.remote.high) << 64 | UInt128(key.remote.low))
        (localPort, remotePort) = (key.local_port, key.remote_port)
        let bits = guard_flow_state_of(&flow)
        isOpenedHere = bits & UInt64(GUARD_FLOW_THERE) == 0
        switch UInt32(bits & UInt64(GUARD_FLOW_STATE)) {
        case GUARD_FLOW_HALF_OPEN.rawValue: state = .halfOpen
        case GUARD_FLOW_CLOSING.rawValue: state = .closing
        default: state = .established
        }
        expiresIn = timeLeft(key, flow, now: now)
        guard expiresIn > 0 else { return nil }
        let opened = guard_flow_opened_ns(&flow)
        age = now > opened ? now - opened : 0
        (packets, bytes) = (guard_flow_packets(&flow), guard_flow_bytes(&flow))
    }
}
