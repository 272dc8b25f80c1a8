// SPDX-License-Identifier: Apache-2.0
// apply, status, top, detach on real interfaces with real sockets.
import Foundation
import Testing

extension LiveTests {
    @Suite struct ApplyTests {
        let net: TwoHosts

        init() throws { net = try TwoHosts() }

        @Test(arguments: ["native", "generic"])
        func `sockets see what the policy says and top counts what was sent`(_ mode: String) throws {
            let wanted = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            let other = try net.server.datagrams(at: TwoHosts.serverV4, 5000)
            let path = try net.policy(Policies.web)
            let applied = try net.server.report("apply", path, "--dev", "guard0", "--attach", mode)
            #expect(applied["policy"].string == "web")
            #expect(applied["rules"].int == 3)
            #expect(applied["interfaces"][0]["name"].string == "guard0")
            #expect(applied["interfaces"][0]["mode"].string == mode)
            #expect(applied["interfaces"][0]["program_id"].int == (try net.server.programID(on: "guard0")))
            try net.client.send(5, from: "203.0.113.77", to: TwoHosts.serverV4, 9999)
            try net.client.send(7, from: "203.0.113.77", to: TwoHosts.serverV4, 5000)
            try net.client.send(11, from: "192.0.2.7", to: TwoHosts.serverV4, 9000)
            for _ in 0..<11 { #expect(wanted.receive(milliseconds: 2000) != nil) }
            #expect(wanted.receive(milliseconds: 0) == nil)
            #expect(unwanted.receive(milliseconds: 0) == nil)
            #expect(other.receive(milliseconds: 0) == nil)
            let top = try net.counters()
            expect(top, rules: ["unwanted": 5, "telemetry": 11, "web": 0])
            expectSums(top)
            #expect(top["reasons"]["default"]["drop"].int == 7)
            #expect(top["total"]["packets"].int == 23)
            #expect(top["total"]["pass"].int == 11)
            #expect(top["total"]["drop"].int == 12)
            // 20 bytes of IPv4, 8 of UDP, 8 of payload; counted as frames or as packets, but all alike.
            let bytes = try #require(top["rules"]["unwanted"]["bytes"].int)
            #expect([5 * 36, 5 * 50].contains(bytes))
        }

        @Test func `a connection comes about where the policy passes it and not where it drops it`() throws {
            let listeners = try [80, 81].map { try net.server.listener(at: TwoHosts.serverV4, $0) }
            try net.apply(Policies.web)
            #expect(try net.client.connects(from: "192.0.2.7", to: TwoHosts.serverV4, 80, milliseconds: 5000))
            #expect(
                !(try net.client.connects(from: "192.0.2.7", to: TwoHosts.serverV4, 81, milliseconds: 300)))
            #expect(listeners.count == 2)
            let top = try net.counters()
            #expect((top["rules"]["web"]["packets"].int ?? 0) >= 2)
            #expect((top["reasons"]["default"]["drop"].int ?? 0) >= 1)
            expectSums(top)
        }

        @Test func `status names policy, interface, mode and program, and says when nothing runs`() throws {
            #expect(try net.server.mustRun("status") == "no policy runs here\n")
            #expect(try net.server.report("status")["policy"] == .null)
            try net.apply(Policies.web)
            let status = try net.server.report("status", "--measure", "0")
            #expect(status["policy"]["name"].string == "web")
            #expect(status["policy"]["file"].string == net.folder.path + "/policy.conf")
            #expect(status["policy"]["mode"].string == "enforce")
            #expect(status["policy"]["user"].int == 0)
            #expect(status["policy"]["rules"].int == 3)
            #expect(status["policy"]["applied"].string?.hasSuffix("Z") == true)
            #expect(status["interfaces"].elements.count == 1)
            #expect(status["interfaces"][0]["mode"].string == "native")
            #expect(status["interfaces"][0]["program_id"].int == (try net.server.programID(on: "guard0")))
            #expect(status["maps"].elements.map { $0["name"].string } == ["bans", "rule counters"])
            #expect(status["maps"][1]["used"].int == 3)
            let text = try net.server.mustRun("status", "--measure", "0")
            #expect(text.hasPrefix("policy 'web' (enforce, 3 rules) of "))
            #expect(text.contains("\nguard0: native, program "))
        }

