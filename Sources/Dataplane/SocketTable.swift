// SPDX-License-Identifier: Apache-2.0
// The sockets of this network namespace that talk to somebody, as /proc/net/tcp and its like list them
// (proc_net_tcp of the kernel's documentation). In: a file's text. Out: their ends.
import GuardABI
import NetworkTypes

/// A socket with two ends, in the kernel's table of its protocol.
struct ConnectedSocket: Hashable {
    /// How far a connection is.
    enum Phase {
        /// This host has sent its SYN, and has no answer.
        case asked
        case established
        /// One side has sent its FIN.
        case closing
    }

    var proto: IPProtocol
    var local: IPAddress
    var remote: IPAddress
    var localPort: UInt16
    var remotePort: UInt16
    /// Its local port has a listener, so that the other side opened it.
    var isAccepted: Bool
    var phase = Phase.established
}

/// Sockets of one table that wait for something of their other end. One that has not finished the handshake
/// of a connection that it accepts is none: its SYN+ACK is sent again, and tells more of it.
/// - Parameter text: of /proc/net/tcp, tcp6, udp or udp6; lines that are none are left out.
func connectedSockets(_ proto: IPProtocol, in text: String) -> [ConnectedSocket] {
    let rows = text.split(separator: "\n").dropFirst().compactMap(SocketRow.init)
    let listening = Set(rows.filter { $0.state == SocketRow.listen }.map(\.local.port))
    return rows.compactMap { row in
        guard let phase = row.phase(proto), row.remote.port != 0 else { return nil }
        var socket = ConnectedSocket(
            proto: proto, local: row.local.address, remote: row.remote.address, localPort: row.local.port,
            remotePort: row.remote.port, isAccepted: false, phase: phase)
        socket.isAccepted = proto == .tcp && phase != .asked && listening.contains(row.local.port)
        return socket
    }
}

/// As in "  0: 0100007F:1F90 00000000:0000 0A ...": number, local end, remote end, state.
private struct SocketRow {
    static let listen = "0A"

    /// By the numbers of net/tcp_states.h. A datagram socket is connected or not.
    func phase(_ proto: IPProtocol) -> ConnectedSocket.Phase? {
        switch (state, proto) {
        case ("01", _): .established
        case ("02", .tcp): .asked
        // FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
        case ("04", .tcp), ("05", .tcp), ("08", .tcp), ("09", .tcp), ("0B", .tcp): .closing
        default: nil
        }
    }

    var local: (address: IPAddress, port: UInt16)
    var remote: (address: IPAddress, port: UInt16)
    var state: Substring

    init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count > 3, let local = Self.end(words[1]), let remote = Self.end(words[2]) else {
            return nil
        }
        (self.local, self.remote, state) = (local, remote, words[3])
    }

    private static func end(_ text: Substring) -> (IPAddress, UInt16)? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16) else { return nil }
        return address(parts[0]).map { ($0, port) }
    }

    /// Words of 32 bits, each in network order and printed as a number of this host's. An IPv4 socket in the
    /// table of IPv6 has a mapped address.
    private static func address(_ text: Substring) -> IPAddress? {
        var bits: UInt128 = 0
        var rest = text
        while !rest.isEmpty {
            guard rest.count >= 8, let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            bits = bits << 32 | UInt128(word.bigEndian)
            rest = rest.dropFirst(8)
        }
        if text.count == 8 { return IPAddress(family: .ipv4, bits: bits) }
        guard text.count == 32 else { return nil }
        return bits >> 32 == 0xffff
            ? IPAddress(family: .ipv4, bits: bits & 0xffff_ffff) : IPAddress(family: .ipv6, bits: bits)
    }
}
