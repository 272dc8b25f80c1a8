// SPDX-License-Identifier: Apache-2.0
// The connections that this host has as the egress program comes to an interface: nothing of ours may have
// seen them begin. In: the kernel's tables of sockets. Out: those connections in the programs' tables, where
// these know nothing of them; under `default: drop` they go on.
import CBPF
import Glibc
import GuardABI
import NetworkTypes
import Synchronization

/// The tables of connections, written while the programs use them.
struct FlowSeeding {
    private let answered: AnsweredTable
    private let ports: MapMemory
    private let unanswered: Int32
    private let halfOpen: Int32

    /// - Parameter generation: follows connections.
    init(_ generation: GuardObject) throws(KernelError) {
        try self.init(seed: generation.config.seed) { map throws(KernelError) in
            try generation.descriptor(map.rawValue)
        }
    }

    /// - Parameter seed: of the programs' configuration.
    init(seed: UInt64, _ descriptor: (SharedMap) throws(KernelError) -> Int32) throws(KernelError) {
        answered = try AnsweredTable(map: descriptor(.flows), seed: seed)
        ports = try MapMemory(
            map: descriptor(.flowPorts), length: Int(GUARD_PORT_WORDS.rawValue) * MemoryLayout<UInt64>.size)
        unanswered = try descriptor(.unanswered)
        halfOpen = try descriptor(.halfOpen)
    }

    /// Stores the sockets of this network namespace.
    /// - Returns: remarks on what could not be read or stored: such a connection is as unknown as any that
    ///   began elsewhere.
    func seedSockets(now: UInt64) -> [String] {
        let tables: [(IPProtocol, String)] = [
            (.tcp, "tcp"), (.tcp, "tcp6"), (.udp, "udp"), (.udp, "udp6"),
        ]
        var remarks: [String] = []
        var refused = 0
        for (proto, name) in tables {
            do throws(KernelError) {
                for socket in connectedSockets(proto, in: try readSmallFile("/proc/thread-self/net/" + name))
                where try !seed(socket, now: now) {
                    refused += 1
                }
            } catch {
                // A host without IPv6 has no such table.
                if error.code == ENOENT, name.hasSuffix("6") { continue }
                remarks.append("connections of this host that run already may not pass: \(error)")
            }
        }
        if refused > 0 {
            remarks.append(
                "\(refused) connections of this host that run already have no place in a table for "
                    + "\(answered.capacity), and may not pass; --flows makes it larger")
        }
        return remarks
    }

    /// Stores one, unless the programs have learnt of it themselves: then they know it better.
    /// - Returns: false where there is no place for it.
    func seed(_ socket: ConnectedSocket, now: UInt64) throws(KernelError) -> Bool {
        var key = guard_flow_key(socket)
        if answered.has(key, now: now) { return true }
        let opening = try opening(&key, now: now)
        // A server's socket is connected too once it has answered: whoever asked there stays who began.
        if socket.proto == .udp, opening != nil || isServed(socket.localPort, now: now) { return true }
        let isAccepted = opening.map(\.isAccepted) ?? socket.isAccepted
        if !isAccepted { setPort(socket) }
        var flow = guard_flow()
        let side = isAccepted ? UInt64(GUARD_FLOW_THERE) : 0
        guard_flow_begin(&flow, opening?.openedNanoseconds ?? now, side | UInt64(socket.phase.state.rawValue))
        flow.seen_ns = now
        if socket.phase == .asked { return try keepUnanswered(&key, flow, now: now) }
        guard answered.keep(guard_flow_place(key: key, flow: flow), now: now) else { return false }
        // The socket is past what they say.
        bpf_map_delete_elem(unanswered, &key)
        bpf_map_delete_elem(halfOpen, &key)
        return true
    }

    /// What the programs know of a connection that nobody answered yet, or that this host accepted.
    private struct Opening {
        var isAccepted: Bool
        /// Of the programs' clock, in its steps.
        var openedNanoseconds: UInt64
    }