        @Test func `detach leaves no program, no pin and no folder`() throws {
            try net.addPair(1)
            let path = try net.policy(Policies.web)
            try net.server.mustRun("apply", path, "--dev", "guard0", "--dev", "guard1")
            let folder = try net.server.pinFolder()
            #expect(FileManager.default.fileExists(atPath: folder + "/program"))
            #expect(try net.server.mustRun("detach", "--dev", "guard1") == "detached from guard1\n")
            #expect(try net.server.programID(on: "guard1") == nil)
            #expect(try net.server.programID(on: "guard0") != nil)
            let program = try #require(try net.server.programID(on: "guard0"))
            #expect(try net.server.report("detach")["detached"] == .array([.string("guard0")]))
            #expect(try net.server.programID(on: "guard0") == nil)
            #expect(!FileManager.default.fileExists(atPath: folder))
            #expect(eventually { !BPFPrograms.exists(program) })
            #expect(try net.server.mustRun("detach") == "nothing was attached\n")
            let unknown = try net.server.guarded("detach", "--dev", "guard0")
            #expect(unknown.exit == 69, "\(unknown)")
            #expect(unknown.errors.contains("'guard0'"))
        }

        @Test func `two interfaces have one policy and one set of counters`() throws {
            try net.addPair(1)
            let path = try net.policy(Policies.web)
            let applied = try net.server.report("apply", path, "--dev", "guard0", "--dev", "guard1")
            #expect(applied["interfaces"].elements.map { $0["name"].string } == ["guard0", "guard1"])
            let frame = try frames(["udp 203.0.113.77:1000 > 198.51.100.1:9999"])
            try net.client.send(frames: frame, outOf: "peer0")
            try net.client.send(frames: frame + frame, outOf: "peer1")
            try expectEventually(net, rule: "unwanted", 3)
            // The one that a later apply does not name is let go.
            let again = try net.server.guarded("apply", path, "--dev", "guard1")
            #expect(again.output.contains("detached from guard0, which it does not name"), "\(again)")
            #expect(try net.server.programID(on: "guard0") == nil)
            try net.client.send(frames: frame, outOf: "peer0")
            try net.client.send(frames: frame, outOf: "peer1")
            try expectEventually(net, rule: "unwanted", 4)
        }

        @Test func `interfaces are found by the policy's globs, and --dev replaces them`() throws {
            try net.addPair(1)
            let path = try net.policy("interfaces: [\"guard*\"]\n" + Policies.web)
            let both = try net.server.report("apply", path)
            #expect(both["interfaces"].elements.map { $0["name"].string } == ["guard0", "guard1"])
            let one = try net.server.report("apply", path, "--dev", "guard1")
            #expect(one["interfaces"].elements.map { $0["name"].string } == ["guard1"])
            #expect(one["detached"] == .array([.string("guard0")]))
        }

        @Test func `a dry run changes nothing`() throws {
            let path = try net.policy(Policies.web)
            let first = try net.server.guarded("apply", path, "--dev", "guard0", "--dry-run")
            #expect(first.exit == 0, "\(first)")
            #expect(first.output.contains("can be applied; nothing was changed"))
            #expect(first.output.contains("its tables need at least "))
            #expect(try net.server.programID(on: "guard0") == nil)
            #expect(try net.server.pinFolder().hasSuffix("/none"))
            try net.apply(Policies.web)
            let running = try net.server.programID(on: "guard0")
            let second = try net.server.report(
                "apply", net.policy(Policies.open, as: "open.conf"), "--dev", "guard0", "--dry-run")
            #expect(second["dry_run"].bool == true)
            #expect(try #require(second["memory_bytes"].int) > 1 << 20)
            #expect(second["policy"].string == "open")
            #expect(try net.server.programID(on: "guard0") == running)
            #expect(try net.server.report("status")["policy"]["name"].string == "web")
        }

        @Test func `the policy in monitor mode passes everything and counts what it would drop`() throws {
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            try net.apply("mode: monitor\n" + Policies.web)
            try net.client.send(4, from: "203.0.113.77", to: TwoHosts.serverV4, 9999)
            for _ in 0..<4 { #expect(unwanted.receive(milliseconds: 2000) != nil) }
            let top = try net.counters()
            #expect(top["rules"]["unwanted"]["would_drop"].int == 4)
            #expect(top["total"]["would_drop"].int == 4)
            #expect(top["total"]["drop"].int == 0)
            expectSums(top)
        }
    }
}
