// SPDX-License-Identifier: Apache-2.0
// Every kind of finding: its id, the place that it names, and what it says.
import Diagnostics
import Signatures
import Testing

@Suite struct ErrorTests {
    struct Wrong: CustomTestStringConvertible, Sendable {
        let id: String
        /// The rule, the place that is named between « and ».
        let rule: String
        /// Part of what is printed.
        let says: String
        var testDescription: String { "\(id): \(rule)" }

        init(_ id: String, _ rule: String, says: String) {
            self.id = id
            self.rule = rule
            self.says = says
        }

        /// With an ordinary header; `options` hold the marked place.
        init(_ id: String, options: String, says: String, proto: String = "tcp") {
            self.init(id, "alert \(proto) any any -> any any (\(options) sid:1;)", says: says)
        }
    }

    private static let ofHeaders: [Wrong] = [
        Wrong("bad-action", "«alrt» tcp any any -> any any (sid:1;)", says: "did you mean 'alert'?"),
        Wrong("unsupported-keyword", "«config» tcp any any -> any any (sid:1;)", says: "action config"),
        Wrong(
            "unsupported-protocol", "alert «tpc» any any -> any any (sid:1;)", says: "did you mean 'tcp'?"),
        Wrong("bad-address", "alert tcp «192.0.2.300» any -> any any (sid:1;)", says: "is no address"),
        Wrong("bad-address", "alert tcp «192.0.2.0/33» any -> any any (sid:1;)", says: "is no address"),
        Wrong("bad-address", "alert tcp «192.0.2.9-192.0.2.1» any -> any any (sid:1;)", says: "no address"),
        Wrong("bad-address", "alert tcp «192.0.2.1-2001:db8::1» any -> any any (sid:1;)", says: "no address"),
        Wrong("bad-address", "alert tcp [192.0.2.1,«x»] any -> any any (sid:1;)", says: "'x' is no address"),
        Wrong(
            "header-list", "alert tcp [«192.0.2.1,,192.0.2.2»] any -> any any (sid:1;)", says: "empty place"),
        Wrong("empty-header", "alert tcp «!any» any -> any any (sid:1;)", says: "leaves no address"),
        Wrong(
            "empty-header", "alert tcp «[192.0.2.0/24,!192.0.2.0/24]» any -> any any (sid:1;)",
            says: "leaves no address"),
        Wrong(
            "undefined-variable", "alert tcp «$HOME_NOT» any -> any any (sid:1;)",
            says: "did you mean '$HOME_NET'?"),
        Wrong("bad-port", "alert tcp any «65536» -> any any (sid:1;)", says: "is no port"),
        Wrong("bad-port", "alert tcp any «90:80» -> any any (sid:1;)", says: "is no port"),
        Wrong("bad-port", "alert tcp any «:» -> any any (sid:1;)", says: "is no port"),
        Wrong("undefined-variable", "alert tcp any any -> any «$HTTP_PORT» (sid:1;)", says: "'$HTTP_PORTS'"),
        Wrong(
            "bad-direction", "alert tcp any any «<-» any any (sid:1;)", says: "expected '->', '<>' or '=>'"),
        Wrong("rule-syntax", "alert tcp any any -> an«y»", says: "the rule's header is incomplete"),
        Wrong("rule-syntax", "alert tcp any any -> any any «s»id:1;)", says: "the rule has no options"),
        Wrong("rule-syntax", "alert tcp any any -> any any (sid:1«;»", says: "expected ')'"),
        Wrong("rule-syntax", "alert tcp any any -> any any (sid:«1»)", says: "expected ';'"),
        Wrong("rule-syntax", "alert tcp any any -> any any («;»sid:1;)", says: "expected a keyword"),
        Wrong("no-sid", "«alert» tcp any any -> any any (msg:\"x\";)", says: "add 'sid:NUMBER;'"),
    ]

