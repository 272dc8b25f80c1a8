// SPDX-License-Identifier: Apache-2.0
// Frames of one connection, in order, with right numbers and lengths; checksums are left out. In: what each
// side says. Out: Ethernet frames.
import NetworkTypes

/// A connection between a client and a server.
struct Conversation {
    var client: [UInt8] = [203, 0, 113, 7]
    var server: [UInt8] = [198, 51, 100, 1]
    var clientPort: UInt16 = 40_000
    var serverPort: UInt16 = 80
    /// The next sequence numbers, close to their wrap.
    private var clientNext: UInt32
    private var serverNext: UInt32 = 0xffff_fff0

    /// - Parameter number: the client's first sequence number.
    init(serverPort: UInt16 = 80, clientPort: UInt16 = 40_000, from number: UInt32 = 0xffff_ff00) {
        self.serverPort = serverPort
        self.clientPort = clientPort
        clientNext = number
    }

    /// SYN, SYN+ACK, ACK; the SYN carries the text, and the server takes it.
    mutating func open(saying text: String = "") -> [[UInt8]] {
        let syn = tcp(.toServer, 0x02, Array(text.utf8))
        clientNext &+= 1 &+ UInt32(text.utf8.count)
        let answer = tcp(.toClient, 0x12, [])
        serverNext &+= 1
        return [syn, answer, tcp(.toServer, 0x10, [])]
    }

    /// A segment with payload.
    mutating func say(_ way: FlowDirection, _ bytes: some Sequence<UInt8>) -> [UInt8] {
        let payload = Array(bytes)
        let frame = tcp(way, 0x18, payload)
        if way == .toServer {
            clientNext &+= UInt32(payload.count)
        } else {
            serverNext &+= UInt32(payload.count)
        }
        return frame
    }

    mutating func say(_ way: FlowDirection, _ text: String) -> [UInt8] { say(way, text.utf8) }

    /// One side ends the connection at once.
    func reset(_ way: FlowDirection) -> [UInt8] { tcp(way, 0x14, []) }

    /// A datagram.
    func datagram(_ way: FlowDirection, _ payload: [UInt8]) -> [UInt8] {
        ip(way, 17, ports(way) + number(8 + payload.count) + [0, 0] + payload)
    }

    /// A packet of another protocol.
    func packet(_ way: FlowDirection, proto: UInt8, _ content: [UInt8]) -> [UInt8] { ip(way, proto, content) }

    private func tcp(_ way: FlowDirection, _ flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let (sequence, acknowledged) =
            way == .toServer ? (clientNext, serverNext) : (serverNext, clientNext)
        let numbers = long(sequence) + long(flags & 0x10 == 0 ? 0 : acknowledged)
        return ip(way, 6, ports(way) + numbers + [0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + payload)
    }

    private func ip(_ way: FlowDirection, _ proto: UInt8, _ content: [UInt8]) -> [UInt8] {
        let (source, destination) = way == .toServer ? (client, server) : (server, client)
        let header: [UInt8] = [0x45, 0] + number(20 + content.count) + [0, 1, 0x40, 0, 64, proto, 0, 0]
        return ethernet + header + source + destination + content
    }

    private func ports(_ way: FlowDirection) -> [UInt8] {
        let (from, to) = way == .toServer ? (clientPort, serverPort) : (serverPort, clientPort)
        return number(Int(from)) + number(Int(to))
    }
}

/// IPv4 behind made addresses.
let ethernet: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00]

/// Two bytes in network order.
func number(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

private func long(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
}

/// A frame's IP packet within another IPv4 packet, as protocol 4 has it.
func wrapped(_ frame: [UInt8]) -> [UInt8] {
    let inner = Array(frame[14...])
    let header: [UInt8] = [0x45, 0] + number(20 + inner.count) + [0, 2, 0, 0, 64, 4, 0, 0]
    return ethernet + header + [192, 0, 2, 1, 192, 0, 2, 2] + inner
}
