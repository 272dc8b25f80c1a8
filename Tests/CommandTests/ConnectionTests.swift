// SPDX-License-Identifier: Apache-2.0
// A host that lets nothing in by rule: what it asks for itself is answered, over real interfaces, through
// swaps, and nothing of it stays behind.
import Foundation
import Glibc
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct ConnectionTests {
        let net: TwoHosts
        private let peer = "192.0.2.7"

        init() throws { net = try TwoHosts() }

        private static let closed = "policy: closed\ndefault: drop\n"

        @Test func `a host with default drop connects, resolves and pings, and nobody else does`() throws {
            try net.apply(Self.closed)
            let outside = try net.client.listener(at: peer, 8080)
            let inside = try net.server.listener(at: TwoHosts.serverV4, 80)
            #expect(
                try net.server.connects(from: TwoHosts.serverV4, to: peer, 8080, milliseconds: 2000))
            #expect(
                try !net.client.connects(from: peer, to: TwoHosts.serverV4, 80, milliseconds: 200))
            #expect(try resolves(port: 53))
            #expect(try pings())
            withExtendedLifetime((outside, inside)) {}
            let top = try net.counters()
            #expect((top["reasons"]["established"]["pass"].int ?? 0) >= 4)
            #expect((top["reasons"]["default"]["drop"].int ?? 0) >= 1)
            expectSums(top)
        }

        @Test func `without state the same host gets no answer`() throws {
            try net.apply("default: drop\nstateful: false\n")
            let outside = try net.client.listener(at: peer, 8080)
            #expect(try !net.server.connects(from: TwoHosts.serverV4, to: peer, 8080, milliseconds: 200))
            withExtendedLifetime(outside) {}
            #expect(try !resolves(port: 53))
        }

        @Test func `a connection goes on through swaps, its numbers in flows`() throws {
            try net.apply(Self.closed)
            let listener = try net.client.listener(at: peer, 8080)
            let (ours, theirs) = try connection(to: listener)
            for swap in 0..<4 {
                try net.apply(Self.closed + "rules: [{ name: r\(swap), service: tcp/1, action: pass }]\n")
                #expect(write(theirs.descriptor, "x", 1) == 1)
                #expect(ours.receive(milliseconds: 2000) == [0x78])
            }
            let flows = try net.server.report("flows")
            let flow = flows["flows"][0]
            #expect(flow["protocol"].string == "tcp" && flow["opener"].string == "local")
            #expect(flow["state"].string == "established" && flow["remote_port"].int == 8080)
            #expect((flow["packets"].int ?? 0) >= 7 && (flow["bytes"].int ?? 0) > 280)
            #expect(flows["summary"]["opened"].int == 1 && flows["summary"]["failed"].int == 0)
            #expect(try net.server.mustRun("flows", "--top").contains("> \(peer):8080 established"))
        }

        @Test func `connections that ran before the first policy go on under it`() throws {
            let listener = try net.client.listener(at: peer, 8080)
            let (ours, theirs) = try connection(to: listener)
            try net.apply(Self.closed)
            #expect(write(theirs.descriptor, "x", 1) == 1)
            #expect(ours.receive(milliseconds: 2000) == [0x78])
            #expect(try net.server.report("flows")["flows"][0]["opener"].string == "local")
        }

        @Test func `a connection that is half closed before the first policy gets its answer`() throws {
            let listener = try net.client.listener(at: peer, 8080)
            let (ours, theirs) = try connection(to: listener)
            shutdown(ours.descriptor, Int32(SHUT_WR))
            #expect(theirs.receive(milliseconds: 2000) == [])
            try net.apply(Self.closed)
            #expect(write(theirs.descriptor, "x", 1) == 1)
            #expect(ours.receive(milliseconds: 2000) == [0x78])
            #expect(try net.server.report("flows")["flows"][0]["state"].string == "closing")
        }

        @Test func `the egress program comes and goes with the policies that need it`() throws {
            let folder = { FileManager.default.fileExists(atPath: $0) }
            try net.apply(Self.closed)
            let pins = try net.server.pinFolder()
            let index = try net.server.inside { if_nametoindex("guard0") }
            let isAttached = {
                folder("\(pins)/egress-\(index)") || folder("\(pins)/egress-filter-\(index)")
            }
            #expect(isAttached() && folder(pins + "/guard_flows"))
            #expect(try net.server.report("status")["interfaces"][0]["egress"].string != nil)
            try net.apply(Policies.open)
            #expect(!isAttached() && !folder(pins + "/guard_flows"))
            let refused = try net.server.guarded("flows")
            #expect(refused.exit == 69 && refused.errors.contains("follows no connections"))
            try net.apply(Self.closed)
            #expect(isAttached())
            try net.server.mustRun("detach")
            #expect(!folder(pins))
        }

        @Test func `a failed apply leaves the egress program as it was`() throws {
            try net.apply(Self.closed)
            let listener = try net.client.listener(at: peer, 8080)
            let (ours, theirs) = try connection(to: listener)
            let path = try net.policy(Self.closed, as: "again.conf")
            let refused = try net.server.guarded("apply", path, "--dev", "guard0", "--dev", "nowhere0")
            #expect(refused.exit != 0)
            #expect(write(theirs.descriptor, "x", 1) == 1)
            #expect(ours.receive(milliseconds: 2000) == [0x78])
            let dry = try net.server.guarded("apply", path, "--dev", "guard0", "--dry-run")
            #expect(dry.exit == 0)
        }

        @Test func `status tells how full the tables of connections are`() throws {
            let fills = { () throws -> [String: JSON] in
                let maps = try net.server.report("status")["maps"].elements
                return Dictionary(uniqueKeysWithValues: maps.map { ($0["name"].string ?? "", $0) })
            }
            try net.apply(Policies.open)
            #expect(try fills()["connections"] == nil && fills()["half-open connections"] == nil)
            try net.server.mustRun("detach")
            let policy = try net.policy(Self.closed)
            try net.server.mustRun("apply", policy, "--dev", "guard0", "--flows", "2048")
            let listener = try net.client.listener(at: peer, 8080)
            let ends = try connection(to: listener)
            // Nobody answers.
            try net.server.send(1, from: TwoHosts.serverV4, to: peer, 53)
            let full = try fills()
            #expect(full["connections"]?["used"].int == 1 && full["connections"]?["capacity"].int == 2048)
            #expect(full["unanswered connections"]?["used"].int == 1)
            #expect(full["unanswered connections"]?["capacity"].int == 32_768)
            #expect(full["half-open connections"]?["used"].int == 0)
            #expect(full["half-open connections"]?["capacity"].int == 65_536)
            #expect(try net.server.mustRun("status").contains("\nconnections: 1 of 2048\n"))
            withExtendedLifetime(ends) {}
        }

        @Test func `programs of a version with another layout are named, with their pins`() throws {
            try net.apply(Self.closed)
            let policy = try net.policy(Self.closed, as: "again.conf")
            let pins = try net.server.pinFolder()
            let older = try #require(pins.range(of: "-abi").map { pins[..<$0.upperBound] + "7" })
            #expect(rename(pins, String(older)) == 0)
            defer { rename(String(older), pins) }
            for words in [["status"], ["apply", policy, "--dev", "guard0"]] {
                let refused = try run(net.server.entering([Product.path] + words))
                #expect(refused.exit == 69)
                #expect(refused.errors.contains("version") && refused.errors.contains(older), "\(refused)")
            }
        }

        @Test func `a packet too big is let in for a real connection alone`() throws {
            try net.apply(Self.closed)
            let listener = try net.client.listener(at: peer, 8080)
            let (ours, theirs) = try connection(to: listener)
            let port = try localPort(of: ours)
            for quoted in [port, port ^ 1] {
                try net.client.send(frames: [try tooBig(from: quoted)], outOf: "peer0")
            }
            var top = JSON.null
            let seen = try eventually {
                top = try net.counters()
                return top["reasons"]["default"]["drop"].int == 1
                    && top["reasons"]["essential"]["pass"].int == 1
            }
            #expect(seen, "\(top)")
            withExtendedLifetime(theirs) {}
        }
    }
}

