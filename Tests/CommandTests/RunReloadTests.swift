// SPDX-License-Identifier: Apache-2.0
// Signatures that change under a running `run`: the worker goes on with its flows and their bits, whatever
// brings the change; what is wrong changes nothing and is said.
import Foundation
import Glibc
import TestSupport
import Testing

extension LiveTests {
    @Suite struct RunReloadTests {
        let running: Running
        private let attacker = "203.0.113.77"

        /// The first datagram sets a bit, the second of the same flow is found by it.
        private static let setter = """
            alert udp any any -> any 9000 (msg:"hello"; content:"hello"; flowbits:set,greeted; \
            flowbits:noalert; sid:1000001; rev:1;)

            """
        private static let asker = """
            drop udp any any -> any 9000 (msg:"then"; content:"then"; flowbits:isset,greeted; \
            sid:1000002; rev:1;)

            """

        /// For a port that the policy does not inspect; and for the one that it does.
        private static let other = """
            drop udp any any -> any 9001 (msg:"elsewhere"; content:"hello"; sid:1000003; rev:1;)

            """
        private static let plain = """
            drop udp any any -> any 9000 (msg:"here"; content:"hello"; sid:1000004; rev:1;)

            """

        init() throws {
            running = try Running()
            try running.signatures(Self.setter)
        }

        /// How a change comes to be known.
        enum Cause: CaseIterable { case file, hangup, apply }

