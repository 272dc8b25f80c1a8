// SPDX-License-Identifier: Apache-2.0
// What apply refuses: the words, the exit code, and that nothing changed, on any of several interfaces.
import Foundation
import Testing

extension LiveTests {
    @Suite struct ApplyRefusalTests {
        let net: TwoHosts

        init() throws {
            net = try TwoHosts()
            try net.addPair(1)
        }

        /// Neither a program on guard0 nor a folder of pins.
        private func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) throws {
            #expect(try net.server.programID(on: "guard0") == nil, sourceLocation: sourceLocation)
            #expect(try net.server.pinFolder().hasSuffix("/none"), sourceLocation: sourceLocation)
        }

        private func applyBoth(_ path: String, _ second: String = "guard1") throws -> Outcome {
            try net.server.guarded("apply", path, "--dev", "guard0", "--dev", second)
        }

        @Test func `a missing interface exits 69, named, with those that are there`() throws {
            let outcome = try applyBoth(try net.policy(Policies.web), "guard7")
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(
                outcome.errors.contains(
                    "interface 'guard7' does not exist here; there are: lo, guard0, guard1"))
            try expectUntouched()
        }

        @Test func `a glob without a match exits 69, no interface at all 64`() throws {
            let glob = try net.policy("interfaces: [guard0, \"wan*\"]\n" + Policies.web)
            let outcome = try net.server.guarded("apply", glob)
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(outcome.errors.contains("'wan*'"))
            let none = try net.server.guarded("apply", net.policy(Policies.web, as: "none.conf"))
            #expect(none.exit == 64, "\(none)")
            #expect(none.errors.contains("--dev"))
            try expectUntouched()
        }

        @Test func `an interface that is down exits 69 and says what to do`() throws {
            try net.server.ip("link", "set", "guard1", "down")
            let outcome = try applyBoth(try net.policy(Policies.web))
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(outcome.errors.contains("ip link set guard1 up"))
            try expectUntouched()
        }

        @Test func `somebody else's program exits 69, is named and stays`() throws {
            try BPFPrograms.attachForeign(to: "guard1", in: net.server)
            let foreign = try #require(try net.server.programID(on: "guard1"))
            let outcome = try applyBoth(try net.policy(Policies.web))
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(outcome.errors.contains("guard1"))
            #expect(outcome.errors.contains("'foreign' (id \(foreign))"))
            #expect(outcome.errors.contains("ip link set guard1 xdp off"))
            #expect(try net.server.programID(on: "guard1") == foreign)
            try expectUntouched()
            // Neither status nor detach take it for ours.
            #expect(try net.server.mustRun("status") == "no policy runs here\n")
            #expect(try net.server.mustRun("detach") == "nothing was attached\n")
            #expect(try net.server.programID(on: "guard1") == foreign)
        }

        @Test func `an interface without native mode exits 69 with native and becomes generic with auto`()
            throws
        {
            // A bridge's driver has no XDP of its own.
            try net.server.ip("link", "add", "bridge0", "type", "bridge")
            try net.server.ip("link", "set", "bridge0", "up")
            let path = try net.policy(Policies.web)
            let refused = try net.server.guarded(
                "apply", path, "--dev", "guard0", "--dev", "bridge0", "--attach", "native")
            #expect(refused.exit == 69, "\(refused)")
            #expect(refused.errors.contains("bridge0"))
            #expect(refused.errors.contains("--attach generic"))
            try expectUntouched()
            let auto = try net.server.guarded("apply", path, "--dev", "guard0", "--dev", "bridge0")
            #expect(auto.exit == 0, "\(auto)")
            #expect(auto.output.contains("guard0 (native), bridge0 (generic)"))
            #expect(auto.errors.contains("note: bridge0 runs in generic mode, as native mode was refused"))
        }

        @Test func `a wrong policy exits 65 and the old one goes on running`() throws {
            try net.apply(Policies.web)
            let running = try #require(try net.server.programID(on: "guard0"))
            let wrong: [(String, Int32)] = [
                ("default: drop\ndefalt: pass\n", 65),
                (Policies.web + "sets:\n  a: { file: nowhere.netset }\n", 66),
                (
                    Policies.web
                        + "tests:\n  - { packet: \"udp 192.0.2.7:1 > 198.51.100.1:9999\", expect: pass }\n", 1
                ),
            ]
            for (text, code) in wrong {
                let outcome = try net.server.guarded(
                    "apply", net.policy(text, as: "wrong.conf"), "--dev", "guard0")
                #expect(outcome.exit == code, "\(outcome)")
                #expect(outcome.errors.contains("wrong.conf:"))
                #expect(outcome.output == "")
            }
            let missing = try net.server.guarded("apply", net.folder.path + "/none.conf", "--dev", "guard0")
            #expect(missing.exit == 66, "\(missing)")
            #expect(try net.server.programID(on: "guard0") == running)
            try net.client.send(1, from: "203.0.113.77", to: TwoHosts.serverV4, 9999)
            try expectEventually(net, rule: "unwanted", 1)
        }

