// SPDX-License-Identifier: Apache-2.0
// Text that nobody should write: damaged rules, endless lists, deep nesting, huge files. Nothing traps,
// every rule is counted once, every place lies within the file, and time grows with the text alone.
import Diagnostics
import Signatures
import TestSupport
import Testing

/// A rule with these source addresses and ports.
private func header(_ addresses: String, _ ports: String = "any", options: String = "") -> String {
    "alert tcp \(addresses) \(ports) -> any any (\(options) sid:1;)"
}

@Suite struct HostileTextTests {
    private static let rules = """
        alert http $HOME_NET any -> $EXTERNAL_NET [80,!8080,1024:] (msg:"ET a"; flow:established,to_server; \
        content:"GET"; http_method; content:"/a|20 0d|b"; http_uri; fast_pattern:1,3; distance:0; within:9; \
        pcre:"/a.*b/Ri"; flowbits:set,a|b; threshold: type limit, track by_src, count 1, seconds 60; \
        byte_test:4,>,0xff,-2,relative,little,bitmask 0xf0; byte_jump:1,0,post_offset -1; \
        classtype:trojan-activity; reference:url,example.com; metadata:a b, c d; sid:2000001; rev:5;)
        drop tcp [192.0.2.0/24,!192.0.2.7,[198.51.100.1,2001:db8::/32]] !80 <> any any (msg:"b\\;\\"c"; \
        tls.sni; dotprefix; content:".example.com"; endswith; nocase; bsize:<50; xor:"0d"; \
        content:"x"; sid:2;)
        alert dns any any -> any any (dns.query; base64_decode:bytes 4,offset 1; base64_data; content:"q"; \
        byte_extract:1,0,n,relative; byte_math:bytes 1, offset n, oper +, rvalue n, result m; content:"z"; \
        offset:n; depth:m; isdataat:!1,relative; dns.rrtype:1,-1; xbits:set,x,track ip_src,expire 5; sid:3;)
        alert tcp any any -> any any (flags:S,12; dsize:1<>9; ttl:>3; ip_proto:!tcp; stream_size:client,>,1; \
        app-layer-protocol:!http,final; flowint:n,+,1; requires:version >= 7 < 9; ssl_version:!sslv3; sid:4;)

        """

