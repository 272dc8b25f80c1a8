// SPDX-License-Identifier: Apache-2.0
// `events`: each packet of a rule that logs is told once, as text or as an EVE line.
import Foundation
import TestSupport
import Testing

extension LiveTests {
    @Suite struct EventTests {
        let net: TwoHosts

        private static let policy =
            Policies.plain + """
                default: drop
                rules:
                  - { name: ssh, service: tcp/22, action: drop, log: true }
                  - { name: telemetry, service: udp/9000, action: pass, log: true }
                  - { name: quiet, service: udp/9001, action: pass }
                  - { name: some, service: udp/9002, action: pass, log: 1/10 }
                  - { name: tried, service: udp/9003, action: drop, mode: monitor, log: true }

                """

        init() throws {
            net = try TwoHosts()
            try net.apply(Self.policy)
        }

        private func send(_ texts: String...) throws {
            let before = try total()
            try net.client.send(frames: frames(texts), outOf: "peer0")
            #expect(try eventually { try total() == before + texts.count })
        }

        private func total() throws -> Int {
            try net.server.report("status", "--measure", "0")["packets"].int ?? 0
        }

        @Test func `logged packets are lines of text, each told once`() throws {
            try send(
                "tcp 203.0.113.77:40000 > 198.51.100.1:22 syn", "udp 192.0.2.7:1000 > 198.51.100.1:9001",
                "udp 192.0.2.7:1000 > 198.51.100.1:9000", "udp 192.0.2.7:1000 > 198.51.100.1:9999")
            let lines = try net.server.mustRun("events").split(separator: "\n").map(String.init)
            try #require(lines.count == 2)
            #expect(
                lines[0].hasSuffix("Z guard0 drop rule 'ssh': tcp 203.0.113.77:40000 > 198.51.100.1:22 syn"))
            #expect(
                lines[1].hasSuffix("Z guard0 pass rule 'telemetry': udp 192.0.2.7:1000 > 198.51.100.1:9000"))
            #expect(try net.server.mustRun("events") == "")
        }

        @Test func `logged packets are EVE lines of JSON`() throws {
            try send(
                "tcp [2001:db8:bad::77]:40000 > [2001:db8:51::1]:22 syn",
                "udp 192.0.2.7:1000 > 198.51.100.1:9000 vlan 5")
            let text = try net.server.mustRun("events", "--output", "json")
            let events = try text.split(separator: "\n").map { try JSON(String($0)) }
            try #require(events.count == 2)
            #expect(events[0]["event_type"].string == "drop")
            #expect(events[0]["src_ip"].string == "2001:db8:bad::77")
            #expect(events[0]["src_port"].int == 40000)
            #expect(events[0]["dest_ip"].string == "2001:db8:51::1")
            #expect(events[0]["dest_port"].int == 22)
            #expect(events[0]["proto"].string == "TCP")
            #expect(events[0]["ip_v"].int == 6)
            #expect(events[0]["in_iface"].string == "guard0")
            #expect(events[0]["alert"]["context"]["policy_rule"].string == "ssh")
            #expect(events[0]["alert"]["action"].string == "blocked")
            #expect(events[0]["timestamp"].string?.hasSuffix("+0000") == true)
            #expect(events[1]["alert"]["action"].string == "allowed")
            #expect(events[1]["vlan"] == .array([.number(5)]))
            #expect(events[1]["verdict"]["action"].string == "pass")
        }

        @Test func `a rule in monitor mode logs what it would have dropped`() throws {
            try send("udp 192.0.2.7:1000 > 198.51.100.1:9003")
            let lines = try net.server.mustRun("events").split(separator: "\n")
            try #require(lines.count == 1)
            #expect(lines[0].contains("guard0 drop default, would drop: tried: udp "), "\(lines[0])")
            try send("udp 192.0.2.7:1000 > 198.51.100.1:9003")
            let event = try JSON(net.server.mustRun("events", "--output", "json"))
            #expect(event["alert"]["context"]["would_drop"].string == "tried")
            #expect(event["alert"]["context"]["policy_rule"] == .null)
            #expect(try net.counters()["rules"]["tried"]["would_drop"].int == 2)
        }

        @Test func `log 1 in 10 tells about a tenth`() throws {
            let frame = try frame("udp 192.0.2.7:1000 > 198.51.100.1:9002")
            try net.client.send(frames: Array(repeating: frame, count: 1000), outOf: "peer0")
            try expectEventually(net, rule: "some", 1000)
            let lines = try net.server.mustRun("events").split(separator: "\n")
            // Six standard deviations where a tenth is chosen at random.
            #expect((43...157).contains(lines.count), "\(lines.count)")
        }

        @Test func `with --follow packets are told as they come, until interrupted`() throws {
            let follower = try net.server.start("events", "--follow")
            try send("tcp 203.0.113.77:40000 > 198.51.100.1:22 syn")
            #expect(follower.outputLines(atLeast: 1).count == 1)
            // Names of a policy that came later are known too.
            try net.apply(Self.policy.replacing("name: ssh", with: "name: later"), as: "later.conf")
            try send("tcp 203.0.113.77:40001 > 198.51.100.1:22 syn")
            let lines = follower.outputLines(atLeast: 2)
            #expect(lines.count == 2)
            #expect(lines.last?.contains("'later'") == true, "\(lines)")
            follower.signal(SIGINT)
            #expect([0, -SIGINT].contains(try follower.finish().exit))
        }

        @Test func `with --follow a detach is told and ends it`() throws {
            let follower = try net.server.start("events", "--follow")
            try send("tcp 203.0.113.77:40000 > 198.51.100.1:22 syn")
            #expect(follower.outputLines(atLeast: 1).count == 1)
            try net.server.mustRun("detach")
            let outcome = try follower.finish()
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(outcome.errors.contains("no policy runs here"))
        }
    }
}
