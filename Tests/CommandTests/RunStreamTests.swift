// SPDX-License-Identifier: Apache-2.0
// `run` and a TCP connection: an HTTP request in segments is put together, found and banned; with the host's
// answers sampled by the egress program, and without them.
import Foundation
import Glibc
import TestSupport
import Testing

extension LiveTests {
    @Suite struct RunStreamTests {
        let net: TwoHosts
        private let attacker = "203.0.113.77"
        private static let policy = """
            policy: web
            default: drop
            inspectors: { web: { signatures: [web.rules], on-match: ban 10m } }
            rules: [{ name: web, service: tcp/8080, inspect: web, action: pass }]

            """
        private static let signature = """
            drop http any any -> any any (msg:"shell"; flow:established,to_server; \
            http.uri; content:"/cgi-bin/shell"; sid:1000003; rev:1;)

            """

        init() throws {
            net = try TwoHosts()
            _ = try net.folder.file("web.rules", Self.signature)
        }

        private func begin() throws -> Child {
            let child = try net.server.start("run", "--events", net.folder.path + "/eve.json")
            #expect(
                try eventually(within: 30) {
                    try net.server.report("status", "--measure", "0")["run"]["state"].string == "running"
                })
            return child
        }

        /// A connection of the attacker, and the host's end of it.
        private func connection(to listener: Socket) throws -> (Socket, Socket) {
            let theirs = try net.client.inside {
                let end = try Socket(AF_INET, SOCK_STREAM)
                try end.bind(Endpoint(attacker, 0))
                var on: Int32 = 1
                setsockopt(end.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
                let target = try Endpoint(TwoHosts.serverV4, 8080)
                guard target.withSocketAddress({ connect(end.descriptor, $0, $1) }) == 0 else {
                    throw SocketError("connect")
                }
                return end
            }
            let accepted = accept(listener.descriptor, nil, nil)
            guard accepted >= 0 else { throw SocketError("accept") }
            return (theirs, Socket(owning: accepted))
        }

        /// A request in three segments, each of which arrives before the next is sent.
        private func request(_ path: String) throws {
            let listener = try net.server.listener(at: TwoHosts.serverV4, 8080)
            let (theirs, ours) = try connection(to: listener)
            let text = Array("GET \(path) HTTP/1.1\r\nHost: example.com\r\n\r\n".utf8)
            for piece in [text[..<9], text[9..<15], text[15...]] {
                #expect(write(theirs.descriptor, Array(piece), piece.count) == piece.count)
                #expect(ours.receive(milliseconds: 2000) == Array(piece))
            }
        }

        private func expectBan() throws {
            #expect(try eventually { try net.server.report("bans")["bans"].elements.count == 1 })
            let ban = try net.server.report("bans")["bans"][0]
            #expect(ban["prefix"].string == attacker)
            #expect(ban["reason"].string == "sid 1000003, rule 'web'")
        }

        @Test func `a request in segments is found, and its sender banned`() throws {
            try net.apply(Self.policy)
            let child = try begin()
            try request("/index.html")
            #expect(try net.server.report("bans")["bans"].elements.isEmpty)
            try request("/cgi-bin/shell?x")
            try expectBan()
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
            let events = try String(contentsOfFile: net.folder.path + "/eve.json", encoding: .utf8)
            #expect(events.contains(#""url":"/index.html""#) && events.contains(#""app_proto":"HTTP""#))
        }

        @Test func `without the egress program what comes in is inspected all the same`() throws {
            try net.apply(Self.policy)
            let pins = try net.server.pinFolder()
            let index = try net.server.inside { if_nametoindex("guard0") }
            let link = "\(pins)/egress-\(index)"
            try #require(unlink(link) == 0, "another way to attach than by a link")
            let child = try begin()
            try request("/cgi-bin/shell?x")
            try expectBan()
            withExtendedLifetime(child) {}
        }
    }
}
