// SPDX-License-Identifier: Apache-2.0
// `run` on a real interface: payload that a signature matches becomes a ban or a dropped flow in the kernel;
// the inspector may be killed, and filtering goes on; one `run` a network namespace; what `status` says of
// it.
import Foundation
import Glibc
import TestSupport
import Testing

extension LiveTests {
    @Suite struct RunTests {
        let net: TwoHosts
        let port: Socket
        private let attacker = "203.0.113.77"
        private let neighbour = "192.0.2.7"

        private static func policy(onMatch: String, onOverload: String = "pass") -> String {
            """
            policy: inspected
            default: drop
            never-ban: [192.0.2.8]
            sets: { listed: { file: listed.netset, refresh: 1s } }
            inspectors:
              payload:
                sample: { packets: 32, bytes: 64 KiB }
                signatures: [local.rules]
                on-match: \(onMatch)
                on-overload: \(onOverload)
            rules:
              - { name: listed, source: $listed, action: drop }
              - { name: telemetry, service: udp/9000, inspect: payload, action: pass }

            """
        }

        private static let signatures = """
            drop udp any any -> any 9000 (msg:"test attack"; content:"evil payload"; sid:1000001; rev:1;)
            alert udp any any -> any 9000 (msg:"test note"; content:"curious"; sid:1000002; rev:3;)

            """

        private static let novelty = """
            drop udp any any -> any 9000 (msg:"new"; content:"novelty"; sid:1000009; rev:1;)

            """

        init() throws {
            net = try TwoHosts()
            port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            _ = try net.folder.file("local.rules", Self.signatures)
            _ = try net.folder.file("listed.netset", "233.252.0.9\n")
        }

        private var eventPath: String { net.folder.path + "/eve.json" }

        private func begin(onMatch: String = "ban 10m", events: String? = nil) throws -> Child {
            try net.apply(Self.policy(onMatch: onMatch))
            let child = try start(events: events ?? eventPath)
            #expect(try eventually(within: 30) { try run()["state"].string == "running" })
            return child
        }

        private func start(events: String) throws -> Child {
            var command = Command(net.server.entering([Product.path, "run", "--events", events]))
            command.environment = ["XDPGUARD_STATE_DIR": net.folder.path]
            return try Child(command)
        }

        private func run() throws -> JSON { try net.server.report("status", "--measure", "0")["run"] }
        private func bans() throws -> [JSON] { try net.server.report("bans")["bans"].elements }

        private func events() throws -> [JSON] {
            let text = (try? String(contentsOfFile: eventPath, encoding: .utf8)) ?? ""
            return try text.split(separator: "\n").map { try JSON(String($0)) }
        }

        /// One datagram; whether it arrives.
        private func sends(_ text: String, from source: String, port sourcePort: UInt16 = 0) throws -> Bool {
            let end = try net.client.datagrams(at: source, sourcePort)
            try end.send(Array(text.utf8), to: Endpoint(TwoHosts.serverV4, 9000))
            return port.receive(milliseconds: 300) == Array(text.utf8)
        }

