// SPDX-License-Identifier: Apache-2.0
// Tests of packet headers and of what a session says, on packets as they come.
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

@Test(arguments: [(0, [3, 4]), (0x12, [1, 2]), (0xb8, [3])] as [(UInt8, [Int])])
func `the type of service is the IPv4 header's`(_ service: UInt8, _ found: [Int]) throws {
    let bench = try Bench(
        """
        alert udp any any -> any any (tos:18; content:"x"; sid:1;)
        alert udp any any -> any any (tos:x12; content:"x"; sid:2;)
        alert udp any any -> any any (tos:!x12; content:"x"; sid:3;)
        alert udp any any -> any any (tos:0; content:"x"; sid:4;)
        """)
    var frame = Conversation(serverPort: 9000).datagram(.toServer, Array("x".utf8))
    frame[15] = service
    bench.feed(frame)
    #expect(try bench.alerts() == found)
}
