// SPDX-License-Identifier: Apache-2.0
// A policy as a whole: header, definitions, included files, set files, what later versions will carry out,
// exit codes.
import Diagnostics
import Glibc
import NetworkTypes
import Testing

@testable import PolicyLanguage

@Suite struct PolicyLoadingTests {
    @Test func `a header's values reach the checked policy`() {
        let report = load(
            """
            policy: edge
            interfaces: [eth0, "en*"]
            mode: monitor
            default: pass
            stateful: false
            malformed: pass
            spoofed: pass
            fragments: pass
            essential: [nd, dhcp]
            failsafe: { source: 192.0.2.1, service: tcp/22 }
            never-ban: ["!192.0.2.66", 192.0.2.0/24]
            """)
        let policy = report.policy
        #expect(report.diagnostics.isEmpty)
        #expect(policy?.name == "edge")
        #expect(policy?.interfaces == ["eth0", "en*"])
        #expect(policy?.mode == .monitor)
        #expect(policy?.defaultVerdict == .pass)
        #expect(policy?.malformed == .pass && policy?.spoofed == .pass && policy?.fragments == .pass)
        #expect(policy?.essential == [.nd, .dhcp])
        #expect(policy?.failsafe.first?.source == addressSet("192.0.2.1"))
        #expect(policy?.neverBan == addressSet("192.0.2.0/24").subtracting(addressSet("192.0.2.66")))
    }

    @Test func `defaults are those of the language`() {
        let report = load("default: drop\n")
        #expect(report.policy?.name == "policy")
        #expect(report.policy?.mode == .enforce)
        #expect(report.policy?.essential == [.nd, .ra, .pmtu, .dhcp])
        #expect(report.policy?.malformed == .drop && report.policy?.spoofed == .drop)
        #expect(report.policy?.stateful == true && report.policy?.fragments == .track)
        #expect(report.diagnostics.isEmpty)
    }

    @Test(arguments: [
        ("policies/web-server.conf", "web-server"), ("a.b.conf", "a.b"), (".conf", ".conf"), ("x", "x"),
    ])
    func `a policy without a name has its file's stem`(_ row: (path: String, name: String)) {
        let report = loadPolicy(path: row.path, reader: MemoryFiles(files: [row.path: header]), now: testDay)
        #expect(report.policy?.name == row.name)
    }

    @Test func `limits, inspectors and what rules do besides their action are kept`() {
        let report = load(
            """
            default: drop
            stateful: true
            fragments: track
            decapsulate: [gre, 4in6]
            limits:
              slow: { rate: 20 Mbit/s, burst: 1 MiB, per: source/24, over: ban 10m, ipv6-prefix: 56 }
            inspectors:
              http: { sample: { packets: 16 }, every: 1/8, on-match: drop-flow, signatures: [a.rules] }
            rules:
              - name: one
                limit: slow
                inspect: http
                state: new
                syn-cookies: { above: 5k pps }
                action: pass
              - { name: two, action: reject }
            tests:
              - { packet: tcp 192.0.2.1:1 > 192.0.2.2:2 established, expect: reject }
            """)
        let policy = report.policy
        #expect(report.diagnostics.isEmpty)
        #expect(policy?.stateful == true && policy?.fragments == .track)
        #expect(policy?.decapsulate == [.gre, .ipv4InIPv6])
        let rule = policy?.rules.first
        #expect(rule?.limit == "slow" && rule?.inspect == "http" && rule?.state == [.new])
        #expect(rule?.synCookiesAbove == .packets(5000, perSeconds: 1))
        let limit = policy?.limits.first
        #expect(limit?.rate == .bits(perSecond: 20_000_000) && limit?.burst == .bytes(1 << 20))
        #expect(limit?.key == .source(ipv4Prefix: 24) && limit?.ipv6Prefix == 56)
        #expect(limit?.over == .ban(nanoseconds: 600_000_000_000))
        let inspector = policy?.inspectors.first
        #expect(inspector?.samplePackets == 16 && inspector?.sampleBytes == nil && inspector?.everyFlow == 8)
        #expect(inspector?.onMatch == .dropFlow && inspector?.signatures == ["a.rules"])
    }

    @Test func `a test keeps what it asks`() {
        let test = load(
            header + """
                rules: [{ name: web, service: tcp/80, action: pass }]
                tests:
                  - packet: tcp 192.0.2.1:1 > 192.0.2.2:80 syn
                    expect: { verdict: pass, rule: web, reason: rule }
                """
        ).policy?.tests.first
        #expect(test?.verdict == .pass && test?.rule == "web" && test?.reason == "rule")
        #expect(test?.packet.destinationPort == 80)
        #expect(test?.range.line == 6)
    }

    @Test func `rules of included files stand first, in the order of the includes, each file once`() {
        let files = [
            "a.conf": "include: sub/c.conf\nrules: [{ name: a, action: drop }]\n",
            "b.conf": "include: [sub/c.conf]\nrules: [{ name: b, action: drop }]\n",
            "sub/c.conf":
                "include: d.conf\nsets: { s: 192.0.2.1 }\nrules: [{ name: c, source: $s, action: drop }]\n",
            "sub/d.conf": "rules: [{ name: d, source: $t, action: drop }]\n",
        ]
        let text = "include: [a.conf, b.conf]\nsets: { t: 192.0.2.2 }\nrules: [{ name: own, action: pass }]\n"
        let report = load(header + text, files)
        #expect(report.diagnostics.isEmpty)
        #expect(report.policy?.rules.map(\.name) == ["d", "c", "a", "b", "own"])
        #expect(report.policy?.sets.map(\.name) == ["s", "t"])
    }