        @Test func `attach shared says that the kernel refuses freplace, or runs in a dispatcher`() throws {
            let path = try net.policy(Policies.web)
            for words in [["--dry-run"], []] {
                let command = ["apply", path, "--dev", "guard0", "--attach", "shared"] + words
                let shared = try run(net.server.entering([Product.path] + command))
                guard shared.exit != 0 else { continue }
                #expect(shared.exit == 69, "\(shared)")
                #expect(
                    shared.errors.contains("this kernel refuses programs that replace a function (freplace: ")
                )
                #expect(shared.errors.contains("--attach auto"))
                #expect(shared.output == "")
                try expectUntouched()
                #expect(!FileManager.default.fileExists(atPath: "/sys/fs/bpf/xdp"))
            }
            guard try net.server.programID(on: "guard0") != nil else { return }
            let status = try net.server.report("status", "--measure", "0")
            #expect(status["interfaces"][0]["mode"].string == "shared")
            try net.server.mustRun("detach")
            try expectUntouched()
        }

        @Test func `a refused attach shared leaves the policy that runs`() throws {
            let path = try net.policy(Policies.web)
            try net.server.mustRun("apply", path, "--dev", "guard0")
            let running = try net.server.programID(on: "guard0")
            let shared = try net.server.guarded("apply", path, "--dev", "guard0", "--attach", "shared")
            #expect(shared.exit == 69, "\(shared)")
            #expect(try net.server.programID(on: "guard0") == running)
            #expect(try net.server.report("status")["interfaces"][0]["mode"].string == "native")
        }

        @Test func `with somebody else's program attach shared exits 69 and leaves it`() throws {
            let path = try net.policy(Policies.web)
            try BPFPrograms.attachForeign(to: "guard0", in: net.server)
            let foreign = try net.server.programID(on: "guard0")
            let shared = try net.server.guarded("apply", path, "--dev", "guard0", "--attach", "shared")
            #expect(shared.exit == 69, "\(shared)")
            #expect(shared.errors.contains("guard0") || shared.errors.contains("freplace"), "\(shared)")
            #expect(try net.server.programID(on: "guard0") == foreign)
        }

        @Test func `a mode that needs a gap exits 69`() throws {
            let path = try net.policy(Policies.web)
            try net.server.mustRun("apply", path, "--dev", "guard0", "--attach", "generic")
            let running = try net.server.programID(on: "guard0")
            let native = try net.server.guarded("apply", path, "--dev", "guard0", "--attach", "native")
            #expect(native.exit == 69, "\(native)")
            #expect(native.errors.contains("xdpguard detach --dev guard0"))
            #expect(try net.server.programID(on: "guard0") == running)
        }

        private static let session = ["SSH_CONNECTION": "192.0.2.7 40000 198.51.100.1 22"]

        @Test func `a policy that would cut the SSH session exits 1 unless forced`() throws {
            let path = try net.policy(Policies.web)
            let refused = try net.server.guarded("apply", path, "--dev", "guard0", environment: Self.session)
            #expect(refused.exit == 1, "\(refused)")
            #expect(refused.errors.contains("would cut this SSH session"))
            #expect(refused.errors.contains("192.0.2.7:40000 > 198.51.100.1:22"))
            #expect(refused.errors.contains("--force"))
            try expectUntouched()
            let dry = try net.server.guarded(
                "apply", path, "--dev", "guard0", "--dry-run", environment: Self.session)
            #expect(dry.exit == 1, "\(dry)")
            let forced = try net.server.guarded(
                "apply", path, "--dev", "guard0", "--force", environment: Self.session)
            #expect(forced.exit == 0, "\(forced)")
        }

        @Test(arguments: [
            "failsafe: [{ source: 192.0.2.7, service: tcp/22 }]\n", "mode: monitor\n",
            "rules:\n  - { name: ssh, service: tcp/22, action: pass }\n",
        ])
        func `a policy that lets the SSH session pass is applied`(_ text: String) throws {
            let path = try net.policy(Policies.plain + "default: drop\n" + text)
            let outcome = try net.server.guarded("apply", path, "--dev", "guard0", environment: Self.session)
            #expect(outcome.exit == 0, "\(outcome)")
        }

        @Test func `a session over another interface does not matter`() throws {
            let outcome = try net.server.guarded(
                "apply", try net.policy(Policies.web), "--dev", "guard1", environment: Self.session)
            #expect(outcome.exit == 0, "\(outcome)")
        }

        @Test func `commands that need a running policy exit 69 without one`() throws {
            for words in [
                ["top", "--once"], ["bans"], ["ban", "192.0.2.1"], ["unban", "--all"], ["events"],
            ] {
                let outcome = try run(net.server.entering([Product.path] + words))
                #expect(outcome.exit == 69, "\(words): \(outcome)")
                #expect(outcome.errors.contains("no policy runs here"))
            }
        }

        @Test func `an output that cannot be written is an error`() throws {
            try net.apply(Policies.web)
            for words in [["status", "--measure", "0"], ["top", "--once", "--interval", "0.1"], ["bans"]] {
                var command = Command(net.server.entering([Product.path] + words))
                command.outputPath = "/dev/full"
                let outcome = try Child(command).finish()
                #expect(outcome.exit == 69, "\(words): \(outcome)")
                #expect(outcome.errors.contains("No space left on device"))
            }
        }
    }
}