    private static let ofContents: [Wrong] = [
        Wrong("bad-value", options: #"content:«abc»;"#, says: "between double quotes"),
        Wrong("bad-content", options: #"content:"«»";"#, says: "0 bytes"),
        Wrong("bad-content", options: #"content:"|4«g»|";"#, says: "no hexadecimal digit"),
        Wrong("bad-content", options: #"content:"|4«|»";"#, says: "two digits for each byte"),
        Wrong("bad-content", options: #"content:"«ab|41»";"#, says: "do not end"),
        Wrong("bad-content", options: #"content:"a«\»b";"#, says: "escapes nothing"),
        Wrong("bad-content", options: #"content:"a«"»b";"#, says: "|22|"),
        Wrong("no-value", options: "«content»;", says: "no value"),
        Wrong("no-content", options: "«nocase»; content:\"a\";", says: "before any content"),
        Wrong("no-content", options: "«depth:4»;", says: "before any content"),
        Wrong(
            "content-conflict", options: #"content:"ab"; offset:1; «within:4»;"#,
            says: "'within' does not go with 'offset'"),
        Wrong("content-conflict", options: #"content:"ab"; depth:4; «startswith»;"#, says: "'depth'"),
        Wrong("content-conflict", options: #"content:"abc"; within:«2»;"#, says: "make it at least 3"),
        Wrong("duplicate-keyword", options: #"content:"ab"; depth:4; «depth:5»;"#, says: "already"),
        Wrong("bad-value", options: #"content:"ab"; offset:«-1»;"#, says: "expected 0 to 65535"),
        Wrong("bad-value", options: #"content:"ab"; depth:«0»;"#, says: "expected 1 to"),
        Wrong("bad-number", options: #"content:"ab"; distance:«length»;"#, says: "'byte_extract'"),
        Wrong("bad-value", options: #"content:"ab"; fast_pattern:«1,2»;"#, says: "within the content's 2"),
        Wrong(
            "duplicate-keyword", options: #"content:"ab"; fast_pattern; content:"cd"; «fast_pattern»;"#,
            says: "another content has 'fast_pattern'"),
        Wrong("bad-value", options: #"content:"ab"; nocase:«1»;"#, says: "expected 'nocase;'"),
        Wrong(
            "never-matches", options: #"dsize:<4; «content:"abcd"»;"#, says: "need 4 bytes", proto: "udp"),
        Wrong("never-matches", options: #"http.uri; bsize:3; «content:"abcd"»;"#, says: "its sizes leave 3"),
        Wrong(
            "buffer-conflict", options: #"http.uri; content:"a"; «http_header»;"#,
            says: "write 'pkt_data' before the content"),
        Wrong("bad-value", options: "http.uri:«x»;", says: "takes no value"),
    ]

    private static let ofOthers: [Wrong] = [
        Wrong("unsupported-keyword", options: #"«contnet»:"a";"#, says: "did you mean 'content'?"),
        Wrong("unsupported-keyword", options: #"«lua»:x.lua;"#, says: "'lua' is not supported"),
        Wrong("unsupported-keyword", options: "app-layer-event:«http.x»;", says: "app-layer-event"),
        Wrong("unsupported-keyword", options: "requires: «keyword lua»;", says: "which is not here"),
        Wrong("unsupported-keyword", options: "requires: «version >= 99»;", says: "which is not here"),
        Wrong("bad-value", options: "pcre:«\"a.*b\"»;", says: "between slashes"),
        Wrong("bad-value", options: "pcre:\"/a/«k»\";", says: "is no flag"),
        Wrong("bad-value", options: "pcre:«/a/»;", says: "between slashes"),
        Wrong("bad-value", options: "msg:«a text»;", says: "between double quotes"),
        Wrong("bad-value", options: "msg:«\"a text»;", says: "between double quotes"),
        Wrong(
            "bad-expression", options: #"content:"a"; pcre:"/(ab«/»i";"#,
            says: "missing closing parenthesis, at offset 3"),
        Wrong("bad-expression", options: #"pcre:!"/a[«/»";"#, says: "missing terminating ]"),
        Wrong("bad-expression", options: #"pcre:"/a*«*»b/";"#, says: "quantifier does not follow"),
        Wrong("bad-expression", options: #"pcre:"/(?=ab\K)«/»";"#, says: "at offset 8"),
        Wrong(
            "buffer-conflict", options: "http.uri; «pcre:\"/a/P\"»;", says: "sticky buffer is 'http.uri'"),
        Wrong("bad-value", options: "dsize:«x»;", says: "expected a number to 65535"),
        Wrong("bad-value", options: "dsize:«5<>6»;", says: "as in '>1', '!1', '1<>9'"),
        Wrong("bad-value", options: "ttl:«256»;", says: "expected a number to 255"),
        Wrong("bad-value", options: "flags:«X»;", says: "letters of FSRPAUEC"),
        Wrong("bad-value", options: "ipopts:«xx»;", says: "lsrr"),
        Wrong("bad-value", options: "fragbits:«X»;", says: "letters of MDR"),
        Wrong("bad-value", options: "ip_proto:«nope»;", says: "as in 'tcp'"),
        Wrong("bad-value", options: "flow:«sideways»;", says: "'to_server'"),
        Wrong("flow-conflict", options: "flow:to_server,«to_client»;", says: "contradicts"),
        Wrong("flow-conflict", options: "flow:established,«stateless»;", says: "contradicts"),
        Wrong("bad-value", options: "flowbits:«frob»,x;", says: "'isset'"),
        Wrong("bad-value", options: "flowbits:set,«a|b»;", says: "one name"),
        Wrong("bad-value", options: "flowbits:«set»;", says: "as in 'set,NAME'"),
        Wrong("bad-value", options: "flowint:x,«%»,1;", says: "isnotset"),
        Wrong("bad-value", options: "xbits:set,x,«track nobody»;", says: "'track ip_src'"),
        Wrong("bad-value", options: "hostbits:set,x,«both»;", says: "'src' or 'dst'"),
        Wrong(
            "bad-value", options: "threshold:type «never», track by_src, count 1, seconds 1;", says: "'limit'"
        ),
        Wrong(
            "no-value", options: "threshold:«type limit, track by_src, count 1»;",
            says: "'seconds' is missing"),
        Wrong(
            "duplicate-keyword",
            options: "detection_filter:track by_src,count 1,seconds 1; "
                + "«threshold:type limit, track by_src, count 1, seconds 1»;", says: "delete one of both"),
        Wrong("bad-value", options: "byte_test:«9»,=,1,0;", says: "1 to 8 bytes"),
        Wrong("bad-value", options: "byte_test:1,«~»,1,0;", says: "one of <"),
        Wrong("bad-value", options: "byte_test:«1,=,1»;", says: "'COUNT, OPERATOR, VALUE, OFFSET'"),
        Wrong("bad-number", options: "byte_test:1,=,«nope»,0;", says: "was set before"),
        Wrong("bad-value", options: "byte_jump:1,0,«frob»;", says: "an option of 'byte_jump'"),
        Wrong("bad-name", options: "byte_extract:1,0,«1st»;", says: "a letter first"),
        Wrong("unsupported-keyword", options: "byte_test:1,=,1,0,«dce»;", says: "byte_test dce"),
        Wrong(
            "bad-value", options: "byte_math:bytes 1, offset 0, oper /, rvalue «0», result x;",
            says: "a divisor that is not 0"),
        Wrong("no-buffer", options: "«bsize:4»;", says: "write a sticky buffer before it"),
        Wrong("no-buffer", options: "«to_lowercase»;", says: "write a sticky buffer before it"),
        Wrong("no-buffer", options: "«base64_data»;", says: "write 'base64_decode' before it"),
        Wrong("duplicate-keyword", options: "sid:2; «sid:3»;", says: "stands twice"),
        Wrong("bad-value", options: "priority:«0»;", says: "1 to 255"),
        Wrong("bad-value", options: "rev:«x»;", says: "4294967295"),
        Wrong("bad-value", options: "reference:«nothing»;", says: "'cve,2019-12260'"),
        Wrong("bad-value", options: "target:«nobody»;", says: "'src_ip'"),
        Wrong("bad-value", options: "stream_size:«client,~,5»;", says: "as in 'client,>,424'"),
        Wrong("bad-value", options: "ssl_version:sslv3,«sslv9»;", says: "tls1.2"),
        Wrong("unsupported-keyword", options: "app-layer-protocol:«gopher»;", says: "gopher"),
    ]

    private static let ofMeaning: [Wrong] = [
        Wrong(
            "direction-conflict",
            "«alert» http any any -> any any (http.uri; content:\"a\"; "
                + "http.stat_code; content:\"2\"; sid:1;)", says: "write '=>' instead of '->'"),
        Wrong(
            "direction-conflict",
            "«alert» http any any -> any any (flow:to_client; http.uri; "
                + "content:\"a\"; sid:1;)", says: "not in the direction that 'flow' names"),
        Wrong(
            "direction-conflict", "«alert» http any any => any any (http.uri; content:\"a\"; sid:1;)",
            says: "buffers of requests and of responses"),
        Wrong(
            "protocol-conflict", "«alert» dns any any -> any any (http.uri; content:\"a\"; sid:1;)",
            says: "'http' buffers in a signature of 'dns'"),
        Wrong(
            "protocol-conflict", "«alert» udp any any -> any any (http.uri; content:\"a\"; sid:1;)",
            says: "does not carry 'http'"),
        Wrong(
            "protocol-conflict",
            "«alert» tcp any any -> any any (http.uri; content:\"a\"; tls.sni; "
                + "content:\"b\"; sid:1;)", says: "several protocols: http, tls"),
        Wrong(
            "payload-conflict", "«alert» tcp-stream any any -> any any (dsize:4; content:\"a\"; sid:1;)",
            says: "others about the stream"),
        Wrong(
            "name-order",
            "alert ip any any -> any any (byte_extract:1,4,n; http.connection; "
                + "«byte_jump:n,0»; sid:1;)", says: "read the number in the same buffer"),
    ]

    @Test(arguments: ofHeaders + ofContents + ofOthers + ofMeaning)
    private func `a rule that is wrong is left out, and its place is named`(_ wrong: Wrong) throws {
        let marked = MarkedText(wrong.rule)
        let set = load(marked.text)
        #expect(set.signatures.isEmpty)
        let diagnostic = try #require(set.diagnostics.first)
        #expect(set.diagnostics.count == 1)
        #expect(diagnostic.id == wrong.id, "\(diagnostic.rendered())")
        #expect(diagnostic.range.start..<diagnostic.range.end == marked.place, "\(diagnostic.rendered())")
        #expect(diagnostic.rendered().contains(wrong.says), "\(diagnostic.rendered())")
    }

    @Test(arguments: ofHeaders + ofContents + ofOthers + ofMeaning)
    private func `a bad rule hurts neither the one before nor the one behind`(_ wrong: Wrong) {
        let good = "alert tcp any any -> any any (sid:%;)"
        let text = [
            good.replacing("%", with: "1001"), MarkedText(wrong.rule).text, good.replacing("%", with: "1002"),
        ].joined(separator: "\n")
        let set = load(text)
        #expect(set.signatures.map(\.sid) == [1001, 1002])
        #expect(set.diagnostics.allSatisfy { $0.range.line == 2 })
        let counts = set.counts
        #expect(counts.rules == 3 && counts.loaded == 2 && counts.unsupported + counts.errors == 1)
    }

    @Test func `what is not supported is a warning and counted by its keyword`() {
        let set = load(
            """
            alert tcp any any -> any any (lua:a.lua; sid:1;)
            alert tcp any any -> any any (content:"a"; lua:b.lua; iprep:src,x,>,1; sid:2;)
            alert tcp any any -> any any (iprep:src,x,>,1; sid:3;)
            alert gopher any any -> any any (sid:4;)
            alert tcp any any -> any any (content:a; sid:5;)
            """)
        #expect(set.counts.unsupportedKeywords == ["lua": 2, "iprep": 1, "protocol gopher": 1])
        #expect(set.counts.unsupported == 4 && set.counts.errors == 1 && set.counts.loaded == 0)
        #expect(set.diagnostics.map(\.severity) == [.warning, .warning, .warning, .warning, .error])
    }

    @Test func `a header that a variable leaves empty is this host's matter, not an error of the rule`() {
        var settings = SignatureSettings()
        settings.addressVariables["SMTP_SERVERS"] = "any"
        let set = load("alert tcp !$SMTP_SERVERS any -> any any (sid:1;)", settings: settings)
        #expect(set.counts.unsupported == 1 && set.counts.errors == 0)
        #expect(set.counts.unsupportedKeywords == ["!$SMTP_SERVERS": 1])
        #expect(set.diagnostics.map(\.id) == ["empty-header"] && set.diagnostics[0].severity == .warning)
        let help = "give the variable fewer addresses than all: in a policy, by a set of its name"
        #expect(set.diagnostics.map(\.help) == [help])
    }

    @Test func `a finding is printed with file, line, column and a caret`() {
        let set = load("# comment\nalert tcp any any -> any any (target:me; sid:1;)\n")
        #expect(
            set.diagnostics.map { $0.rendered() } == [
                """
                test.rules:2:38: error: 'me' is no value of 'target' [bad-value]
                 2 | alert tcp any any -> any any (target:me; sid:1;)
                   |                                      ^^ expected 'src_ip' or 'dest_ip'

                """
            ])
    }
}