    private func opening(_ key: inout guard_flow_key, now: UInt64) throws(KernelError) -> Opening? {
        for table in [unanswered, halfOpen] {
            var known = guard_opening()
            let result = bpf_map_lookup_elem(table, &key, &known)
            if result == -ENOENT { continue }
            try check(result, "look a connection up")
            guard timeLeft(key, known.flow, now: now) > 0 else { continue }
            return Opening(
                isAccepted: guard_flow_state_of(&known.flow) & UInt64(GUARD_FLOW_THERE) != 0,
                openedNanoseconds: guard_flow_opened_ns(&known.flow))
        }
        return nil
    }

    /// Whether others have begun a conversation on a local port not long ago, as the programs have it.
    private func isServed(_ port: UInt16, now: UInt64) -> Bool {
        let words = ports.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        let noted = words[Int(GUARD_PORTS_SERVED.rawValue) + Int(port)].load(ordering: .relaxed)
        return noted != 0 && (noted > now || now - noted < Self.servedNanoseconds)
    }

    /// As long as the programs hold it for possible.
    private static let servedNanoseconds: UInt64 = 122_000_000_000

    private func keepUnanswered(
        _ key: inout guard_flow_key, _ flow: guard_flow, now: UInt64
    ) throws(KernelError) -> Bool {
        var known = guard_opening()
        let isOver =
            bpf_map_lookup_elem(unanswered, &key, &known) == 0 && timeLeft(key, known.flow, now: now) == 0
        if isOver { bpf_map_delete_elem(unanswered, &key) }
        var opening = guard_opening(flow: flow, sequence: 0, acknowledged: 0)
        let result = bpf_map_update_elem(unanswered, &key, &opening, UInt64(BPF_NOEXIST))
        if result != -EEXIST { try check(result, "store a connection") }
        return true
    }

    private func setPort(_ socket: ConnectedSocket) {
        let base = socket.proto == .tcp ? GUARD_PORTS_TCP.rawValue : GUARD_PORTS_UDP.rawValue
        let words = ports.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        let bit = UInt64(1) << UInt64(socket.localPort % 64)
        _ = words[Int(base) + Int(socket.localPort / 64)].bitwiseOr(bit, ordering: .sequentiallyConsistent)
    }
}

extension ConnectedSocket.Phase {
    fileprivate var state: guard_flow_state {
        switch self {
        case .asked: GUARD_FLOW_HALF_OPEN
        case .established: GUARD_FLOW_ESTABLISHED
        case .closing: GUARD_FLOW_CLOSING
        }
    }
}

extension guard_flow_key {
    fileprivate init(_ socket: ConnectedSocket) {
        self.init()
        local = guard_address6(of: socket.local)
        remote = guard_address6(of: socket.remote)
        (local_port, remote_port) = (socket.localPort, socket.remotePort)
        family = socket.local.family == .ipv4 ? 4 : 6
        `protocol` = socket.proto.rawValue
    }
}

extension guard_flow_group {
    /// The places by number, those included that have no connection.
    mutating func withPlaces<R>(_ body: (UnsafeMutableBufferPointer<guard_flow_place>) -> R) -> R {
        withUnsafeMutableBytes(of: &places) { body($0.assumingMemoryBound(to: guard_flow_place.self)) }
    }

    var isUsed: Bool {
        withUnsafeBytes(of: tags) { $0.bindMemory(to: UInt32.self).contains { $0 != 0 } }
    }

    /// The places whose key is the same in a second copy, made later. One without a family is free, or was
    /// being written.
    func stable(in later: guard_flow_group) -> [guard_flow_place] {
        var (one, other) = (self, later)
        return one.withPlaces { places in
            other.withPlaces { again in
                places.indices.filter {
                    places[$0].key.family != 0
                        && FlowIdentity(places[$0].key) == FlowIdentity(again[$0].key)
                }.map { places[$0] }
            }
        }
    }
}

extension guard_address6 {
    init(of address: IPAddress) {
        self.init(
            high: UInt64(truncatingIfNeeded: address.bits >> 64),
            low: UInt64(truncatingIfNeeded: address.bits))
    }
}