        @Test(arguments: Cause.allCases)
        func `flows and their bits go on over a change of signatures`(_ cause: Cause) throws {
            let child = try running.begin()
            let worker = try #require(try running.report()["inspector_pid"].int)
            #expect(try running.sends("hello", from: attacker, port: 4000))
            #expect(try eventually { try running.report()["flows"].int == 1 })
            try running.signatures("# first a comment\n" + Self.setter + Self.asker)
            if cause == .hangup { child.signal(SIGHUP) }
            if cause == .apply { try running.apply() }
            #expect(
                try eventually(within: 30) { try running.report()["reloads"].int.map { $0 >= 1 } == true })
            #expect(try running.report()["signatures"].int == 2)
            #expect(try running.sends("and then", from: attacker, port: 4000))
            #expect(try eventually { try running.bans().count == 1 })
            let now = try running.report()
            #expect(now["inspector_pid"].int == worker && now["starts"].int == 1)
            #expect(now["flows"].int == 1, "the flow is the one that it was")
            #expect(try running.bans().first?["reason"].string == "sid 1000002, rule 'telemetry'")
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.errors.contains("the signatures were read again: 2 are looked for"))
            #expect(try running.events("engine").count >= 1)
        }

        @Test func `flows that only the new signatures need are sampled`() throws {
            try running.signatures(Self.other)
            let child = try running.begin()
            #expect(try running.sends("hello", from: attacker, port: 4000))
            try running.signatures(Self.other + Self.plain)
            #expect(try eventually(within: 30) { try running.report()["reloads"].int == 1 })
            #expect(try running.report()["flows"].int == 0, "no signature needed that flow")
            #expect(try running.sends("hello", from: attacker, port: 4001))
            #expect(try eventually { try running.bans().count == 1 })
            // The scope of both sets held only until the new ones ran.
            try running.signatures(Self.other)
            #expect(try eventually(within: 30) { try running.report()["reloads"].int == 2 })
            #expect(try running.sends("hello", from: "203.0.113.78", port: 4001))
            let before = try running.notNeeded()
            #expect(try running.sends("hello", from: "203.0.113.78", port: 4002))
            #expect(try eventually { try running.notNeeded() == before + 1 })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        /// Empties the file in memory through which signatures come to the worker of a `run`: its first one.
        private func emptyMailbox(of pid: pid_t) throws {
            let folder = "/proc/\(pid)/fd"
            let numbers = try FileManager.default.contentsOfDirectory(atPath: folder).compactMap(Int.init)
            let mailbox = numbers.sorted().first { number in
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(number)")
                return target?.hasPrefix("/memfd:xdpguard-inspector") == true
            }
            let file = open("\(folder)/\(try #require(mailbox))", O_WRONLY | O_TRUNC)
            try #require(file >= 0)
            close(file)
        }

        private func children(of pid: pid_t) -> [Substring] {
            let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
            return (text ?? "").split(separator: " ")
        }

        /// Whether a packet that no signature looks at is left out.
        private func leavesOut(_ port: UInt16) throws -> Bool {
            let before = try running.notNeeded()
            #expect(try running.sends("hello", from: attacker, port: port))
            return try running.notNeeded() == before + 1
        }

        @Test func `signatures that the worker refuses leave the kernel's header conditions as they were`()
            throws
        {
            try running.signatures(Self.other)
            let child = try running.begin()
            let worker = pid_t(try #require(try running.report()["inspector_pid"].int))
            #expect(try leavesOut(4000))
            try running.signatures(Self.other + Self.plain)
            child.signal(SIGHUP)
            // What reads them is beside the worker, which stands still when it is to take them over.
            #expect(eventually { children(of: child.pid).count == 2 })
            #expect(kill(worker, SIGSTOP) == 0)
            defer { kill(worker, SIGCONT) }
            // All flows are sampled while the worker is to change over.
            #expect(try eventually(within: 4) { try !leavesOut(4001) })
            try emptyMailbox(of: child.pid)
            #expect(kill(worker, SIGCONT) == 0)
            #expect(try eventually(within: 10) { try running.report()["reloads_failed"].int == 1 })
            #expect(try running.report()["inspector_pid"].int == Int(worker))
            #expect(try eventually { try leavesOut(4002) })
            // And the next ones are taken over.
            child.signal(SIGHUP)
            #expect(try eventually(within: 30) { try running.report()["reloads"].int == 1 })
            #expect(try !leavesOut(4003))
            #expect(try eventually { try running.bans().count == 1 })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        @Test func `signatures that are wrong change nothing, and are said once`() throws {
            let child = try running.begin()
            try running.signatures("alert udp any any -> any 9000 (msg:\"no end\"; content:\"a\"\n")
            #expect(try eventually(within: 30) { try running.report()["reloads_failed"].int == 1 })
            let now = try running.report()
            #expect(now["state"].string == "running" && now["starts"].int == 1)
            #expect(now["last_reload_fault"].string?.contains("local.rules:1") == true)
            #expect(try running.net.server.mustRun("status", "--measure", "0").contains("stay as they were"))
            try running.signatures(Self.setter + Self.asker)
            #expect(try eventually(within: 30) { try running.report()["reloads"].int == 1 })
            #expect(try running.sends("hello", from: attacker, port: 4000))
            #expect(try running.sends("then", from: attacker, port: 4000))
            #expect(try eventually { try running.bans().count == 1 })
            child.signal(SIGTERM)
            #expect(try child.finish().errors.contains("the signatures stay as they were: "))
        }
    }

    @Suite struct RunApplyTests {
        @Test func `a finding that comes after an apply keeps to the policy that runs by then`() throws {
            let running = try Running()
            try running.signatures(
                "drop udp any any -> any 9000 (msg:\"evil\"; content:\"evil\"; sid:1; rev:1;)\n")
            let child = try running.begin()
            let worker = pid_t(try #require(try running.report()["inspector_pid"].int))
            #expect(kill(worker, SIGSTOP) == 0)
            #expect(try running.sends("evil", from: "203.0.113.77"))
            running.onMatch = "alert"
            try running.apply()
            // It says what it found under the policy before.
            #expect(kill(worker, SIGCONT) == 0)
            #expect(
                try eventually(within: 30) {
                    let now = try running.report()
                    return now["starts"].int == 2 && now["state"].string == "running"
                })
            #expect(try running.bans().isEmpty)
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }
    }

    @Suite struct OverloadTests {
        let running: Running
        private let neighbour = "192.0.2.7"

        init() throws {
            running = try Running()
            try running.signatures(
                "alert udp any any -> any 9000 (msg:\"note\"; content:\"note\"; sid:1; rev:1;)\n")
        }

        @Test func `without an inspector what should be inspected is dropped where the policy says so`()
            throws
        {
            running.onOverload = "drop"
            try running.apply()
            #expect(try !running.sends("one", from: neighbour))
            let top = try running.net.counters()
            #expect(top["reasons"]["rule"]["drop"].int == 1)
            expectSums(top)
            var status = try running.net.server.report("status", "--measure", "0")
            #expect(status["samples"]["overload_dropped"].int == 1)
            #expect(status["samples"]["lost_unread"].int == 1)
            let child = try running.begin()
            #expect(try running.sends("two", from: neighbour))
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
            #expect(try !running.sends("three", from: neighbour))
            status = try running.net.server.report("status", "--measure", "0")
            #expect(status["samples"]["overload_dropped"].int == 2)
            let text = try running.net.server.mustRun("status", "--measure", "0")
            #expect(text.contains("on-overload: 2 packets dropped, as they could not be inspected"))
        }

        @Test func `an inspector that is killed closes the way until the next one inspects`() throws {
            running.onOverload = "drop"
            let child = try running.begin()
            #expect(try running.sends("one", from: neighbour))
            // Nobody goes on in its place.
            kill(child.pid, SIGKILL)
            _ = try child.finish()
            #expect(try eventually(within: 10) { try !running.sends("two", from: neighbour) })
            let next = try running.begin()
            #expect(try running.sends("three", from: neighbour))
            next.signal(SIGTERM)
            #expect(try next.finish().exit == 0)
        }

        @Test(arguments: ["pass", "drop"])
        func `packets of a full ring do what on-overload says, and are counted`(_ word: String) throws {
            running.onOverload = word
            let child = try running.begin(ring: "1")
            let worker = try #require(try running.report()["inspector_pid"].int)
            // It holds the ring open, and takes nothing out of it.
            #expect(kill(pid_t(worker), SIGSTOP) == 0)
            defer { kill(pid_t(worker), SIGKILL) }
            let end = try running.net.client.datagrams(at: neighbour, 4000)
            let large = [UInt8](repeating: 0x61, count: 1400)
            var arrived = 0
            for _ in 0..<700 {
                try end.send(large, to: Endpoint(TwoHosts.serverV4, 9000))
                if running.port.receive(milliseconds: 5) != nil { arrived += 1 }
            }
            let samples = try running.net.server.report("status", "--measure", "0")["samples"]
            let lost = (samples["lost_full"].int ?? 0) + (samples["lost_unread"].int ?? 0)
            #expect(lost > 0)
            #expect(samples["overload_dropped"].int == (word == "drop" ? lost : 0))
            #expect(arrived == 700 - (word == "drop" ? lost : 0))
            expectSums(try running.net.counters())
            withExtendedLifetime(child) {}
        }

        @Test func `the inspector's counters are events too`() throws {
            let child = try running.begin()
            #expect(try running.sends("a note", from: neighbour))
            #expect(try eventually { try running.events("alert").count == 1 })
            #expect(try eventually(within: 5) { try !running.events("stats").isEmpty })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
            let stats = try #require(try running.events("stats").last)["stats"]
            #expect(stats["decoder"]["pkts"].int == 1 && stats["flow"]["total"].int == 1)
            #expect(stats["detect"]["alert"].int == 1)
            let flow = try #require(try running.events("flow").first)
            #expect(flow["flow"]["pkts_toserver"].int == 1 && flow["flow"]["alerted"].bool == true)
        }
    }
}