extension LiveTests.ConnectionTests {
    /// A datagram to the peer and its answer.
    private func resolves(port: UInt16) throws -> Bool {
        let resolver = try net.client.datagrams(at: peer, port)
        let asking = try net.server.datagrams(at: TwoHosts.serverV4, 5353)
        try asking.send([1], to: try Endpoint(peer, port))
        guard resolver.receive(milliseconds: 2000) == [1] else { return false }
        try resolver.send([2], to: try Endpoint(TwoHosts.serverV4, 5353))
        return asking.receive(milliseconds: 200) == [2]
    }

    /// An echo request of the guarded host and its reply.
    private func pings() throws -> Bool {
        try net.server.inside {
            let end = try Socket(AF_INET, SOCK_RAW, protocol: 1)
            try end.send([8, 0, 0xf7, 0xf8, 0, 7, 0, 0], to: try Endpoint(peer, 0))
            while let packet = end.receive(milliseconds: 2000) {
                if packet.count >= 28, packet[20] == 0, packet[25] == 7 { return true }
            }
            return false
        }
    }

    /// A connection of the guarded host to a listener of its peer: both ends.
    private func connection(to listener: Socket) throws -> (Socket, Socket) {
        let ours = try net.server.inside {
            let end = try Socket(AF_INET, SOCK_STREAM)
            let result = try Endpoint(peer, 8080).withSocketAddress { connect(end.descriptor, $0, $1) }
            guard result == 0 else { throw SocketError("connect to \(peer)") }
            return end
        }
        let accepted = accept(listener.descriptor, nil, nil)
        guard accepted >= 0 else { throw SocketError("accept") }
        return (ours, Socket(owning: accepted))
    }

    private func localPort(of end: Socket) throws -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(end.descriptor, $0, &size)
            }
        }
        guard result == 0 else { throw SocketError("ask for a port") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// ICMP "fragmentation needed" about a packet from this port of the guarded host to the peer's 8080.
    private func tooBig(from port: UInt16) throws -> [UInt8] {
        let sent = try PacketBuilder("tcp \(TwoHosts.serverV4):\(port) > \(peer):8080 ack")
        var message = try PacketBuilder("icmp 192.0.2.8 > \(TwoHosts.serverV4) destination-unreachable")
        message.segment = [3, 4, 0, 0, 0, 0, 5, 0] + sent.bytes.dropFirst(14).prefix(28)
        return message.bytes
    }
}
