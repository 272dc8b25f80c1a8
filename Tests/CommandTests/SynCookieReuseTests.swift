// SPDX-License-Identifier: Apache-2.0
// SYN cookies where the listener's host still has a socket between the same ends: clients that take a port
// again.
import Glibc
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct SynCookieReuseTests {
        let net: TwoHosts

        init() throws {
            net = try TwoHosts()
            try net.addIPv6()
            try net.answersReachPeer()
        }

        private static let ends = [
            (TwoHosts.clients[0], TwoHosts.serverV4), (TwoHosts.clientsV6[0], TwoHosts.serverV6),
        ]

        private func apply(_ rules: String) throws {
            let text =
                Policies.plain + "policy: cookies\ndefault: drop\n" + rules
                + "  - { name: nd, service: icmpv6, action: pass }\n"
            try net.server.mustRun("apply", net.policy(text), "--dev", "guard0", "--set-tcp-syncookies")
        }

        private static let web = """
            rules:
              - { name: web, service: tcp/80, syn-cookies: { above: 1/m }, action: pass }

            """

        /// A connection from a port; nil where none comes about.
        private func connect(_ family: Int, from port: UInt16) throws -> Socket? {
            let (client, server) = Self.ends[family]
            let end = try net.client.starting(from: client, sourcePort: port, to: server, 80)
            var polled = pollfd(fd: end.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, 8000) > 0, end.problem() == 0 else { return nil }
            return end
        }

        private func accepted(_ listener: Socket) throws -> Socket {
            var polled = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
            try #require(poll(&polled, 1, 5000) > 0)
            return Socket(owning: accept(listener.descriptor, nil, nil))
        }

        @Test(arguments: [0, 1])
        func `a client binds a port again whose last connection the server closed first`(_ family: Int)
            throws
        {
            try apply(Self.web)
            let listener = try net.server.plainListener(at: Self.ends[family].1, 80)
            for port in [40_001, 40_002, 40_001, 40_002] as [UInt16] {
                let client = try #require(try connect(family, from: port), "port \(port)")
                var server: Socket? = try accepted(listener)
                #expect(server?.sendAll([7]) == true && client.receive(milliseconds: 5000) == [7])
                server = nil
                #expect(client.receive(milliseconds: 5000) == [])
            }
            #expect(try net.counters()["answers"]["cookies"]["sent"].int == 1)
        }

        @Test func `a client that lost its connection without a word gets a new one from the same port`()
            throws
        {
            try apply(Self.web)
            let listener = try net.server.plainListener(at: TwoHosts.serverV4, 80)
            // Takes the bucket's only token.
            _ = try #require(try connect(0, from: 40_000))
            _ = try accepted(listener)
            var lost = try connect(0, from: 40_001)
            let held = try accepted(listener)
            // TCP_REPAIR is 19: closed so, nothing is sent.
            var on: Int32 = 1
            #expect(setsockopt(try #require(lost).descriptor, Int32(IPPROTO_TCP), 19, &on, 4) == 0)
            lost = nil
            // The stack asks by a challenge (RFC 9293 3.10.7.4), the client resets, and its next SYN is new.
            let again = try #require(try connect(0, from: 40_001))
            let server = try accepted(listener)
            #expect(server.sendAll([7]) && again.receive(milliseconds: 5000) == [7])
            withExtendedLifetime(held) {}
        }

        @Test func `a limit on SYNs leaves a connection alone whose sides send equally much`() throws {
            try apply(
                """
                limits:
                  conns: { rate: 3/m, burst: 3, per: source }
                rules:
                  - name: new
                    service: tcp/80
                    tcp-flags: [syn, "!ack"]
                    limit: conns
                    syn-cookies: { above: 1/m }
                    action: pass
                  - { name: web, service: tcp/80, action: pass }

                """)
            let server = EchoServer(try net.server.plainListener(at: TwoHosts.serverV4, 80))
            defer { server.stop() }
            _ = try #require(try connect(0, from: 40_000))
            let client = try #require(try connect(0, from: 40_001))
            for _ in 0..<20 { try #require(client.echoes(5)) }
            #expect(try net.counters()["reasons"]["limit"]["drop"].int ?? 0 == 0)
        }
    }
}
