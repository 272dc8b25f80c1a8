// SPDX-License-Identifier: Apache-2.0
// Bans on a host: why an address is banned, room for them, and their file through what a boot does.
import Foundation
import Testing

extension LiveTests {
    @Suite struct BanStateTests {
        let net: TwoHosts
        let environment: [String: String]
        let state: String

        private static let policy =
            Policies.plain + """
                default: pass
                failsafe:
                  - { source: 203.0.113.78, service: udp/9000 }
                never-ban: [$partners]
                sets:
                  partners: [192.0.2.8]

                """

        init() throws {
            net = try TwoHosts()
            state = net.folder.path + "/state"
            environment = ["XDPGUARD_STATE_DIR": state]
        }

        private func guarded(_ words: String...) throws -> Outcome {
            try run(net.server.entering([Product.path] + words), environment: environment)
        }

        private func apply(_ words: String...) throws -> Outcome {
            let file = try net.policy(Self.policy)
            return try run(
                net.server.entering([Product.path, "apply", file, "--dev", "guard0"] + words),
                environment: environment)
        }

        private var prefixes: [String] {
            get throws {
                try net.server.report("bans")["bans"].elements.compactMap { $0["prefix"].string }
            }
        }

        /// What a boot leaves: no pins, no program. The file stays.
        private func boot() throws {
            let kept = try? Data(contentsOf: URL(fileURLWithPath: state + "/bans.json"))
            #expect(try guarded("detach").exit == 0)
            #expect(!FileManager.default.fileExists(atPath: state + "/bans.json"))
            try kept?.write(to: URL(fileURLWithPath: state + "/bans.json"))
            chmod(state + "/bans.json", 0o600)
        }

        @Test func `ban --why names every ban that has the address, and what frees it`() throws {
            #expect(try apply().exit == 0)
            #expect(try guarded("ban", "--why", "192.0.2.7").output == "192.0.2.7 is not banned\n")
            for ban in ["192.0.2.0/24", "192.0.2.7", "203.0.113.0/24"] {
                #expect(try guarded("ban", ban, "--reason", "r \(ban)").exit == 0)
            }
            let both = try guarded("ban", "--why", "192.0.2.7").output.split(separator: "\n")
            #expect(both.count == 3)
            #expect(both[0] == "192.0.2.7 is banned")
            #expect(both[1].hasPrefix("  192.0.2.0/24 for ever") && both[1].hasSuffix(": r 192.0.2.0/24"))
            #expect(both[2].hasPrefix("  192.0.2.7 for ever"))
            let free = try JSON(try guarded("ban", "--why", "192.0.2.8", "--output", "json").output)
            #expect(free["banned"].bool == false)
            #expect(free["bans"].elements.count == 1)
            #expect(free["never_ban"]["sets"].elements.map(\.string) == ["partners"])
            let saved = try guarded("ban", "--why", "203.0.113.78").output
            #expect(saved.contains("failsafe at ") && saved.contains("policy.conf:"))
            #expect(!(try guarded("ban", "--why", "203.0.113.77").output).contains("failsafe"))
            for words in [["ban", "--why", "192.0.2.0/24"], ["ban", "--why", "192.0.2.7", "--for", "1s"]] {
                #expect(try run(net.server.entering([Product.path] + words)).exit == 64)
            }
        }

        @Test func `bans are kept through a boot, those that are lifted or have ended are not`() throws {
            #expect(try apply().exit == 0)
            for words in [["192.0.2.7", "--for", "1h"], ["2001:db8::/48"], ["203.0.113.77"]] {
                let outcome = try run(
                    net.server.entering([Product.path, "ban"] + words), environment: environment)
                #expect(outcome.exit == 0 && outcome.errors == "", "\(outcome)")
            }
            #expect(try guarded("unban", "203.0.113.77").exit == 0)
            let before = try net.server.report("bans")["bans"].elements
            try boot()
            let applied = try apply()
            #expect(applied.exit == 0)
            #expect(applied.errors.contains("note: 2 bans of \(state)/bans.json hold again"))
            let after = try net.server.report("bans")["bans"].elements
            #expect(after.map { $0["prefix"] } == before.map { $0["prefix"] })
            #expect(after.map { $0["reason"] } == before.map { $0["reason"] })
            // The next apply finds them in the kernel.
            #expect(try !apply().errors.contains("hold again"))
        }

