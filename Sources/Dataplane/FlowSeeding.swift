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
        for (proto, name) in tables {
            do throws(KernelError) {
                try seed(proto, from: "/proc/thread-self/net/" + name, now)
            } catch {
                // A host without IPv6 has no such table.
                if error.code == ENOENT, name.hasSuffix("6") { continue }
                remarks.append("connections of this host that run already may not pass: \(error)")
            }
        }
        return remarks
    }

    private func seed(_ proto: IPProtocol, from path: String, _ now: UInt64) throws(KernelError) {
        for socket in connectedSockets(proto, in: try readSmallFile(path)) { try seed(socket, now: now) }
    }

    func seed(_ socket: ConnectedSocket, now: UInt64) throws(KernelError) {
        var key = guard_flow_key()
        key.local = guard_address6(of: socket.local)
        key.remote = guard_address6(of: socket.remote)
        (key.local_port, key.remote_port) = (socket.localPort, socket.remotePort)
        key.family = socket.local.family == .ipv4 ? 4 : 6
        key.protocol = socket.proto.rawValue
        var flow = guard_flow()
        (flow.opened_ns, flow.seen_ns) = (now, now)
        flow.state = UInt8(GUARD_FLOW_ESTABLISHED.rawValue)
        let opener = socket.isAccepted ? GUARD_OPENED_THERE : GUARD_OPENED_HERE
        flow.opener = UInt8(opener.rawValue)
        if !socket.isAccepted { try setPort(socket) }
        try check(
            bpf_map_update_elem(descriptor("guard_flows"), &key, &flow, UInt64(BPF_ANY)),
            "store a connection")
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

extension guard_address6 {
    init(of address: IPAddress) {
        self.init(
            high: UInt64(truncatingIfNeeded: address.bits >> 64),
            low: UInt64(truncatingIfNeeded: address.bits))
    }
}
