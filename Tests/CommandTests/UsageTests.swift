// SPDX-License-Identifier: Apache-2.0
// What every command has in common: usage errors, missing privileges, an output that cannot be written.
import Testing

@Suite struct UsageTests {
    private static let wrong: [[String]] = [
        ["nonsense"], ["check"], ["apply"], ["apply", "a", "b"], ["apply", "--attach", "sideways", "a"],
        ["ban"], ["ban", "nonsense"], ["ban", "192.0.2.1/33"], ["ban", "192.0.2.7/24"],
        ["ban", "::ffff:192.0.2.1"],
        ["ban", "192.0.2.1", "--for", "soon"], ["ban", "192.0.2.1", "--for", "0s"],
        ["ban", "192.0.2.1", "--reason", String(repeating: "x", count: 64)], ["unban"],
        ["unban", "--all", "192.0.2.1"], ["top", "--interval", "0"],
        ["limits", "show"], ["limits", "show", "192.0.2.0/24"], ["limits", "show", "host"],
        ["limits", "top", "--count", "0"], ["limits", "sideways"], ["status", "--output", "xml"],
        [], ["set"], ["signatures"], ["help", "nope"], ["help", "limits", "nope"],
        ["check", "--deny", "nonsense", "/dev/null"],
    ]

    @Test(arguments: UsageTests.wrong)
    func `a wrong command line exits 64 with words on stderr alone`(_ words: [String]) throws {
        let outcome = try run([Product.path] + words)
        #expect(outcome.exit == 64, "\(outcome)")
        #expect(outcome.output == "")
        #expect(!outcome.errors.isEmpty)
    }

    @Test func `version and help exit 0 on stdout`() throws {
        let version = try Product.run("version")
        #expect(version.exit == 0)
        #expect(version.output.hasPrefix("xdpguard "))
        let json = try JSON(Product.run("version", "--output", "json").output)
        #expect("xdpguard \(json["version"].string ?? "")\n" == version.output)
        let asked = [
            ["help"], ["--help"], ["help", "apply"], ["apply", "--help"], ["set", "--help"],
            ["help", "limits", "top"], ["help", "help"],
        ]
        for words in asked {
            let outcome = try run([Product.path] + words)
            #expect(outcome.exit == 0, "\(outcome)")
            #expect(outcome.output.contains("USAGE: xdpguard"))
        }
    }

    @Test func `help of limits names the option that it has without a subcommand`() throws {
        #expect(try Product.run("limits", "--help").output.contains("--output"))
    }

    @Test(arguments: [
        ["status"], ["top", "--once"], ["detach"], ["ban", "192.0.2.1"], ["unban", "--all"], ["bans"],
        ["events"], ["limits"], ["limits", "top"], ["limits", "show", "192.0.2.1"],
    ])
    func `a command that is not permitted exits 77 and names what is missing`(_ words: [String]) throws {
        let outcome = try Product.runUnprivileged(words)
        #expect(outcome.exit == 77, "\(outcome)")
        #expect(outcome.errors.contains("missing CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF"), "\(outcome)")
    }

    @Test func `an apply that is not permitted exits 77`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("p.conf", "default: pass\n")
        let outcome = try Product.runUnprivileged(["apply", path, "--dev", "lo"])
        #expect(outcome.exit == 77, "\(outcome)")
        #expect(outcome.errors.contains("CAP_BPF"))
    }

    @Test func `an output that cannot be written is an error`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("p.conf", "default: pass\n")
        for words in [["version"], ["check", path]] {
            var command = Command([Product.path] + words)
            command.outputPath = "/dev/full"
            let outcome = try Child(command).finish()
            #expect(outcome.exit == 69, "\(outcome)")
            #expect(outcome.errors.contains("cannot write the output: No space left on device"))
        }
    }

    @Test func `a ban that never-ban undoes is said of a replay too`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("p.conf", "default: drop\nnever-ban: [192.0.2.8]\n")
        let capture = try emptyCapture(folder)
        for (ban, isSaid) in [("192.0.2.0/24", true), ("192.0.2.9", false)] {
            let outcome = try Product.run("replay", path, capture, "--ban", ban)
            #expect(outcome.exit == 0, "\(outcome)")
            #expect(outcome.errors.contains("'192.0.2.0/24' touches addresses of 'never-ban'") == isSaid)
        }
    }

    @Test func `a replay does not say of a rule that it has ended, as the capture may be older`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(
            "p.conf",
            """
            default: drop
            rules: [{ name: old, service: udp/53, action: pass, expires: 2020-01-01T00:00Z }]

            """)
        #expect(try Product.run("check", path).errors.contains("[expired-rule]"))
        let capture = try emptyCapture(folder)
        for words in [["replay", path, capture], ["replay", path, capture, "--inspect"]] {
            let outcome = try run([Product.path] + words)
            #expect(outcome.exit == 0 && outcome.errors.isEmpty, "\(outcome)")
        }
    }

    /// A section of pcapng and its interface, Ethernet; no packets.
    private func emptyCapture(_ folder: TemporaryFolder) throws -> String {
        let words = [
            [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, 0, 0, 28], [1, 20, 1, 0, 20],
        ].joined().flatMap { (word: UInt32) in (0..<4).map { UInt8(word >> (8 * $0) & 0xff) } }
        return try folder.file("empty.pcapng", String(decoding: words, as: UTF8.self))
    }
}