        /// Applies a limit that bans, and has it ban somebody while `run` is there.
        private func banWhileRunning() throws {
            let text =
                Policies.plain + """
                    default: pass
                    limits: { slow: { rate: 1/m, burst: 2, per: source, over: ban 10m } }
                    rules:
                      - { name: telemetry, service: udp/9000, limit: slow, action: pass }

                    """
            try net.apply(text)
            var command = Command(net.server.entering([Product.path, "run"]))
            command.environment = environment
            let child = try Child(command)
            #expect(
                try eventually(within: 30) {
                    try net.server.report("status", "--measure", "0")["run"]["pid"].int != nil
                })
            try net.client.send(4, from: "203.0.113.77", to: TwoHosts.serverV4, 9000)
            #expect(try eventually { try prefixes == ["203.0.113.77"] })
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.exit == 0, "\(outcome)")
            try net.server.mustRun("unban", "--all")
            #expect(try guarded("bans", "--restore").output == "restored 1 bans: \(state)/bans.json\n")
            #expect(try net.server.report("bans")["bans"].elements.map { $0["origin"].string } == ["limit"])
        }

        @Test func `the ban of a limit is in the file once run has ended`() throws {
            try banWhileRunning()
        }

        @Test func `run sets a broken file aside before it writes another`() throws {
            try FileManager.default.createDirectory(
                atPath: state, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try "{\"version\":7}".write(toFile: state + "/bans.json", atomically: false, encoding: .utf8)
            chmod(state + "/bans.json", 0o600)
            try banWhileRunning()
            let aside = try String(contentsOfFile: state + "/bans.json.broken", encoding: .utf8)
            #expect(aside == "{\"version\":7}")
        }

        @Test func `bans --save and --restore do the same by hand`() throws {
            #expect(try apply().exit == 0)
            #expect(try guarded("bans", "--restore").exit == 66)
            try net.server.mustRun("ban", "192.0.2.7")
            #expect(try guarded("bans", "--save").output == "saved 1 bans: \(state)/bans.json\n")
            try net.server.mustRun("unban", "--all")
            #expect(try guarded("bans", "--restore").output == "restored 1 bans: \(state)/bans.json\n")
            #expect(try prefixes == ["192.0.2.7"])
            #expect(try net.server.guarded("bans", "--save").exit == 69)
        }

        @Test func `a broken file is set aside with a warning, and the policy runs`() throws {
            try FileManager.default.createDirectory(
                atPath: state, withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try "{\"version\":7}".write(toFile: state + "/bans.json", atomically: false, encoding: .utf8)
            chmod(state + "/bans.json", 0o600)
            let outcome = try apply()
            #expect(outcome.exit == 0)
            #expect(outcome.errors.contains("warning: bans were not restored: \(state)/bans.json is no list"))
            #expect(outcome.errors.contains("set aside as \(state)/bans.json.broken"))
            #expect(FileManager.default.fileExists(atPath: state + "/bans.json.broken"))
            #expect(try prefixes.isEmpty)
        }

        @Test func `a ban holds, with a warning, where it cannot be written`() throws {
            #expect(try apply().exit == 0)
            try "".write(toFile: state, atomically: false, encoding: .utf8)
            let outcome = try guarded("ban", "192.0.2.7")
            #expect(outcome.exit == 0)
            #expect(outcome.errors.contains("warning: cannot write \(state)/bans.json.next"))
            #expect(outcome.errors.contains("would not survive a reboot"))
            #expect(try prefixes == ["192.0.2.7"])
        }

        @Test func `a ban that the file would bring back is not lifted while the file cannot be written`()
            throws
        {
            #expect(try apply().exit == 0)
            #expect(try guarded("ban", "192.0.2.7").exit == 0)
            #expect(try guarded("ban", "203.0.113.77").exit == 0)
            // In the way of every new file, as a full disk is.
            let next = state + "/bans.json.next"
            try FileManager.default.createDirectory(atPath: next, withIntermediateDirectories: false)
            for words in [["192.0.2.7"], ["--all"]] {
                let refused = try run(
                    net.server.entering([Product.path, "unban"] + words), environment: environment)
                #expect(refused.exit == 69 && refused.output.isEmpty)
                #expect(refused.errors.contains("cannot write \(next)"))
                #expect(refused.errors.contains("no ban was lifted, as \(state)/bans.json would bring"))
            }
            #expect(try prefixes == ["192.0.2.7", "203.0.113.77"])
            // One that the file does not have is lifted, with a warning.
            #expect(try guarded("ban", "198.51.100.9").exit == 0)
            let lifted = try guarded("unban", "198.51.100.9")
            #expect(lifted.exit == 0 && lifted.errors.contains("would not survive a reboot"))
            try FileManager.default.removeItem(atPath: next)
            #expect(try guarded("unban", "192.0.2.7").exit == 0)
            #expect(try guarded("bans", "--restore").output == "restored 1 bans: \(state)/bans.json\n")
            #expect(try prefixes == ["203.0.113.77"])
        }

        @Test func `the table grows and shrinks at an apply without losing a ban`() throws {
            #expect(try apply("--max-bans", "3").exit == 0)
            for ban in ["192.0.2.7", "192.0.2.8", "203.0.113.0/24"] { try net.server.mustRun("ban", ban) }
            let full = try guarded("ban", "198.51.100.9")
            #expect(full.exit == 69)
            #expect(full.errors.contains("the table is full with 3 bans"))
            #expect(try net.server.report("bans")["lost"].int == 1)
            let small = try apply("--max-bans", "2")
            #expect(small.exit == 69)
            #expect(small.errors.contains("cannot make room for 2 bans; 3 run: "))
            #expect(try net.server.report("bans")["capacity"].int == 3)
            #expect(try apply("--max-bans", "100000").exit == 0)
            try net.server.mustRun("ban", "198.51.100.9")
            #expect(try net.server.report("bans")["capacity"].int == 100_000)
            #expect(try apply().exit == 0)
            #expect(try net.server.report("bans")["capacity"].int == 100_000)
            #expect(
                try prefixes == ["192.0.2.7", "192.0.2.8", "198.51.100.9", "203.0.113.0/24"])
            let port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            try net.client.send(1, from: "203.0.113.77", to: TwoHosts.serverV4, 9000)
            #expect(try eventually { try net.counters()["reasons"]["ban"]["drop"].int == 1 })
            #expect(port.receive(milliseconds: 0) == nil)
            for wrong in ["0", "1048577", "-1", "x"] {
                #expect(try apply("--max-bans", wrong).exit == 64)
            }
        }

        @Test func `bans that find no room at a boot are kept beside those that hold`() throws {
            #expect(try apply().exit == 0)
            for (number, life) in ["1h", "3h", "2h"].enumerated() {
                #expect(try guarded("ban", "203.0.113.\(number)", "--for", life).exit == 0)
            }
            try boot()
            #expect(try apply("--max-bans", "2").exit == 0)
            // The next boot has them too.
            try boot()
            let small = try apply("--max-bans", "2")
            #expect(small.exit == 0)
            #expect(small.errors.contains("2 of 3 bans of \(state)/bans.json hold again"), "\(small)")
            #expect(try prefixes == ["203.0.113.1", "203.0.113.2"])
            try net.server.mustRun("unban", "203.0.113.1")
            // As the warning says.
            #expect(try apply("--max-bans", "100").exit == 0)
            _ = rename(state + "/bans.json.all", state + "/bans.json")
            #expect(try guarded("bans", "--restore").exit == 0)
            #expect(try prefixes == ["203.0.113.0", "203.0.113.1", "203.0.113.2"])
        }

        @Test func `an address that never-ban itself names is told so`() throws {
            let text = Policies.plain + "default: pass\nnever-ban: [192.0.2.8]\n"
            try net.apply(text)
            let outcome = try guarded("ban", "--why", "192.0.2.8")
            #expect(outcome.exit == 0 && outcome.output.contains("never-ban"), "\(outcome)")
        }

        @Test(arguments: ["1000000d", "0s", "5", "5y", "-5s", "01s"])
        func `a life that cannot be is refused, and nothing is banned`(life: String) throws {
            #expect(try apply().exit == 0)
            let outcome = try guarded("ban", "192.0.2.7", "--for=\(life)")
            #expect(outcome.exit == 64, "\(outcome)")
            #expect(try prefixes.isEmpty)
        }
    }
}