    @Test func `a set file's path is relative to the file that names it`() {
        let files = [
            "sub/c.conf": "sets: { s: { file: x.netset, refresh: 10m } }\n", "sub/x.netset": "192.0.2.9\n",
        ]
        let report = load(header + "include: sub/c.conf\nnever-ban: $s\n", files)
        #expect(report.policy?.neverBan == addressSet("192.0.2.9"))
        #expect(report.policy?.sets.first?.file == "sub/x.netset")
        #expect(report.policy?.sets.first?.refresh == 600_000_000_000)
    }

    @Test func `a missing policy is told without a line and ends with 66`() {
        let report = loadPolicy(path: "gone.conf", reader: MemoryFiles(files: [:]))
        #expect(report.exitCode == 66)
        #expect(
            report.rendered() == "gone.conf: error: cannot read: No such file or directory [cannot-read]\n")
    }

    @Test func `a missing file beside another error ends with 65`() {
        let report = load(header + "sets: { s: { file: gone } }\nfoo: 1\nnever-ban: $s\n")
        #expect(report.exitCode == 65)
        #expect(report.places == ["4:20 cannot-read", "5:1 unknown-key"])
    }

    @Test func `a value that the reader spoke of is not spoken of again`() {
        let report = load(header + "rules:\n  - { name: one, source: !192.0.2.300, action: pass }\n")
        #expect(report.places == ["5:26 unquoted-value"])
        let named = load(header + "rules:\n  - { name: one, source: !$gone, action: pass }\n")
        #expect(named.places == ["5:26 unquoted-value", "5:26 undefined-set"])
    }

    @Test func `more than twenty errors are counted`() {
        let keys = (1...23).map { "key\($0)x: 1\n" }.joined()
        let text = load(header + keys).rendered()
        #expect(text.hasSuffix("\nand 3 more errors\n"))
        #expect(text.split(separator: "\n").filter { $0.contains("[unknown-key]") }.count == 20)
        #expect(load(header + keys).rendered(limit: 22).hasSuffix("\nand 1 more error\n"))
    }

    @Test func `a mistake that is made in every rule is told in every rule`() {
        let rules = (0..<2000).map { "  - { name: r\($0), actoin: drop, unlike-\($0): 1 }\n" }
        let report = load(header + "rules:\n" + rules.joined())
        #expect(report.diagnostics.count == 4000)
        #expect(report.diagnostics.filter { $0.help == "did you mean 'action'?" }.count == 2000)
    }

    @Test func `an aliased rule's error is told once`() {
        let text = "sets:\n  a: &x [192.0.2.300]\n  b: *x\nnever-ban: [$a, $b]\n"
        #expect(load(header + text).places == ["5:10 address-syntax"])
    }

    @Test func `diagnostics are sorted by file, line and column`() {
        let report = load(header + "include: a.conf\nzzz: 1\n", ["a.conf": "yyy: 1\nxxx: 2\n"])
        #expect(report.diagnostics.map(\.range.source.path) == ["a.conf", "a.conf", "policy.conf"])
        #expect(report.diagnostics.map(\.range.line) == [1, 2, 5])
    }

    @Test func `nothing is unused where something else is wrong`() {
        #expect(load(header + "sets: { a: 192.0.2.1 }\nfoo: 1\n").places == ["5:1 unknown-key"])
        #expect(load(header + "sets: { a: 192.0.2.1 }\n").places == ["4:9 unused-set"])
    }

    @Test func `a folder, a missing file and a file are told apart on disk`() throws {
        let reader = DiskReader()
        #expect(throws: FileReadError(errno: EISDIR, path: "/")) { try reader.read("/") }
        #expect(throws: FileReadError(errno: ENOENT, path: "/nonexistent/x")) {
            try reader.read("/nonexistent/x")
        }
        #expect(try reader.read(#filePath).starts(with: Array("// SPDX".utf8)))
        #expect(try reader.read("/proc/self/status").isEmpty == false)
    }

    @Test(arguments: [
        ("lists/a", "policies/x.conf", "policies/lists/a"), ("/a", "policies/x.conf", "/a"),
        ("a", "x.conf", "a"),
        ("../a", "/etc/guard/x.conf", "/etc/guard/../a"),
    ])
    func `a path means a file beside the one that names it`(
        _ row: (path: String, namer: String, meant: String)
    ) {
        #expect(resolvePath(row.path, in: row.namer) == row.meant)
    }

    @Test(arguments: [
        ("./a//b", "a/b"), ("a/../b", "b"), ("../a", "../a"), ("/a/./b/..", "/a"), ("a/../../b", "../b"),
    ])
    func `two paths to one file are the same when normalised`(_ row: (path: String, normal: String)) {
        #expect(normalisedPath(row.path) == row.normal)
    }
}
