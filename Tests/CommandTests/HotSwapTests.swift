// SPDX-License-Identifier: Apache-2.0
// One policy after another under traffic, by processes that may die: no packet is lost, none gets past.
import Foundation
import Testing

extension LiveTests {
    @Suite struct HotSwapTests {
        let net: TwoHosts

        init() throws { net = try TwoHosts() }

        /// Both pass UDP 9000 and drop UDP 9999 by rules of one name each, at different places.
        private static let first = Policies.web
        private static let second =
            Policies.plain + """
                policy: other
                default: pass
                sets:
                  crowd: [203.0.113.0/25, "2001:db8:bad::/48"]
                rules:
                  - { name: crowd, source: $crowd, service: tcp, action: drop }
                  - { name: telemetry, service: udp/9000, action: pass }
                  - { name: dns, service: udp/53, action: pass }
                  - { name: unwanted, service: udp/9999, action: drop }

                """

        @Test func `of datagrams under fifty swaps none is lost and none gets past, and counters go on`()
            throws
        {
            let wanted = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            let paths = [
                try net.policy(Self.first, as: "first.conf"), try net.policy(Self.second, as: "second.conf"),
            ]
            try net.server.mustRun("apply", paths[0], "--dev", "guard0")
            let traffic = try Traffic(
                from: "192.0.2.7", of: net.client, to: TwoHosts.serverV4, ports: (9000, 9999))
            var programs: Set<Int> = []
            var arrived: [Int] = []
            for swap in 1...50 {
                try net.server.mustRun("apply", paths[swap % 2], "--dev", "guard0")
                programs.insert(try #require(try net.server.programID(on: "guard0")))
                arrived += numbers(from: wanted, milliseconds: 0)
            }
            traffic.stop()
            let sent = traffic.sent
            arrived += numbers(from: wanted, milliseconds: 200)
            #expect(programs.count == 50)
            #expect(sent.failed == 0)
            #expect(sent.wanted > 1000)
            #expect(
                arrived == Array(0..<sent.wanted), "\(sent.wanted - arrived.count) of \(sent.wanted) lost")
            #expect(numbers(from: unwanted, milliseconds: 0) == [])
            let top = try net.counters()
            #expect(top["rules"]["telemetry"]["packets"].int == sent.wanted)
            #expect(top["rules"]["unwanted"]["packets"].int == sent.unwanted)
            expectSums(top)
        }

        @Test func `a rule's counter goes with its name, also when it moves or returns`() throws {
            func send(_ port: UInt16) throws {
                try net.client.send(1, from: "192.0.2.7", to: TwoHosts.serverV4, port)
            }
            try net.apply(Self.first)
            try send(9000)
            try send(9999)
            try net.apply(Self.second)
            try send(9000)
            try send(53)
            try expectEventually(net, rule: "dns", 1)
            expect(try net.counters(), rules: ["crowd": 0, "telemetry": 2, "dns": 1, "unwanted": 1])
            try net.apply(Self.first)
            try send(9999)
            try expectEventually(net, rule: "unwanted", 2)
            expect(try net.counters(), rules: ["unwanted": 2, "telemetry": 2, "web": 0])
            #expect(try net.counters()["total"]["packets"].int == 5)
        }

        @Test(arguments: [Int32](stride(from: 0, through: 200, by: 20)))
        func `after a kill -9 of the first apply the next one works and detach leaves nothing`(
            _ milliseconds: Int32
        ) throws {
            try killApply(try net.policy(Self.first), after: milliseconds)
            try net.apply(Self.first)
            try net.client.send(2, from: "192.0.2.7", to: TwoHosts.serverV4, 9999)
            try expectEventually(net, rule: "unwanted", 2)
            let folder = try net.server.pinFolder()
            try net.server.mustRun("detach")
            #expect(try net.server.programID(on: "guard0") == nil)
            #expect(!FileManager.default.fileExists(atPath: folder))
        }

        @Test func `after a kill -9 of an apply the old or the new policy runs and the next apply adopts it`()
            throws
        {
            try net.addPair(1)
            let path = try net.policy(Self.second, as: "second.conf")
            let devices = ["--dev", "guard0", "--dev", "guard1"]
            let wanted = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            try net.server.mustRun("apply", try net.policy(Self.first), "--dev", "guard0", "--dev", "guard1")
            for (round, delay) in stride(from: Int32(0), through: 240, by: 8).enumerated() {
                try killApply(path, devices, after: delay)
                try net.client.send(1, from: "192.0.2.7", to: TwoHosts.serverV4, 9999)
                try net.client.send(1, from: "192.0.2.7", to: TwoHosts.serverV4, 9000)
                #expect(wanted.receive(milliseconds: 2000) != nil, "after \(delay) ms")
                // Status tells one of the two.
                let name = try net.server.report("status", "--measure", "0")["policy"]["name"].string
                #expect(["web", "other"].contains(name), "after \(delay) ms")
                try net.server.mustRun(
                    "apply", net.folder.path + "/policy.conf", "--dev", "guard0", "--dev", "guard1")
                let programs = try ["guard0", "guard1"].map { try net.server.programID(on: $0) }
                #expect(programs[0] != nil && programs[0] == programs[1])
                #expect(try net.counters()["rules"]["unwanted"]["packets"].int == round + 1)
            }
            #expect(unwanted.receive(milliseconds: 0) == nil)
            let folder = try net.server.pinFolder()
            try net.server.mustRun("detach")
            #expect(!FileManager.default.fileExists(atPath: folder))
        }

        @Test func `of many applies at once each waits its turn`() throws {
            let paths = [
                try net.policy(Self.first, as: "first.conf"), try net.policy(Self.second, as: "second.conf"),
            ]
            let children = try (0..<6).map {
                try Child(
                    Command(net.server.entering([Product.path, "apply", paths[$0 % 2], "--dev", "guard0"])))
            }
            for child in children { #expect(try child.finish().exit == 0) }
            let names = try FileManager.default.contentsOfDirectory(atPath: net.server.pinFolder())
            #expect(names.filter { $0.hasSuffix("-next") } == [])
            #expect(names.count { $0.hasPrefix("link-") } == 1)
        }

        private func killApply(
            _ path: String, _ devices: [String] = ["--dev", "guard0"], after milliseconds: Int32
        ) throws {
            let child = try Child(
                Command(net.server.entering([Product.path, "apply", path, "--force"] + devices)))
            // Not a wait for anything: the moment of the kill is the test's input.
            poll(nil, 0, milliseconds)
            child.signal(SIGKILL)
            let outcome = try child.finish()
            #expect([0, -SIGKILL].contains(outcome.exit), "\(outcome)")
        }
    }
}