        @Test func `payload that a signature drops bans its source, with its sid, and no one else`() throws {
            let child = try begin()
            #expect(try sends("hello", from: attacker))
            #expect(try sends("an evil payload", from: attacker))
            #expect(try eventually { try bans().count == 1 })
            let ban = try #require(try bans().first)
            #expect(ban["prefix"].string == attacker)
            #expect(ban["origin"].string == "inspector")
            #expect(ban["reason"].string == "sid 1000001, rule 'telemetry'")
            #expect(try !sends("hello", from: attacker))
            #expect(try sends("hello", from: neighbour))
            #expect(try eventually { try events().contains { $0["event_type"].string == "alert" } })
            let alert = try #require(try events().first { $0["event_type"].string == "alert" })
            #expect(alert["alert"]["signature_id"].int == 1_000_001)
            #expect(alert["src_ip"].string == attacker)
            #expect(try eventually { try run()["bans"].int == 1 })
            // In the file that they survive a reboot in.
            let kept = net.folder.path + "/bans.json"
            #expect(
                eventually(within: 15) {
                    (try? String(contentsOfFile: kept, encoding: .utf8))?.contains(attacker) == true
                })
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.exit == 0, "\(outcome)")
        }

        @Test func `a signature that alerts writes an event and touches no packet`() throws {
            let child = try begin()
            #expect(try sends("a curious question", from: attacker))
            #expect(try eventually { try events().contains { $0["alert"]["signature_id"].int == 1_000_002 } })
            #expect(try sends("another", from: attacker))
            #expect(try bans().isEmpty)
            child.signal(SIGINT)
            #expect(try child.finish().exit == 0)
            // Every sampled flow has ended with its event.
            #expect(try events().contains { $0["event_type"].string == "flow" })
        }

        @Test func `what no signature's header could match is not sampled, and status says how much`() throws
        {
            let text = Self.policy(onMatch: "ban 10m").replacing("udp/9000,", with: "udp/9000-9001,")
            try net.apply(text)
            let child = try start(events: eventPath)
            #expect(try eventually(within: 30) { try run()["state"].string == "running" })
            let end = try net.client.datagrams(at: attacker, 0)
            for _ in 0..<5 {
                try end.send(Array("an evil payload".utf8), to: Endpoint(TwoHosts.serverV4, 9001))
            }
            func saved() throws -> Int? {
                try net.server.report("status", "--measure", "0")["not_needed"].elements.first?["packets"].int
            }
            #expect(try eventually { try saved() == 5 })
            #expect(try net.server.report("status", "--measure", "0")["samples"]["received"].int == 0)
            // Another apply of the same inspectors keeps what was told, and what was counted.
            try net.apply(text)
            #expect(try saved() == 5)
            #expect(try eventually(within: 30) { try run()["state"].string == "running" })
            #expect(try sends("an evil payload", from: attacker))
            #expect(try eventually { try bans().count == 1 })
            withExtendedLifetime(child) {}
        }

        @Test func `under drop-flow the flow alone is dropped`() throws {
            let child = try begin(onMatch: "drop-flow")
            #expect(try sends("an evil payload", from: attacker, port: 4000))
            #expect(try eventually { try run()["dropped_flows"].int == 1 })
            #expect(try !sends("more of it", from: attacker, port: 4000))
            #expect(try sends("another flow", from: attacker, port: 4001))
            #expect(try bans().isEmpty)
            let top = try net.counters()
            #expect((top["reasons"]["flow"]["drop"].int ?? 0) >= 1)
            expectSums(top)
            withExtendedLifetime(child) {}
        }

        @Test func `an inspector that is killed is replaced, and packets go on meanwhile`() throws {
            let child = try begin()
            let first = try #require(try run()["inspector_pid"].int)
            #expect(kill(pid_t(first), SIGKILL) == 0)
            #expect(try sends("hello", from: neighbour))
            #expect(
                try eventually(within: 30) {
                    let now = try run()
                    return now["state"].string == "running" && now["inspector_pid"].int != first
                })
            #expect(try run()["crashes"].int == 1)
            #expect(try run()["last_fault"].string == "it was killed, perhaps as memory ran out")
            #expect(try sends("an evil payload", from: attacker))
            #expect(try eventually { try bans().count == 1 })
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.errors.contains("the inspector is not running: it was killed"))
        }

        @Test func `the inspector has another user, no capabilities, no new privileges and a filter`() throws
        {
            let child = try begin()
            let pid = try #require(try run()["inspector_pid"].int)
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let fields = Dictionary(
                status.split(separator: "\n").compactMap { line -> (String, String)? in
                    let parts = line.split(separator: ":", maxSplits: 1)
                    return parts.count == 2
                        ? (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces)) : nil
                }, uniquingKeysWith: { first, _ in first })
            #expect(fields["Uid"] == "65534\t65534\t65534\t65534")
            #expect(fields["Gid"] == "65534\t65534\t65534\t65534")
            #expect(fields["Groups"] == "")
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(fields[set] == "0000000000000000", "\(set)")
            }
            #expect(fields["NoNewPrivs"] == "1")
            #expect(fields["Seccomp"] == "2")
            #expect(fields["Threads"] == "1")
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
            #expect(Set(open).isSubset(of: ["0", "1", "2", "3", "4", "5"]))
            withExtendedLifetime(child) {}
        }

        @Test func `a second run is refused, and runs once the first is gone`() throws {
            let first = try begin()
            let second = try net.server.guarded("run")
            #expect(second.exit == 75)
            #expect(second.errors.hasPrefix("xdpguard: error: another 'xdpguard run' (process \(first.pid))"))
            kill(first.pid, SIGKILL)
            _ = try first.finish()
            #expect(try run() == .null)
            #expect(
                try net.server.mustRun("status", "--measure", "0").contains("inspection: not running: no"))
            let third = try start(events: eventPath)
            #expect(try eventually(within: 30) { try run()["state"].string == "running" })
            third.signal(SIGTERM)
            #expect(try third.finish().exit == 0)
        }

        @Test func `without a policy there is nothing to run`() throws {
            let outcome = try net.server.guarded("run")
            #expect(outcome.exit == 69)
            #expect(outcome.errors.contains("no policy runs here: apply one first, then run"))
        }

        @Test func `a policy with another inspector brings another worker, and a detach ends inspection`()
            throws
        {
            let child = try begin()
            _ = try net.folder.file("local.rules", Self.novelty)
            try net.apply(Self.policy(onMatch: "ban 20m"))
            #expect(
                try eventually(within: 30) {
                    let now = try run()
                    return now["starts"].int == 2 && now["state"].string == "running"
                })
            #expect(try sends("a novelty", from: attacker))
            #expect(try eventually { try bans().first?["reason"].string == "sid 1000009, rule 'telemetry'" })
            try net.server.mustRun("detach")
            #expect(try eventually { try run()["state"].string == "none" })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        @Test func `a set file is read again by its interval`() throws {
            let child = try begin()
            #expect(try sends("hello", from: neighbour))
            _ = try net.folder.file("listed.netset", neighbour + "\n")
            #expect(try eventually { try !sends("hello", from: neighbour) })
            withExtendedLifetime(child) {}
        }

        @Test func `SIGHUP opens the event file anew`() throws {
            let child = try begin()
            #expect(try sends("a curious question", from: attacker))
            #expect(try eventually { try !events().isEmpty })
            #expect(rename(eventPath, eventPath + ".1") == 0)
            child.signal(SIGHUP)
            #expect(eventually { access(eventPath, F_OK) == 0 })
            #expect(try sends("a curious question", from: neighbour))
            #expect(try eventually { try events().contains { $0["src_ip"].string == neighbour } })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        @Test func `events go to standard output where that is asked for`() throws {
            let child = try begin(events: "-")
            #expect(try sends("a curious question", from: attacker))
            // The inspector's counters come first.
            #expect(child.outputLines(atLeast: 2).contains { $0.contains("1000002") })
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.outputLines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
        }
    }
}
