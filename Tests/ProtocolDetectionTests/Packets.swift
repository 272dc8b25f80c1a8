// SPDX-License-Identifier: Apache-2.0
// Packets of test flows, from the IP header on, with documentation addresses. Checksums stay zero: nDPI does
// not look at them.

import ProtocolDetection

/// One side of a flow to the other.
struct TestFlow {
    var client: [UInt8] = [192, 0, 2, 7]
    var server: [UInt8] = [198, 51, 100, 1]
    var clientPort: UInt16 = 40000
    var port: UInt16

    static let client6: [UInt8] = [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [7]
    static let server6: [UInt8] = [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [1]

    func udp(_ payload: [UInt8], fromServer: Bool = false) -> [UInt8] {
        ip(17, ports(fromServer) + big16(8 + payload.count) + [0, 0] + payload, fromServer)
    }

    /// `flags` as in the header: 2 SYN, 16 ACK, 24 PSH and ACK.
    func tcp(
        _ payload: [UInt8], sequence: UInt32 = 1, flags: UInt8 = 24, fromServer: Bool = false
    ) -> [UInt8] {
        let numbers = big16(Int(sequence >> 16)) + big16(Int(sequence & 0xffff)) + [0, 0, 0, 1]
        return ip(
            6, ports(fromServer) + numbers + [0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + payload, fromServer)
    }

    /// The three packets that open a connection.
    var handshake: [[UInt8]] {
        [
            tcp([], sequence: 0, flags: 2), tcp([], sequence: 0, flags: 18, fromServer: true),
            tcp([], flags: 16),
        ]
    }

    func ip(_ transport: UInt8, _ segment: [UInt8], _ fromServer: Bool = false) -> [UInt8] {
        let addresses = fromServer ? server + client : client + server
        if client.count == 16 {
            return [0x60, 0, 0, 0] + big16(segment.count) + [transport, 64] + addresses + segment
        }
        return [0x45, 0] + big16(20 + segment.count) + [0, 0, 0, 0, 64, transport, 0, 0] + addresses + segment
    }

    private func ports(_ fromServer: Bool) -> [UInt8] {
        let (source, destination) = fromServer ? (port, clientPort) : (clientPort, port)
        return big16(Int(source)) + big16(Int(destination))
    }
}

func big16(_ number: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
}

func big24(_ number: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: number >> 16)] + big16(number) }

extension FlowDetection {
    /// Shows a packet at a time of no meaning.
    @discardableResult
    func feed(_ packet: [UInt8], at timeMilliseconds: UInt64 = 1_700_000_000_000) -> DetectionState {
        packet.withUnsafeBytes { feed($0, timeMilliseconds: timeMilliseconds) }
    }
}

/// What applications say.
enum Payload {
    static let httpRequest = Array(
        "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\r\n"
            .utf8)
    static let httpResponse = Array(
        "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok".utf8)
    static let sshClient = Array("SSH-2.0-OpenSSH_9.2\r\n".utf8)
    static let sshServer = Array("SSH-2.0-OpenSSH_9.6\r\n".utf8)
    static let bitTorrent =
        [19] + Array("BitTorrent protocol".utf8) + Array(repeating: 0, count: 8)
        + Array(repeating: 0x41, count: 20)
        + Array("-XX0001-123456789012".utf8)

    /// A question for the A record of www.example.com, or its answer 192.0.2.80.
    static func dns(answer: Bool = false) -> [UInt8] {
        let flags: [UInt8] = answer ? [0x81, 0x80] : [1, 0]
        let counts: [UInt8] = [0, 1, 0, answer ? 1 : 0, 0, 0, 0, 0]
        let name = [3] + Array("www".utf8) + [7] + Array("example".utf8) + [3] + Array("com".utf8) + [0]
        let record: [UInt8] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80]
        return [0x12, 0x34] + flags + counts + name + [0, 1, 0, 1] + (answer ? record : [])
    }

    /// A TLS 1.2 ClientHello whose JA3 text is "771,49195-49199,0-10-11,29-23,0".
    static func clientHello(host: String) -> [UInt8] {
        let name = [0] + big16(host.utf8.count) + Array(host.utf8)
        let extensions =
            big16(0) + big16(name.count + 2) + big16(name.count) + name
            + big16(10) + big16(6) + big16(4) + big16(29) + big16(23)
            + big16(11) + big16(2) + [1, 0]
        let body =
            [3, 3] + Array(repeating: 7, count: 32) + [0] + big16(4) + big16(0xc02b) + big16(0xc02f) + [1, 0]
            + big16(extensions.count) + extensions
        let message = [1] + big24(body.count) + body
        return [22, 3, 1] + big16(message.count) + message
    }
}
