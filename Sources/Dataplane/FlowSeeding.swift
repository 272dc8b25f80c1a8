// SPDX-License-Identifier: Apache-2.0
// The connections that this host has before anything of ours runs, put into the tables that are made for the
// first policy that follows connections: under `default: drop` they go on.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

extension GuardObject {
    /// Stores the sockets of this network namespace.
    /// - Returns: remarks on what could not be read or stored: such a connection is as unknown as any that
    ///   began elsewhere.
    func seedConnections(now: UInt64) -> [String] {
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
                    + "\(config.flow_count), and may not pass; --flows makes it larger")
        }
        return remarks
    }

    /// - Returns: false where the group of its places is full.
    func seed(_ socket: ConnectedSocket, now: UInt64) throws(KernelError) -> Bool {
        var key = guard_flow_key()
        key.local = guard_address6(of: socket.local)
        key.remote = guard_address6(of: socket.remote)
        (key.local_port, key.remote_port) = (socket.localPort, socket.remotePort)
        key.family = socket.local.family == .ipv4 ? 4 : 6
        key.protocol = socket.proto.rawValue
        var flow = guard_flow()
        let side = socket.isAccepted ? UInt64(GUARD_FLOW_THERE) : 0
        guard_flow_begin(&flow, now, side | UInt64(GUARD_FLOW_ESTABLISHED.rawValue))
        if !socket.isAccepted { try setPort(socket) }
        return try keep(guard_flow_place(key: key, flow: flow))
    }

    /// Writes a connection where the programs look for it. None of them runs on these tables yet.
    private func keep(_ place: guard_flow_place) throws(KernelError) -> Bool {
        let map = try descriptor("guard_flows")
        var key = place.key
        let hash = guard_flow_hash(config.seed, &key)
        var (index, group) = (
            guard_flow_group_of(hash, guard_flow_groups(config.flow_count)), guard_flow_group()
        )
        try check(bpf_map_lookup_elem(map, &index, &group), "read the table of connections")
        guard group.keep(place, hash) else { return false }
        try check(bpf_map_update_elem(map, &index, &group, UInt64(BPF_ANY)), "store a connection")
        return true
    }

    /// No program runs on these tables yet: nobody else writes the word.
    private func setPort(_ socket: ConnectedSocket) throws(KernelError) {
        let base = socket.proto == .tcp ? GUARD_PORTS_TCP.rawValue : GUARD_PORTS_UDP.rawValue
        var index = base + UInt32(socket.localPort / 64)
        var word: UInt64 = 0
        let map = try descriptor("guard_flow_ports")
        try check(bpf_map_lookup_elem(map, &index, &word), "read the ports of connections")
        word |= 1 << UInt64(socket.localPort % 64)
        try check(bpf_map_update_elem(map, &index, &word, 0), "store the port of a connection")
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

    /// False where all places are taken.
    fileprivate mutating func keep(_ place: guard_flow_place, _ hash: UInt64) -> Bool {
        let first = Int(guard_flow_first(hash)) - 1
        let found = withPlaces { places -> Int? in
            func isFree(_ number: Int) -> Bool {
                places[number].key.family == 0 || FlowIdentity(places[number].key) == FlowIdentity(place.key)
            }
            let number = isFree(first) ? first : places.indices.first(where: isFree)
            if let number { places[number] = place }
            return number
        }
        guard let found else { return false }
        withUnsafeMutableBytes(of: &tags) {
            $0.assumingMemoryBound(to: UInt32.self)[found + 1] = guard_flow_tag(hash)
        }
        return true
    }
}

extension guard_address6 {
    init(of address: IPAddress) {
        self.init(
            high: UInt64(truncatingIfNeeded: address.bits >> 64),
            low: UInt64(truncatingIfNeeded: address.bits))
    }
}
