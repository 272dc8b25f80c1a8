// SPDX-License-Identifier: Apache-2.0
// The kernel's tables of sockets, read: which ends talk, and who opened.
import NetworkTypes
import Testing

@testable import Dataplane

private let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"

/// Lines as a little-endian host prints them.
private let tcp =
    header + """
           0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
           1: 016433C6:0016 070200C0:C350 01 00000000:00000000 02:000AFB0B 00000000     0
           2: 016433C6:9C40 070200C0:01BB 01 00000000:00000000 02:000AFB0B 00000000     0
           3: 016433C6:9C41 070200C0:01BB 06 00000000:00000000 03:00001770 00000000     0
           4: nonsense
        """

private struct Sample: Sendable {
    var proto: IPProtocol
    var text: String
    /// As "local port > remote port", `<` where the other side opened.
    var expected: [String]
}

private let samples = [
    Sample(
        proto: .tcp, text: tcp,
        expected: ["198.51.100.1 22 < 192.0.2.7 50000", "198.51.100.1 40000 > 192.0.2.7 443"]),
    Sample(
        proto: .tcp,
        text: header
            + "   0: B80D012000000000000000000100 0000:0016 B80D0120000000000000000007000000:C350 01 0\n"
            + "   1: B80D0120000000000000000001000000:9C40 B80D0120000000000000000007000000:01BB 01 0\n"
            + "   2: 0000000000000000FFFF0000016433C6:9C42 0000000000000000FFFF0000070200C0:01BB 01 0\n",
        expected: ["2001:db8::1 40000 > 2001:db8::7 443", "198.51.100.1 40002 > 192.0.2.7 443"]),
    Sample(
        proto: .udp,
        text: header + " 10: 016433C6:14E9 070200C0:0035 01 0\n 11: 00000000:0044 00000000:0000 07 0\n",
        expected: ["198.51.100.1 5353 > 192.0.2.7 53"]),
    Sample(
        proto: .tcp,
        text: header
            + (1...0xb).map { state in
                let port = String(0x9c40 + state, radix: 16)
                let word = (state < 16 ? "0" : "") + String(state, radix: 16).uppercased()
                return "   0: 016433C6:\(port) 070200C0:01BB \(word) 0\n"
            }.joined(),
        expected: [1, 2, 4, 5, 8, 9, 11].map { "198.51.100.1 \(40_000 + $0) > 192.0.2.7 443" }),
    Sample(
        proto: .udp, text: header + " 10: 016433C6:14E9 070200C0:0035 08 0\n", expected: []),
    Sample(proto: .udp, text: "", expected: []),
    Sample(
        proto: .tcp,
        text: header + " 1: 016433C6:10000 070200C0:1 01\n 2: 0164:1 0702:1 01\n 3: G:1 G:1 01\n",
        expected: []),
]

@Test(arguments: samples.indices)
func `connected sockets are read with their ends and openers, and other lines left out`(index: Int) {
    let found = connectedSockets(samples[index].proto, in: samples[index].text).map { socket in
        "\(socket.local) \(socket.localPort) \(socket.isAccepted ? "<" : ">") "
            + "\(socket.remote) \(socket.remotePort)"
    }
    #expect(found == samples[index].expected)
}
