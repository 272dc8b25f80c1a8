// SPDX-License-Identifier: Apache-2.0
// Whole loads: descriptions, conflicts of numbers, counts, threshold.config, Snort 3's way of writing.
import Diagnostics
import NetworkTypes
import Signatures
import Testing

@Suite struct DescriptionTests {
    @Test func `all that describes a signature is kept`() throws {
        let signature = try signature(
            rule: """
                alert tcp any any -> any any (msg:"ET \\"quoted\\" a\\;b\\:c d\\\\e | f"; gid:7; sid:42; \
                rev:3; \
                classtype:trojan-activity; reference:cve,2019-12260; reference:URL,example.com/a?b=c; \
                metadata:created_at 2019_01_01, affected_product Any, lonely; target:dest_ip; bypass;)
                """)
        #expect(signature.message == #"ET "quoted" a;b:c d\e | f"#)
        #expect(signature.gid == 7 && signature.sid == 42 && signature.rev == 3)
        #expect(signature.classtype == "trojan-activity" && signature.priority == 1)
        #expect(signature.category == "A Network Trojan was detected")
        #expect(signature.references.map(\.system) == ["cve", "url"])
        #expect(signature.references.map(\.id) == ["2019-12260", "example.com/a?b=c"])
        #expect(signature.metadata.map(\.key) == ["created_at", "affected_product", "lonely"])
        #expect(signature.metadata.map(\.value) == ["2019_01_01", "Any", ""])
        #expect(signature.target == .destination && signature.bypassesFlow && signature.isReported)
    }

    @Test func `what is not said has its default`() throws {
        let signature = try signature("content:\"a\";")
        #expect(
            signature.gid == 1 && signature.rev == 0 && signature.priority == 3 && signature.message.isEmpty)
        #expect(signature.classtype == nil && signature.category.isEmpty && signature.target == nil)
        #expect(!signature.bypassesFlow && signature.threshold == nil)
    }

    @Test(arguments: [
        ("classtype:misc-activity; priority:1;", UInt8(1)), ("priority:1; classtype:misc-activity;", 1),
        ("classtype:misc-activity;", 3), ("classtype:tcp-connection;", 4), ("classtype:attempted-admin;", 1),
        ("classtype:bad-unknown;", 2), ("priority:255;", 255),
    ])
    func `a priority is the text's, else the class's`(options: String, priority: UInt8) throws {
        #expect(try signature(options).priority == priority)
    }

    @Test func `an unknown class is a warning, and its signature is loaded`() throws {
        let set = load("alert tcp any any -> any any (classtype:trojan-activty; sid:1;)")
        #expect(set.counts.loaded == 1 && set.signatures[0].priority == 3)
        #expect(set.diagnostics.map(\.id) == ["unknown-classtype"])
        #expect(set.diagnostics[0].help == "did you mean 'trojan-activity'?")
        #expect(set.diagnostics[0].range.column == 41 && set.diagnostics[0].severity == .warning)
    }

    @Test func `a setting adds classes`() throws {
        let settings = SignatureSettings(classifications: ["own": .init(description: "Our own", priority: 9)])
        let signature = try signature(
            rule: "alert tcp any any -> any any (classtype:own; sid:1;)", settings: settings)
        #expect(signature.priority == 9 && signature.category == "Our own")
    }

    @Test func `a keyword without effect is a note`() {
        let set = load("alert tcp any any -> any any (flags:S; tag:host,100,packets,src; prefilter; sid:1;)")
        #expect(set.counts.loaded == 1)
        #expect(set.diagnostics.map(\.severity) == [.note])
        #expect(set.diagnostics.map(\.message) == ["'tag' has no effect here"])
    }

    @Test(arguments: [
        ("feature ja4", true), ("version >= 7.0.4", true), ("version >= 7 < 9", true), ("version < 8", false),
        ("version >= 8.0.1", false), ("version < 6 | >= 8", true), ("keyword http.uri", true),
        ("keyword lua", false), ("feature nope", false), ("version >= 7, keyword tls.sni", true),
        ("version >= 7, feature nope", false), ("version = 8.0.0", true), ("version > 8-dev", false),
    ])
    func `a signature that requires what is not here is left out`(text: String, isMet: Bool) {
        let set = load("alert tcp any any -> any any (requires:\(text); sid:1;)")
        #expect(set.counts.loaded == (isMet ? 1 : 0))
        #expect(set.counts.unsupportedKeywords == (isMet ? [:] : ["requires": 1]))
    }

    @Test func `a feature that is switched off is not here`() {
        let source = SourceText(
            path: "a.rules", text: "alert tls any any -> any any (requires:feature ja4; sid:1;)")
        var settings = SignatureSettings()
        #expect(loadSignatures([source], settings: settings).counts.loaded == 1)
        settings.features = ["ja3"]
        #expect(loadSignatures([source], settings: settings).counts.loaded == 0)
    }
}

