// SPDX-License-Identifier: Apache-2.0
// SYN cookies between real stacks: connections through a spoofed flood, what they agree to, and the consent
// that this needs.
import Foundation
import Glibc
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct SynCookieTests {
        let net: TwoHosts

        init() throws {
            net = try TwoHosts()
            try net.addIPv6()
            try net.answersReachPeer()
            // Answers to sources that nobody has go to the client, which has no use for them.
            try net.server.ip(
                "route", "add", "203.0.113.96/27", "via", "192.0.2.7", "dev", "guard0", "onlink")
        }

        private static let policy =
            Policies.plain + """
                policy: cookies
                default: drop
                rules:
                  - { name: web, service: tcp/80, syn-cookies: { above: 1/m }, action: pass }
                  - { name: nd, service: icmpv6, action: pass }

                """
        private static let bare = Policies.plain + "policy: bare\ndefault: pass\n"

        private func setting(_ name: String) throws -> String {
            try net.server.inside {
                let text = try String(contentsOfFile: "/proc/sys/net/ipv4/" + name, encoding: .utf8)
                return text.trimmingCharacters(in: .whitespacesAndNewlines)
            }
        }

        private func set(_ name: String, _ value: String) throws {
            try net.server.inside {
                try value.write(toFile: "/proc/sys/net/ipv4/" + name, atomically: false, encoding: .utf8)
            }
        }

        private func apply() throws -> Outcome {
            let outcome = try net.server.guarded(
                "apply", net.policy(Self.policy), "--dev", "guard0", "--set-tcp-syncookies")
            #expect(outcome.exit == 0, "\(outcome)")
            return outcome
        }

        // MARK: Consent

        @Test func `without consent nothing changes, with it the settings come back on detach`() throws {
            try set("tcp_syncookies", "1")
            try set("tcp_timestamps", "1")
            let path = try net.policy(Self.policy)
            for words in [["--dry-run"], []] {
                let refused = try run(
                    net.server.entering([Product.path, "apply", path, "--dev", "guard0"] + words))
                #expect(refused.exit == 69, "\(refused)")
                #expect(refused.errors.contains("net.ipv4.tcp_syncookies=2"))
                #expect(refused.errors.contains("--set-tcp-syncookies"))
            }
            #expect(try setting("tcp_syncookies") == "1")
            #expect(try net.server.programID(on: "guard0") == nil)
            let outcome = try apply()
            #expect(outcome.errors.contains("net.ipv4.tcp_syncookies is 2 now, until detach; it was 1"))
            #expect(try setting("tcp_syncookies") == "2" && setting("tcp_timestamps") == "2")
            // Applied again: what comes back is what was there first.
            _ = try apply()
            try net.server.mustRun("detach")
            #expect(try setting("tcp_syncookies") == "1" && setting("tcp_timestamps") == "1")
        }

        @Test func `a policy without cookies gets the settings back, and an apply that fails changes none`()
            throws
        {
            try set("tcp_syncookies", "0")
            let path = try net.policy(Self.policy)
            let failed = try net.server.guarded(
                "apply", path, "--dev", "nowhere0", "--set-tcp-syncookies")
            #expect(failed.exit != 0)
            #expect(try setting("tcp_syncookies") == "0")
            _ = try apply()
            #expect(try setting("tcp_syncookies") == "2")
            try net.apply(Self.bare, as: "bare.conf")
            #expect(try setting("tcp_syncookies") == "0")
        }

        @Test func `where it is 2 already no consent is asked, and detach leaves it`() throws {
            try set("tcp_syncookies", "2")
            try set("tcp_timestamps", "1")
            let outcome = try net.server.guarded("apply", net.policy(Self.policy), "--dev", "guard0")
            #expect(outcome.exit == 0, "\(outcome)")
            #expect(outcome.errors.contains("neither window scaling nor SACK"))
            try net.server.mustRun("detach")
            #expect(try setting("tcp_syncookies") == "2" && setting("tcp_timestamps") == "1")
        }

        // MARK: What is agreed

        private static let ends = [
            (TwoHosts.clients[0], TwoHosts.serverV4), (TwoHosts.clientsV6[0], TwoHosts.serverV6),
        ]

        /// A connection whose client says that it takes segments of so many bytes.
        private func connect(_ family: Int, mss: Int32?) throws -> Socket? {
            let (client, server) = Self.ends[family]
            let end = try net.client.starting(from: client, to: server, 80, mss: mss)
            var polled = pollfd(fd: end.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, 5000) > 0, end.problem() == 0 else { return nil }
            return end
        }

        @Test(arguments: [0, 1])
        func `connections that cookies begin agree on scale, SACK, timestamps and segment sizes`(
            _ family: Int
        )
            throws
        {
            _ = try apply()
            let server = EchoServer(try net.server.plainListener(at: Self.ends[family].1, 80))
            defer { server.stop() }
            // The first takes the bucket's only token.
            _ = try #require(try connect(family, mss: nil)).echoes(10)
            // What the kernel's cookies can tell of an offered size (net/ipv4/syncookies.c).
            let sizes: [(offered: Int32?, kept: UInt32)] =
                family == 0
                ? [(nil, 1460), (1460, 1460), (1440, 1440), (1400, 1300), (600, 536)]
                : [(nil, 1440), (1440, 1440), (1430, 1420), (1300, 1220)]
            for (number, size) in sizes.enumerated() {
                let client = try #require(try connect(family, mss: size.offered))
                #expect(client.echoes(300_000))
                let here = try #require(ConnectionInfo(client.descriptor))
                #expect(eventually { server.connections.count == number + 2 })
                let there = try #require(server.connections.last)
                #expect(here.options & 7 == 7 && there.options & 7 == 7)
                #expect(here.sendScale == there.receiveScale && here.receiveScale == there.sendScale)
                // Timestamps take 12 bytes of each segment.
                #expect(there.sendMSS == size.kept - 12, "offered \(size.offered ?? 0)")
                #expect(here.sendMSS <= (family == 0 ? 1448 : 1428))
            }
            let cookies = try net.counters()["answers"]["cookies"]
            #expect(cookies["sent"].int == sizes.count)
            #expect(try #require(cookies["valid"].int) >= sizes.count)
            let top = try net.counters()
            #expect(top["reasons"]["syn-cookie"]["drop"].int == sizes.count)
            expectSums(top)
        }

        @Test func `without timestamps connections come about with segment sizes alone`() throws {
            try set("tcp_syncookies", "2")
            try set("tcp_timestamps", "1")
            try net.apply(Self.policy)
            let server = EchoServer(try net.server.plainListener(at: TwoHosts.serverV4, 80))
            defer { server.stop() }
            for _ in 0..<3 { #expect(try connect(0, mss: nil)?.echoes(100_000) == true) }
            #expect(eventually { server.connections.count == 3 })
            #expect(server.connections.dropFirst().allSatisfy { $0.options & 7 == 0 && $0.sendMSS == 1460 })
        }

        // MARK: Floods

        private static func spoofed(_ family: Int, _ number: Int) -> String {
            let host = 100 + number % 28
            return family == 0
                ? "tcp 203.0.113.\(host):\(1024 + number) > 198.51.100.1:80 syn"
                : "tcp [2001:db8:f::\(host)]:\(1024 + number) > [2001:db8:51::1]:80 syn"
        }

        private func flood(_ family: Int) throws -> SynFlood {
            let frames = try (0..<2048).map { try frame(Self.spoofed(family, $0)) }
            return try SynFlood(outOf: "peer0", of: net.client, frames)
        }

        @Test(arguments: [0, 1])
        func `through a spoofed flood connections come about and carry data`(_ family: Int) throws {
            _ = try apply()
            let server = EchoServer(try net.server.plainListener(at: Self.ends[family].1, 80))
            let flood = try flood(family)
            #expect(eventually { flood.sent > 2000 })
            var good = 0
            for _ in 0..<200 where try connect(family, mss: nil)?.echoes(1000) == true { good += 1 }
            flood.stop()
            server.stop()
            #expect(good >= 198)
            let top = try net.counters()
            #expect(try #require(top["answers"]["cookies"]["sent"].int) > 2000)
            #expect(try #require(top["answers"]["cookies"]["valid"].int) >= good - 1)
            #expect(top["answers"]["withheld"]["failed"].int == 0)
            expectSums(top)
        }

        /// Ten connections while the flood is under way.
        private func expectConnections(_ family: Int, through begin: @autoclosure () throws -> SynFlood)
            throws
        {
            let server = EchoServer(try net.server.plainListener(at: Self.ends[family].1, 80))
            let flood = try begin()
            #expect(eventually { flood.sent > 2000 })
            var good = 0
            for _ in 0..<10 where try connect(family, mss: nil)?.echoes(1000) == true { good += 1 }
            flood.stop()
            server.stop()
            #expect(good == 10)
            #expect(try #require(net.counters()["answers"]["cookies"]["valid"].int) >= 9)
        }

        /// The stack takes a cookie only on a listening socket that has sent one itself in the last minutes.
        @Test func `a flood of one listener leaves the others of its rule open`() throws {
            _ = try apply()
            let other = EchoServer(try net.server.plainListener(at: Self.ends[0].1, 80))
            defer { other.stop() }
            try expectConnections(1, through: flood(0))
        }

        /// The stack drops these, so that it never sends a cookie of its own.
        @Test(arguments: [0, 1])
        func `a flood of SYNs with wrong checksums does not close a listener`(_ family: Int) throws {
            _ = try apply()
            let checksum = 14 + (family == 0 ? 20 : 40) + 16
            let frames = try (0..<2048).map { number in
                var bytes = try frame(Self.spoofed(family, number))
                bytes[checksum] ^= 0x55
                return bytes
            }
            try expectConnections(family, through: SynFlood(outOf: "peer0", of: net.client, frames))
        }

        @Test func `a listener that begins in a flood is soon open`() throws {
            _ = try apply()
            let flood = try flood(0)
            #expect(eventually { flood.sent > 2000 })
            let server = EchoServer(try net.server.plainListener(at: TwoHosts.serverV4, 80))
            #expect(try eventually { try connect(0, mss: nil)?.echoes(1000) == true })
            flood.stop()
            server.stop()
        }

        /// Where two sockets have one address and port, a flood of the one is none of the other.
        @Test func `a flood on one interface leaves a listener of another open`() throws {
            try net.addPair(1)
            try net.server.mustRun(
                "apply", net.policy(Self.policy), "--dev", "guard0", "--dev", "guard1", "--set-tcp-syncookies"
            )
            let end = try net.server.plainListener(at: TwoHosts.serverV4, 80)
            #expect(setsockopt(end.descriptor, SOL_SOCKET, SO_BINDTODEVICE, "guard0", 7) == 0)
            let frames = try (0..<2048).map { try frame(Self.spoofed(0, $0)) }
            let flood = try SynFlood(outOf: "peer1", of: net.client, frames)
            let server = EchoServer(end)
            #expect(eventually { flood.sent > 2000 })
            var good = 0
            for _ in 0..<10 where try connect(0, mss: nil)?.echoes(1000) == true { good += 1 }
            flood.stop()
            server.stop()
            #expect(good == 10)
        }

        /// Whoever has an address can bring any number of cookies, also for addresses where nobody listens.
        @Test func `connections that this host takes no part in push out none that are answered`() throws {
            let text = Self.policy.replacing("stateful: false", with: "stateful: true")
            try net.server.mustRun(
                "apply", net.policy(text), "--dev", "guard0", "--set-tcp-syncookies")
            let server = EchoServer(try net.server.plainListener(at: TwoHosts.serverV4, 80))
            defer { server.stop() }
            let nobody = "198.51.100.77"
            try net.client.ip(
                "neighbour", "add", nobody, "lladdr", TwoHosts.serverMAC, "dev", "peer0", "nud", "permanent")
            for _ in 0..<20 {
                let came = try net.client.connects(
                    from: TwoHosts.clients[0], to: nobody, 80, milliseconds: 5000)
                #expect(came)
            }
            let live = try #require(try connect(0, mss: nil))
            #expect(live.echoes(1000))
            let flows = try net.server.report("flows")["summary"]
            #expect(flows["answered"]["used"].int == 1, "\(flows)")
            #expect(flows["half_open"]["used"].int == 20, "\(flows)")
        }

        @Test func `without cookies the same flood keeps connections out`() throws {
            try set("tcp_syncookies", "0")
            let server = EchoServer(try net.server.plainListener(at: TwoHosts.serverV4, 80))
            let flood = try flood(0)
            #expect(eventually { flood.sent > 2000 })
            var good = 0
            for _ in 0..<10 {
                let error = try net.client.connects(
                    from: TwoHosts.clients[0], to: TwoHosts.serverV4, 80, milliseconds: 300)
                good += error ? 1 : 0
            }
            flood.stop()
            server.stop()
            #expect(good <= 5)
        }
    }
}