    private func judge(_ bytes: [UInt8], _ label: String) {
        let source = SourceText(path: "fuzz.rules", bytes: bytes)
        let set = loadSignatures([source])
        let counts = set.counts
        #expect(
            counts.rules == counts.loaded + counts.unsupported + counts.errors + counts.superseded, "\(label)"
        )
        #expect(counts.unsupportedKeywords.values.reduce(0, +) == counts.unsupported, "\(label)")
        for diagnostic in set.diagnostics {
            #expect(
                diagnostic.range.start <= diagnostic.range.end && diagnostic.range.end <= bytes.count,
                "\(label)")
        }
        // Each can be drawn; some are enough.
        for diagnostic in set.diagnostics.prefix(500) { _ = diagnostic.rendered() }
        for signature in set.signatures {
            #expect(signature.sid > 0 && signature.variableCount <= SignatureLimits.variables, "\(label)")
            #expect(signature.matches.allSatisfy { !$0.inspections.isEmpty }, "\(label)")
        }
    }

    @Test(arguments: 1...40)
    func `damaged rules are refused one by one`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let interesting = Array("\"\\;:|()[]!,$<>-=&*+%0 \n\t\r#".utf8) + [0, 0xff, 0xc3]
        for round in 0..<25 {
            var bytes = Array(Self.rules.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                let byte = interesting.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[at] = byte
                case 1: bytes.insert(byte, at: at)
                case 2:
                    bytes.removeSubrange(
                        at..<min(bytes.count, at + Int.random(in: 1...20, using: &generator)))
                default:
                    let end = min(bytes.count, at + Int.random(in: 1...30, using: &generator))
                    bytes.insert(
                        contentsOf: bytes[at..<end], at: Int.random(in: 0..<bytes.count, using: &generator))
                }
            }
            judge(bytes, "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test func `every prefix of a rule is a rule that is refused, or none`() {
        let bytes = Array(Self.rules.utf8)
        for count in stride(from: 0, to: bytes.count, by: 3) {
            judge(Array(bytes[..<count]), "\(count) bytes")
        }
    }

    struct Endless: CustomTestStringConvertible, Sendable {
        let name: String
        let make: @Sendable (Int) -> String
        var testDescription: String { name }
        init(_ name: String, _ make: @escaping @Sendable (Int) -> String) {
            self.name = name
            self.make = make
        }
        static func options(_ name: String, _ option: @escaping @Sendable (Int) -> String) -> Endless {
            Endless(name) { count in
                let options = (0..<count).map(option).joined(separator: " ")
                return "alert tcp any any -> any any (\(options) sid:1;)"
            }
        }
    }

    @Test(arguments: [
        Endless("brackets") { String(repeating: "[", count: $0) },
        Endless("nested lists") {
            header(String(repeating: "[", count: $0) + "192.0.2.1" + String(repeating: "]", count: $0))
        },
        Endless("negations") {
            "alert tcp \(String(repeating: "!", count: $0))192.0.2.1 any -> any any (sid:1;)"
        },
        Endless("a list of addresses") { count in
            header("[\((0..<count).map { "2001:db8::\(String($0, radix: 16))" }.joined(separator: ","))]")
        },
        Endless("a list of ports") { count in
            header("any", "[\((0..<count).map { "!\($0 % 60000)" }.joined(separator: ","))]")
        },
        Endless("one long word") { String(repeating: "a", count: $0) },
        Endless("backslashes") {
            "alert tcp any any -> any any (msg:\"\(String(repeating: "\\", count: $0))\"; sid:1;)"
        },
        Endless("empty continuations") { String(repeating: "\\\n", count: $0) },
        Endless("semicolons") { "alert tcp any any -> any any (\(String(repeating: ";", count: $0)))" },
        Endless("a long keyword") {
            "alert tcp any any -> any any (\(String(repeating: "x", count: $0)); sid:1;)"
        },
        Endless("a long classtype") {
            "alert tcp any any -> any any (classtype:\(String(repeating: "x", count: $0)); sid:1;)"
        },
        Endless("a long number") {
            "alert tcp any any -> any any (dsize:\(String(repeating: "9", count: $0)); sid:1;)"
        },
        Endless("rules of one number") { count in
            (0..<count).map { "alert tcp any any -> any any (sid:1; rev:\($0);)" }.joined(separator: "\n")
        },
        Endless("unknown keywords") { count in
            (0..<count).map { header("any", "any", options: "contnt\($0);") }.joined(separator: "\n")
        },
        Endless("wrong rules") { String(repeating: "alert\n", count: $0) },
        Endless.options("contents") { _ in "content:\"a\"; distance:0;" },
        Endless.options("buffers") { _ in "dns.query; content:\"a\";" },
        Endless.options("names of flow bits") { "flowbits:set,n\($0);" },
        Endless.options("transforms") { _ in "http.uri; to_lowercase; content:\"a\";" },
    ])
    private func `endless text is bounded in time`(_ endless: Endless) {
        for count in [10, 1000, 20_000] {
            let bytes = Array(endless.make(count).utf8)
            let time = ThreadTime.measure { judge(bytes, "\(count)") }
            // Generous for debug builds with checks: what is quadratic takes minutes.
            #expect(time < .seconds(20), "\(count): \(time)")
        }
    }

    @Test func `a rule of more than 64 KiB is refused`() {
        let long =
            header(
                "any", "any", options: "msg:\"\(String(repeating: "a", count: SignatureLimits.textBytes))\";")
        let set = load(long + "\nalert tcp any any -> any any (sid:2;)")
        #expect(set.signatures.map(\.sid) == [2] && set.diagnostics.map(\.id) == ["rule-too-long"])
    }

    @Test func `bytes that are no text are refused or kept as they are`() throws {
        let rule: [UInt8] =
            Array("alert tcp any any -> any any (content:\"".utf8) + [0xff, 0xfe, 0x80]
            + Array("\"; sid:1;)".utf8)
        let set = loadSignatures([SourceText(path: "bytes.rules", bytes: rule)])
        guard case .content(let content)? = set.signatures.first?.matches.first?.inspections.first else {
            Issue.record("no content")
            return
        }
        #expect(content.bytes == [0xff, 0xfe, 0x80])
        judge([0xff, 0xfe] + rule, "bytes in front")
        judge(Array(repeating: 0, count: 1000), "zeros")
    }
}
