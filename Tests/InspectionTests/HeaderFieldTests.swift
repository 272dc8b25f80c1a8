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

@Test(arguments: [("2.0", true), ("1.99", true), ("2", true), ("1.5", false), ("1.0", false)])
func `2_compat is every version that speaks 2`(_ version: String, _ isFound: Bool) throws {
    let bench = try Bench(
        "alert ssh any any -> any any (flow:to_server; ssh.protoversion:2_compat; sid:1;)")
    var talk = Conversation(serverPort: 22)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "SSH-\(version)-libssh_0.5.0\r\n"))
    bench.feed(talk.say(.toClient, "SSH-2.0-OpenSSH_9.0\r\n"))
    bench.finish()
    #expect(try bench.alerts().contains(1) == isFound)
}

/// As Suricata counts, and as rules for what a client says first are written.
@Test func `a stream's size is one before it has payload`() throws {
    let bench = try Bench(
        """
        alert tcp any any -> any any (flow:established,to_server; stream_size:server,=,1; content:"c"; sid:1;)
        alert tcp any any -> any any (flow:established,to_server; stream_size:client,=,8; content:"c"; sid:2;)
        alert tcp any any -> any any (flow:to_client; stream_size:server,=,3; content:"ok"; sid:3;)
        """)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "checkin"))
    bench.feed(talk.say(.toClient, "ok"))
    bench.finish()
    #expect(try bench.alerts() == [1, 2, 3])
}

/// Of a server that was not heard nothing is known but what its client acknowledges.
@Test func `a stream of which no number is known has no size`() throws {
    let bench = try Bench(
        """
        alert tcp any any -> any any (flags:S; stream_size:server,=,0; stream_size:client,=,1; sid:1;)
        alert tcp any any -> any any (flags:S; stream_size:server,>,0; sid:2;)
        """)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    bench.finish()
    #expect(try bench.alerts() == [1])
}