@Suite struct ConflictTests {
    private func load(_ rules: [(gid: Int, sid: Int, rev: Int)], files: Int = 1) -> SignatureSet {
        let lines = rules.enumerated().map { index, rule in
            "alert tcp any any -> any any (msg:\"\(index)\"; "
                + "gid:\(rule.gid); sid:\(rule.sid); rev:\(rule.rev);)"
        }
        let size = (lines.count + files - 1) / files
        let sources = stride(from: 0, to: lines.count, by: size).map { start in
            SourceText(
                path: "\(start).rules",
                text: lines[start..<min(lines.count, start + size)].joined(separator: "\n"))
        }
        return loadSignatures(sources)
    }

    @Test(arguments: [1, 2, 3])
    func `the higher revision stays, and of equal ones the first`(files: Int) {
        let set = load([(1, 5, 2), (1, 6, 1), (1, 5, 3), (1, 6, 1), (1, 5, 1)], files: files)
        #expect(set.signatures.map(\.message) == ["1", "2"])
        #expect(set.counts.loaded == 2 && set.counts.superseded == 3 && set.counts.rules == 5)
        #expect(set.diagnostics.allSatisfy { $0.id == "duplicate-sid" && $0.severity == .warning })
        #expect(set.diagnostics.count == 3)
    }

    @Test func `both places are said`() {
        let set = load([(1, 5, 2), (1, 5, 3)], files: 2)
        let text = set.diagnostics[0].rendered()
        #expect(text.hasPrefix("0.rules:1:1: warning: signature 1:5 revision 2 is left out for another one"))
        #expect(text.contains("revision 3 is used") && text.contains("give one of them another 'sid'"))
    }

    @Test func `one number of two generators is no conflict`() {
        let set = load([(1, 5, 1), (2, 5, 1)])
        #expect(set.signatures.count == 2 && set.diagnostics.isEmpty)
    }
}

@Suite struct SnortTests {
    @Test func `buffers stand before contents, and contents take options behind commas`() throws {
        let matches = try signature(
            "flow:to_server,established; http_uri; content:\"/a.php\",fast_pattern,nocase; "
                + "content:\"x\",distance 1,within 5; http_header; content:!\"b\"; pkt_data; "
                + "content:\"c|2c|d\",depth 4,offset 2; service:http;"
        ).matches
        #expect(matches.map(\.buffer) == [.httpURI, .httpHeader, .payload])
        guard case .content(let first) = matches[0].inspections[0],
            case .content(let second) = matches[0].inspections[1],
            case .content(let last) = matches[2].inspections[0]
        else { return }
        #expect(first.isCaseInsensitive && first.isRetried)
        #expect(second.isRelative && second.from == .literal(1) && second.length == .literal(5))
        #expect(last.bytes == Array("c,d".utf8) && last.from == .literal(2) && last.length == .literal(4))
    }

    @Test func `a quote or comma within a content ends nothing`() throws {
        let matches = try signature("content:\"a\\\",b\",nocase; service:http;").matches
        guard case .content(let content) = matches[0].inspections[0] else { return }
        #expect(content.bytes == Array("a\",b".utf8) && content.isCaseInsensitive)
    }

    @Test func `a short header is any to any`() throws {
        let signature = try signature(rule: "alert http ( msg:\"x\"; http_uri; content:\"/a\"; sid:1; )")
        #expect(signature.header.isAnyToAny && signature.header.application == .http)
    }

    @Test func `bufferlen is the size of the buffer`() throws {
        let matches = try signature("http_uri; bufferlen:5<=>7; content:\"/a\",fast_pattern; service:http;")
            .matches
        #expect(matches[0].inspections[0] == .size(.within(5...7)))
        #expect(try signature("http_uri; content:\"/a\"; bufferlen:11;").matches.count == 1)
    }

    @Test(arguments: ["http_header:field host", "content:\"a\",width 16", "http_uri; bufferlen:1,relative"])
    func `what Suricata has no word for is unsupported`(options: String) {
        let set = load("alert tcp any any -> any any (\(options); service:http; sid:1;)")
        #expect(set.counts.unsupported == 1 && set.counts.errors == 0)
    }
}
