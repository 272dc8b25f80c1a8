// SPDX-License-Identifier: Apache-2.0
// Policies on real interfaces in network namespaces: what passes, what is counted, what stays and what goes.
import Foundation
import TestSupport
import Testing

private let dropUDP = "rules:\n  - { name: drop udp, service: udp/9999, action: drop }"

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct LiveTests {
    @Test(arguments: ["native", "generic"])
    func `what a rule drops is counted by rule and reason, and the rest arrives`(mode: String) throws {
        let lab = try Lab()
        let policy = try PolicyFile(dropUDP, top: "default: pass")
        let applied = try lab.guarding(
            "apply", policy.path, "--dev", "n0", "--attach", mode, "--output", "json")
        let interfaces = try #require(try applied.json()["interfaces"] as? [[String: Any]])
        #expect(interfaces.first?["mode"] as? String == mode)
        try lab.send(50, port: 9999)
        try lab.send(20, port: 53)
        #expect(try lab.packets("drop udp") == 50)
        let reasons = try #require(try lab.top()["reasons"] as? [String: [String: Any]])
        #expect(reasons["rule"]?["drop"] as? Int == 50)
        #expect((reasons["default"]?["pass"] as? Int ?? 0) >= 20)
    }

    @Test func `counters go on through an apply, and detach leaves nothing`() throws {
        let lab = try Lab()
        let policy = try PolicyFile(dropUDP, top: "default: pass")
        let other = try PolicyFile(
            "rules:\n  - { name: new, service: tcp/1, action: drop }\n"
                + "  - { name: drop udp, service: udp/9999, action: drop }", top: "default: pass")
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0", "--dev", "n1").status == 0)
        try lab.send(30, port: 9999)
        #expect(try lab.guarding("apply", other.path, "--dev", "n0").status == 0)
        #expect(try lab.programs()[1] == 0, "an interface that the new policy does not have is left")
        try lab.send(12, port: 9999)
        #expect(try lab.packets("drop udp") == 42)
        #expect(try lab.guarding("detach").status == 0)
        #expect(try lab.programs() == [0, 0])
        #expect(try lab.guarding("status").output == "no policy runs here\n")
    }

    @Test func `a swap loses no packet of sixty`() throws {
        let lab = try Lab()
        let policies = try [
            PolicyFile("", top: "default: pass"), PolicyFile(dropUDP, top: "default: pass"),
        ]
        #expect(try lab.guarding("apply", policies[0].path, "--dev", "n0").status == 0)
        // The sender numbers datagrams until a file appears; the sink tells how many came.
        let sink = try lab.python(
            in: lab.near,
            """
            import socket, subprocess, sys, threading
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(('198.51.100.1', 7000)); s.settimeout(1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            sender = subprocess.Popen(['nsenter', '--net=/run/netns/\(lab.far)', 'python3', '-c',
                "import socket, sys, time\\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\\n"
                "n, end = 0, time.time() + 8\\n"
                "while time.time() < end and n < 40000:\\n"
                "    s.sendto(n.to_bytes(4, 'big'), ('198.51.100.1', 7000)); n += 1\\n"
                "    if n % 20 == 0: time.sleep(0.002)\\n"
                "print(n)"], stdout=subprocess.PIPE, text=True)
            def swap():
                for i in range(60):
                    path = ['\(policies[0].path)', '\(policies[1].path)'][i % 2]
                    words = ['\(binary)', 'apply', path, '--dev', 'n0']
                    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            swapper = threading.Thread(target=swap); swapper.start()
            seen = set()
            while True:
                try: seen.add(s.recv(100))
                except TimeoutError: break
            swapper.join()
            print(len(seen), sender.communicate()[0].strip())
            """)
        let counts = sink.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(counts.count == 2 && counts[0] == counts[1] && counts[0] > 1000, "\(sink)")
    }

    @Test func `a wrong policy and a missing or downed interface change nothing`() throws {
        let lab = try Lab()
        let policy = try PolicyFile(dropUDP)
        let wrong = try PolicyFile("rules:\n  - { name: a, action: fly }")
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0").status == 0)
        let before = try lab.programs()
        #expect(try lab.guarding("apply", wrong.path, "--dev", "n0").status == 65)
        let missing = try lab.guarding("apply", policy.path, "--dev", "n0", "--dev", "nope")
        #expect(missing.status == 69 && missing.errors.contains("'nope'"))
        try lab.ip("-n", lab.near, "link", "set", "n1", "down")
        let down = try lab.guarding("apply", policy.path, "--dev", "n0", "--dev", "n1")
        #expect(down.status == 69 && down.errors.contains("n1") && down.errors.contains("down"))
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0", "--attach", "shared").status == 69)
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0", "--dry-run").status == 0)
        #expect(try lab.programs() == before)
    }

    @Test func `a policy that cuts the session is refused without force`() throws {
        let lab = try Lab()
        let policy = try PolicyFile("")
        let session = ["SSH_CONNECTION": "198.51.100.2 50000 198.51.100.1 22"]
        let refused = try lab.guarding("apply", policy.path, "--dev", "n0", environment: session)
        #expect(refused.status == 1 && refused.errors.contains("--force"))
        #expect(try lab.programs() == [0, 0])
        #expect(
            try lab.guarding("apply", policy.path, "--dev", "n0", "--force", environment: session).status == 0
        )
    }

    @Test func `a ban holds at once, ends by itself, and never-ban wins`() throws {
        let lab = try Lab()
        let rules = "never-ban: [198.51.100.18]\nrules:\n  - { name: all, action: pass }"
        let policy = try PolicyFile(rules)
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0").status == 0)
        #expect(try lab.guarding("ban", "198.51.100.0/28", "--reason", "test").status == 0)
        try lab.send(10, port: 9)
        let bans = try #require(
            try lab.guarding("bans", "--output", "json").json()["bans"] as? [[String: Any]])
        #expect(bans.first?["prefix"] as? String == "198.51.100.0/28")
        #expect(bans.first?["packets"] as? Int == 10)
        #expect(try lab.guarding("unban", "198.51.100.0/28").status == 0)
        try lab.send(5, port: 9)
        #expect(try lab.packets("all") >= 5)
        let warned = try lab.guarding("ban", "198.51.100.18", "--for", "1ms")
        #expect(warned.status == 0 && warned.errors.contains("never-ban"))
        #expect(try lab.guarding("bans").output == "no bans\n", "it ended in the kernel, by the clock")
        #expect(try lab.guarding("unban", "203.0.113.1").status == 69)
    }

    @Test func `a killed apply is taken over by the next one`() throws {
        let lab = try Lab()
        let policy = try PolicyFile(dropUDP, top: "default: pass")
        for delay in ["0.01", "0.03", "0.05", "0.07", "0.1"] {
            _ = try run([
                "nsenter", "--net=/run/netns/\(lab.near)", "timeout", "-s", "KILL", delay, binary, "apply",
                policy.path, "--dev", "n0", "--dev", "n1",
            ])
            #expect(try lab.guarding("apply", policy.path, "--dev", "n0", "--dev", "n1").status == 0)
            #expect(try lab.programs().allSatisfy { $0 != 0 })
        }
        #expect(try lab.guarding("detach").status == 0)
        #expect(try lab.programs() == [0, 0])
    }

    @Test func `a logged packet is an event once`() throws {
        let lab = try Lab()
        let policy = try PolicyFile("rules:\n  - { name: noisy, service: udp/9999, action: drop, log: true }")
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0").status == 0)
        try lab.send(3, port: 9999)
        let events = try lab.guarding("events").output.split(separator: "\n")
        #expect(events.count { $0.contains("n0 drop rule 'noisy': udp 198.51.100.2:") } == 3)
        #expect(try lab.guarding("events").output.isEmpty)
    }

    @Test func `broken and tagged frames from a wire are judged by what they are`() throws {
        let lab = try Lab()
        let policy = try PolicyFile(
            "rules:\n  - { name: tagged, vlan: 7, action: drop }", top: "default: pass")
        #expect(try lab.guarding("apply", policy.path, "--dev", "n0").status == 0)
        _ = try lab.python(
            in: lab.far,
            """
            import socket
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('f0', 0))
            ip = bytes([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 1, 198, 51, 100, 1])
            udp = bytes([0, 9, 0, 9, 0, 8, 0, 0])
            macs = bytes([255] * 6 + [2, 0, 0, 0, 0, 2])
            for i in range(4): s.send(macs + b'\\x81\\x00\\x00\\x07\\x08\\x00' + ip + udp)
            for i in range(6): s.send(macs + b'\\x08\\x00' + ip[:12])
            """)
        #expect(try lab.packets("tagged") == 4)
        let reasons = try #require(try lab.top()["reasons"] as? [String: [String: Any]])
        #expect(reasons["malformed"]?["drop"] as? Int == 6)
    }
}
