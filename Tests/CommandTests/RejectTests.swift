// SPDX-License-Identifier: Apache-2.0
// `action: reject` between two real stacks: what a client is told, at once and by its own kernel.
import Glibc
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct RejectTests {
        let net: TwoHosts

        init() throws {
            net = try TwoHosts()
            try net.addIPv6()
            try net.answersReachPeer()
        }

        private static let policy =
            Policies.plain + """
                policy: rejecting
                default: pass
                rules:
                  - { name: refused, service: [tcp/80, udp/9000], action: reject }

                """

        private static let ends = [
            (TwoHosts.clients[0], TwoHosts.serverV4), (TwoHosts.clientsV6[0], TwoHosts.serverV6),
        ]

        @Test(arguments: [0, 1])
        func `a connection to a rejected port is refused at once, where a listener waits`(_ family: Int)
            throws
        {
            let (client, server) = Self.ends[family]
            let listener = try net.server.listener(at: server, 80)
            let other = try net.server.listener(at: server, 81)
            try net.apply(Self.policy)
            #expect(try net.client.connecting(from: client, to: server, 80) == ECONNREFUSED)
            #expect(try net.client.connecting(from: client, to: server, 81) == 0)
            let top = try net.counters()
            #expect(top["reasons"]["rule"]["reject"].int == 1)
            #expect(top["answers"]["sent"]["rst"].int == 1)
            #expect(top["answers"]["sent"]["icmp"].int == 0)
            expectSums(top)
            _ = (listener, other)
        }

        /// Linux tells a connected socket of 3/13 with EHOSTUNREACH, of ICMPv6 1/1 with EACCES.
        @Test(arguments: [(0, EHOSTUNREACH), (1, EACCES)])
        func `a datagram to a rejected port comes back as an error`(_ family: Int, _ expected: Int32) throws {
            let (client, server) = Self.ends[family]
            let port = try net.server.datagrams(at: server, 9000)
            try net.apply(Self.policy)
            let end = try net.client.datagrams(at: client, 0)
            let target = try Endpoint(server, 9000)
            #expect(target.withSocketAddress { connect(end.descriptor, $0, $1) } == 0)
            #expect(send(end.descriptor, [1, 2, 3], 3, 0) == 3)
            var polled = pollfd(fd: end.descriptor, events: Int16(POLLIN), revents: 0)
            #expect(poll(&polled, 1, 5000) == 1)
            #expect(end.problem() == expected)
            #expect(port.receive(milliseconds: 0) == nil)
            #expect(try net.counters()["answers"]["sent"]["icmp"].int == 1)
        }

        /// A rule elsewhere that asks for `state` names it "no state", and changes nothing of its answer.
        @Test func `a segment of no connection gets its RST, beside rules with state too`() throws {
            let states = "  - { name: live, service: tcp/22, state: established, action: pass }\n"
            try net.apply(Self.policy + states)
            let port = "203.0.113.77:5000 > 198.51.100.1:80"
            try net.client.send(frames: [frame("tcp \(port) ack"), frame("tcp \(port) syn")], outOf: "peer0")
            #expect(try eventually { try net.counters()["answers"]["sent"]["rst"].int == 2 })
            #expect(try net.counters()["answers"]["withheld"]["unfit"].int == 0)
        }

        @Test func `a rejected flood gets at most the budget, and the rest is counted`() throws {
            try net.apply(Self.policy)
            let start = monotonicNanoseconds()
            let frames = try (0..<5000).map { try frame("udp 203.0.113.77:\(1024 + $0) > 198.51.100.1:9000") }
            try net.client.send(frames: frames, outOf: "peer0")
            #expect(try eventually { try net.counters()["reasons"]["rule"]["reject"].int == 5000 })
            let seconds = Double(monotonicNanoseconds() - start) / 1e9
            let answers = try net.counters()["answers"]
            let sent = try #require(answers["sent"]["icmp"].int)
            #expect(sent >= 1000 && Double(sent) <= 1001 + 1000 * (seconds + 0.01))
            #expect(answers["withheld"]["budget"].int == 5000 - sent)
            let status = try net.server.mustRun("status", "--measure", "0")
            #expect(status.contains("answers sent: icmp \(sent)"))
            #expect(status.contains("answers withheld: budget \(5000 - sent)"))
        }

        @Test
        func `what a rejected packet was answered with outlives an apply, and monitor mode answers nothing`()
            throws
        {
            try net.apply(Self.policy)
            #expect(
                try net.client.connecting(from: TwoHosts.clients[0], to: TwoHosts.serverV4, 80)
                    == ECONNREFUSED)
            let listener = try net.server.listener(at: TwoHosts.serverV4, 80)
            try net.apply("mode: monitor\n" + Self.policy, as: "monitor.conf")
            #expect(try net.client.connecting(from: TwoHosts.clients[0], to: TwoHosts.serverV4, 80) == 0)
            let top = try net.counters()
            #expect(top["answers"]["sent"]["rst"].int == 1)
            #expect(try #require(top["rules"]["refused"]["would_drop"].int) >= 2)
            _ = listener
        }
    }
}
