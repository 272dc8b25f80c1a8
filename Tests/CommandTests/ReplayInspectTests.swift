// SPDX-License-Identifier: Apache-2.0
// `replay --inspect`: the inspector's lines among the packets', and what its findings do to the packets
// behind them; no privileges.
import Foundation
import TestSupport
import Testing

@Suite struct ReplayInspectTests {
    private let folder: TemporaryFolder
    private static let attacker = "203.0.113.77"
    private static let signatures = """
        drop udp any any -> any 9000 (msg:"attack"; content:"evil"; sid:1000001; rev:2;)
        alert udp any any -> any 9000 (msg:"note"; content:"curious"; sid:1000002;)

        """

    init() throws {
        folder = try TemporaryFolder()
        try folder.file("local.rules", Self.signatures)
    }

    private func policy(_ onMatch: String) throws -> String {
        try folder.file(
            "p.conf",
            """
            default: drop
            stateful: false
            never-ban: [192.0.2.8]
            inspectors: { payload: { signatures: [local.rules], on-match: \(onMatch) } }
            rules: [{ name: telemetry, service: udp/9000, inspect: payload, action: pass }]

            """)
    }

    /// Datagrams to port 9000, a millisecond apart.
    private func capture(
        _ datagrams: [(source: String, text: String)], at start: UInt32 = 1_767_225_600,
        name: String = "traffic.pcap"
    ) throws -> String {
        func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (8 * $0) & 0xff) } }
        var bytes = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1].flatMap(word)
        for (number, datagram) in datagrams.enumerated() {
            var frame = try PacketBuilder("udp \(datagram.source) > 198.51.100.1:9000")
            let length = UInt8(8 + datagram.text.utf8.count)
            // No checksum, as IPv4 allows.
            frame.segment = Array(frame.segment[..<4]) + [0, length, 0, 0] + Array(datagram.text.utf8)
            let content = frame.bytes
            bytes += word(start) + word(UInt32(number) * 1000)
            bytes += word(UInt32(content.count)) + word(UInt32(content.count)) + content
        }
        let path = folder.path + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// The lines of a replay.
    private func replay(
        _ onMatch: String, _ datagrams: [(source: String, text: String)], _ words: String...
    ) throws -> [JSON] {
        let all = ["replay", try policy(onMatch), try capture(datagrams), "--output", "json"] + words
        let outcome = try run([Product.path] + all, environment: ["XDG_CACHE_HOME": folder.path])
        try #require(outcome.exit == 0, "\(outcome)")
        return try outcome.output.split(separator: "\n").map { try JSON(String($0)) }
    }

    private func kinds(_ lines: [JSON]) -> [String] {
        lines.map { $0["event_type"].string ?? ($0["packet"].int == nil ? "summary" : "packet") }
    }

    private var traffic: [(source: String, text: String)] {
        [
            ("\(Self.attacker):4000", "hello"), ("\(Self.attacker):4000", "an evil thing"),
            ("\(Self.attacker):4000", "more"), ("\(Self.attacker):4001", "another flow"),
            ("192.0.2.7:4000", "curious"),
        ]
    }

    @Test func `packets of several captures are numbered on, and an older one keeps its times`() throws {
        let names = ["new.pcap", "old.pcap"]
        let client = "\(Self.attacker):4000"
        let new = try capture([(client, "hello"), (client, "curious")], name: names[0])
        // Half a year before the other; the flow is the same.
        let old = try capture(
            [(client, "hello"), (client, "curious"), (client, "an evil thing")], at: 1_751_328_000,
            name: names[1])
        let words = ["replay", try policy("alert"), new, old, "--inspect", "--output", "json"]
        let outcome = try run([Product.path] + words, environment: ["XDG_CACHE_HOME": folder.path])
        try #require(outcome.exit == 0, "\(outcome)")
        let lines = try outcome.output.split(separator: "\n").map { try JSON(String($0)) }
        let packets = lines.filter { $0["packet"].int != nil }
        #expect(packets.map { $0["packet"].int } == [1, 2, 3, 4, 5])
        #expect(packets.map { $0["capture"].string } == [new, new, old, old, old])
        #expect(packets.map { $0["capture_packet"].int } == [1, 2, 1, 2, 3])
        let alerts = lines.filter { $0["event_type"].string == "alert" }
        #expect(alerts.map { $0["pcap_cnt"].int } == [2, 4, 5])
        #expect(alerts.map { $0["pcap_filename"].string } == [new, old, old])
        #expect(
            alerts.map { $0["timestamp"].string?.prefix(10) } == ["2026-01-01", "2025-07-01", "2025-07-01"])
        let flows = lines.filter { $0["event_type"].string == "flow" }
        #expect(flows.map { $0["flow"]["start"].string?.prefix(10) } == ["2026-01-01", "2025-07-01"])
        #expect(flows.map { $0["pcap_filename"].string } == [new, old], "the one that its packets stand in")
        #expect(Set(flows.compactMap { $0["flow_id"].int }).count == 2)
        #expect(lines.last?["summary"]["packets"].int == 5 && lines.last?["summary"]["alerts"].int == 3)
    }

    @Test func `captures that follow each other are one conversation`() throws {
        let client = "\(Self.attacker):4000"
        let first = try capture([(client, "hello")], name: "1.pcap")
        let second = try capture([(client, "curious")], at: 1_767_225_601, name: "2.pcap")
        let words = ["replay", try policy("alert"), first, second, "--inspect", "--output", "json"]
        let outcome = try run([Product.path] + words, environment: ["XDG_CACHE_HOME": folder.path])
        let lines = try outcome.output.split(separator: "\n").map { try JSON(String($0)) }
        #expect(kinds(lines) == ["packet", "packet", "alert", "flow", "stats", "summary"], "\(outcome)")
        #expect(lines.first { $0["event_type"].string == "flow" }?["flow"]["pkts_toserver"].int == 2)
    }

    @Test func `a flow that ends while a later capture is read is one of its own capture`() throws {
        let names = ["1.pcap", "2.pcap", "3.pcap"]
        // An hour after each other: the former flow's time is over. The last flow ends with the captures.
        let paths = try names.enumerated().map { number, name in
            try capture(
                [("\(Self.attacker):\(4000 + number)", "hello")], at: 1_767_225_600 + 3600 * UInt32(number),
                name: name)
        }
        let words = ["replay", try policy("alert")] + paths + ["--inspect", "--output", "json"]
        let outcome = try run([Product.path] + words, environment: ["XDG_CACHE_HOME": folder.path])
        let lines = try outcome.output.split(separator: "\n").map { try JSON(String($0)) }
        let flows = lines.filter { $0["event_type"].string == "flow" }
        #expect(flows.map { $0["src_port"].int } == [4000, 4001, 4002], "\(outcome)")
        #expect(flows.map { $0["pcap_filename"].string } == paths)
    }

    @Test func `a match bans its source from the next packet on, and the lines stand in order`() throws {
        let lines = try replay("ban 10m", traffic, "--inspect")
        #expect(
            kinds(lines) == [
                "packet", "packet", "alert", "drop", "packet", "packet", "packet", "alert", "flow", "flow",
                "stats", "summary",
            ])
        let packets = lines.filter { $0["packet"].int != nil }
        #expect(packets.map { $0["verdict"].string } == ["pass", "pass", "drop", "drop", "pass"])
        #expect(packets.map { $0["reason"].string } == ["rule", "rule", "ban", "ban", "rule"])
        #expect(packets[1]["sampled"] == .bool(true) && packets[2]["sampled"] == .bool(false))
        let alert = lines[2]
        #expect(alert["alert"]["signature_id"].int == 1_000_001 && alert["alert"]["rev"].int == 2)
        #expect(alert["src_ip"].string == Self.attacker && alert["src_port"].int == 4000)
        #expect(alert["xdpguard"]["rule"].string == "telemetry")
        let summary = try #require(lines.last)["summary"]
        #expect(summary["alerts"].int == 2 && summary["reasons"]["ban"].int == 2)
        #expect(lines[10]["stats"]["decoder"]["pkts"].int == 3)
        #expect(lines[8]["app_proto"].string != nil)
    }

    @Test func `under drop-flow the flow's packets alone are dropped`() throws {
        let packets = try replay("drop-flow", traffic, "--inspect").filter { $0["packet"].int != nil }
        #expect(packets.map { $0["reason"].string } == ["rule", "rule", "flow", "rule", "rule"])
        #expect(packets[2]["verdict"].string == "drop")
    }

    @Test func `on-match alert lets all pass, and never-ban stands above a match`() throws {
        let alerted = try replay("alert", traffic, "--inspect").filter { $0["packet"].int != nil }
        #expect(alerted.allSatisfy { $0["verdict"].string == "pass" })
        let friend = traffic.map { (source: "192.0.2.8:4000", text: $0.text) }
        for onMatch in ["ban 10m", "drop-flow"] {
            let spared = try replay(onMatch, friend, "--inspect")
            let packets = spared.filter { $0["packet"].int != nil }
            #expect(packets.count == 5 && packets.allSatisfy { $0["verdict"].string == "pass" })
            let alerts = spared.filter { $0["event_type"].string == "alert" }
            #expect(!alerts.isEmpty && alerts.allSatisfy { $0["alert"]["action"].string == "allowed" })
            #expect(!kinds(spared).contains("drop"), "nothing was dropped")
        }
    }

    @Test func `without --inspect nothing is inspected, with --quiet only the sums are told`() throws {
        #expect(kinds(try replay("ban 10m", traffic)) == Array(repeating: "packet", count: 5) + ["summary"])
        let quiet = try replay("ban 10m", traffic, "--inspect", "--quiet")
        #expect(kinds(quiet) == ["summary"] && quiet[0]["summary"]["reasons"]["ban"].int == 2)
    }

    @Test func `a folder for compiled signatures that cannot be used is said, and the replay goes on`() throws
    {
        let (policy, capture) = (try policy("alert"), try capture(traffic))
        let open = folder.path + "/open"
        try prepare("mkdir", "-m", "0777", open)
        let file = try folder.file("file", "")
        let made = folder.path + "/made"
        for (cache, reason) in [
            ("/nonexistent/x", "No such file or directory"), (file, "Not a directory"),
            (open, "others may write to it"), (made, nil as String?), (made, nil),
        ] {
            let words = ["replay", policy, capture, "--inspect", "--quiet", "--signature-cache", cache]
            let outcome = try run([Product.path] + words, environment: ["XDG_CACHE_HOME": folder.path])
            let told = reason.map {
                "xdpguard: warning: compiled signatures are not kept in '\(cache)': \($0)\n"
            }
            #expect(outcome.exit == 0 && outcome.errors == told ?? "", "\(outcome)")
            #expect(outcome.output.contains("alerts: 2"))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: open).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: made).count == 1)
    }

    @Test func `what signatures cost is told without what moves the cursor, for as many as are asked for`()
        throws
    {
        let rules = try folder.file(
            "cost.rules",
            "alert udp any any -> any 9000 (msg:\"a\u{1b}[2J\u{9b}2J\u{202e}b\"; content:\"evil\"; sid:1;)\n")
        let capture = try capture(traffic)
        let outcome = try Product.run("signatures", "profile", capture, "--rules", rules)
        #expect(outcome.exit == 0 && outcome.output.hasSuffix("  1:1 a?[2J?2J?b\n"), "\(outcome)")
        let negative = try Product.run("signatures", "profile", capture, "--rules", rules, "--limit=-1")
        #expect(negative.exit == 64 && negative.errors.contains("--limit is 0 or more"), "\(negative)")
        #expect(try Product.run("signatures", "profile", capture, "--rules", rules, "--limit=0").exit == 0)
    }

    @Test func `no privileges are needed`() throws {
        let (policy, capture) = (try policy("ban 10m"), try capture(traffic))
        let outcome = try Product.runUnprivileged("replay", policy, capture, "--inspect")
        #expect(outcome.exit == 0, "\(outcome)")
        #expect(outcome.output.contains("alerts: 2"))
    }
}
