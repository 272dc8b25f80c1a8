// SPDX-License-Identifier: Apache-2.0
// The ways to write one request, or its answer, so that a server or a browser reads the same of it. In: what
// is to be brought past the sensor. Out: both sides' bytes, and which of its parts are there.

/// What the signatures of the suite look for, and by which number.
public enum EvasionTarget: Int, CaseIterable, Sendable {
    /// The request's path in the stream's bytes.
    case content = 1
    /// `/secret/Passwd` in `http.uri`.
    case uri = 2
    /// The same as an expression.
    case expression = 3
    /// `x-probe: attack` in the old `http_header`.
    case header = 4
    /// `evil payload` in `file.data` of a request.
    case upload = 5
    /// `evil answer` in `file.data` of a response.
    case download = 6
    /// `union+Select <` in `http.uri`, behind a `?`.
    case query = 7

    /// The signatures in Suricata's syntax, the target's number as sid.
    public static let rules = #"""
        alert tcp any any -> any any (msg:"content"; flow:to_server; content:"/secret/Passwd"; sid:1;)
        alert http any any -> any any (msg:"uri"; flow:to_server; http.uri; content:"/secret/Passwd"; sid:2;)
        alert http any any -> any any (msg:"pcre"; flow:to_server; pcre:"/\/secret\/Pass[a-w]d/U"; sid:3;)
        alert http any any -> any any (msg:"header"; flow:to_server; content:"X-Probe|3a 20|attack"; \
            nocase; http_header; sid:4;)
        alert http any any -> any any (msg:"upload"; flow:to_server; file.data; \
            content:"evil payload"; sid:5;)
        alert http any any -> any any (msg:"download"; flow:to_client; file.data; content:"evil answer"; \
            sid:6;)
        alert http any any -> any any (msg:"query"; flow:to_server; http.uri; \
            content:"?q=union+Select <"; sid:7;)
        """#
}

/// A way to write a request and its answer.
public struct MessageEvasion: Sendable, CustomStringConvertible {
    public let name: String
    public let request: [UInt8]
    public let response: [UInt8]
    public let targets: [EvasionTarget]

    public var description: String { name }

    init(
        _ name: String, _ request: [UInt8] = plainRequest, answer: [UInt8] = plainResponse,
        finds targets: [EvasionTarget]
    ) {
        (self.name, self.request, self.response, self.targets) = (name, request, answer, targets)
    }

    init(_ name: String, _ request: String, answer: [UInt8] = plainResponse, finds targets: [EvasionTarget]) {
        self.init(name, Array(request.utf8), answer: answer, finds: targets)
    }

    /// All of them, the plain one first.
    public static let all = [plain] + uris + queries + lines + headers + stopped + uploads + downloads

    /// The request as any client writes it.
    public static let plain = MessageEvasion(
        "plain", plainRequest, finds: [.content, .uri, .expression, .header, .upload, .download])
}

let plainRequest = Array(
    """
    POST /secret/Passwd?x=1 HTTP/1.1\r\nHost: www.example.com\r\nX-Probe: attack\r\n\
    Content-Length: 21\r\n\r\nthe evil payload here
    """.utf8)
let plainResponse = Array("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nthe evil answer here".utf8)

extension MessageEvasion {
    private static func path(_ name: String, _ path: String) -> MessageEvasion {
        MessageEvasion(
            name, "GET \(path) HTTP/1.1\r\nHost: www.example.com\r\n\r\n", finds: [.uri, .expression])
    }

    /// RFC 3986, and what servers make of it beyond that.
    static let uris: [MessageEvasion] = [
        path("a letter URL-encoded", "/%73ecret/Passwd"),
        path("all letters URL-encoded", "/%73%65%63%72%65%74/%50%61%73%73%77%64"),
        path("a capital letter URL-encoded", "/secret/%50asswd"),
        path("upper-case digits", "/secret/P%61sswd%3F"),
        path("slashes URL-encoded", "%2fsecret%2FPasswd"),
        path("URL-encoded twice", "/%2573ecret/Passwd"),
        path("URL-encoded twice, digits of it", "/%25%37%33ecret/Passwd"),
        path("URL-encoded thrice", "/%252573ecret/Passwd"),
        path("%u of IIS", "/%u0073ecret/Passwd"),
        path("%u of full-width letters", "/%uff53ecret/Passwd"),
        path("a slash as %u2215", "/secret%u2215Passwd"),
        path("overlong UTF-8 of two bytes", "/%c1%b3ecret/Passwd"),
        path("overlong UTF-8 of three bytes", "/%e0%81%b3ecret/Passwd"),
        path("an overlong slash", "/secret%c0%afPasswd"),
        path("full-width UTF-8", "/%ef%bd%93ecret/Passwd"),
        path("folders of itself", "/./secret/./Passwd"),
        path("folders up", "/a/b/../../secret/c/../Passwd"),
        path("folders up, encoded", "/a/%2e%2e/secret/c/%2e./Passwd"),
        path("folders up, encoded twice", "/a/%252e%252e/secret/Passwd"),
        path("above the root", "/../../secret/Passwd"),
        path("slashes repeated", "//secret////Passwd"),
        path("backslashes", #"\secret\Passwd"#),
        path("an absolute URI", "http://www.example.com/secret/Passwd"),
        path("an absolute URI of another name", "http://other.example:8080/%73ecret/Passwd"),
        path("a long way", "/" + String(repeating: "a/../", count: 800) + "secret/Passwd"),
        path("a query and a fragment", "/%73ecret/Passwd?%2e%2e/x#/y"),
    ]

    private static func query(_ name: String, _ query: String, at path: String = "/x.php") -> MessageEvasion {
        MessageEvasion(
            "query: \(name)", "GET \(path)?\(query) HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            finds: [.query])
    }

    /// What programs behind servers make of a query.
    static let queries: [MessageEvasion] = [
        query("blanks URL-encoded", "q=union+Select%20%3c"),
        query("letters URL-encoded", "q=uni%6fn+%53elect%20%3C"),
        query("all URL-encoded", "%71%3d%75%6e%69%6f%6e%2b%53%65%6c%65%63%74%20%3c"),
        query("URL-encoded twice", "q=uni%256fn%2b%2553elect%2520%253c"),
        query("URL-encoded thrice", "q=uni%25256fn+Select%252520%25253c"),
        query("URL-encoded twice, digits of it", "q=uni%25%36%66n+Select%20%3c"),
        query("%u of IIS", "q=uni%u006fn+%U0053elect%20%u003c"),
        query("%u of full-width letters", "q=%uff55nion+%uff33elect%20%uff1c"),
        query("%u URL-encoded", "q=uni%25u006fn+Select%20%3c"),
        query("before an invalid escape", "q=uni%6fn+Select%20%3c%zz%u12%4"),
        query("before a zero byte", "q=uni%6fn+Select%20%3c%00"),
        query("behind a path encoded twice", "q=uni%256fn+Select%20%3c", at: "/%252e/x.php"),
    ]

    private static func line(_ name: String, _ request: String) -> MessageEvasion {
        MessageEvasion(name, request, finds: [.uri, .expression])
    }

    private static let host = "Host: www.example.com\r\n"

    static let lines: [MessageEvasion] = [
        line("line ends without CR", "GET /secret/Passwd HTTP/1.1\nHost: www.example.com\n\n"),
        line("mixed line ends", "GET /secret/Passwd HTTP/1.1\nHost: www.example.com\r\n\n"),
        line("CR CR LF", "GET /secret/Passwd HTTP/1.1\r\r\nHost: www.example.com\r\r\n\r\r\n"),
        line("empty lines first", "\r\n\r\n\nGET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line("blanks first", "  GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line("blanks between", "GET   /secret/Passwd   HTTP/1.1\r\n\(host)\r\n"),
        line("tabs between", "GET\t/secret/Passwd\tHTTP/1.1\r\n\(host)\r\n"),
        line("form feeds between", "GET\u{0c}/secret/Passwd\u{0b}HTTP/1.1\r\n\(host)\r\n"),
        line("a blank behind the version", "GET /secret/Passwd HTTP/1.1 \r\n\(host)\r\n"),
        line("a blank in the path", "GET /a b/../secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line("no version", "GET /secret/Passwd\r\n\r\n"),
        line("a version that is none", "GET /secret/Passwd HTTP/9.9\r\n\(host)\r\n"),
        line("version 1.0", "GET /secret/Passwd HTTP/1.0\r\n\r\n"),
        line("another case of the method", "get /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line("a method of its own", "FROBNICATE /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line("HEAD", "HEAD /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line(
            "behind another request",
            "GET / HTTP/1.1\r\n\(host)\r\nGET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"
        ),
        line(
            "behind a hundred others",
            String(repeating: "GET / HTTP/1.1\r\n\(host)\r\n", count: 100)
                + "GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line(
            "behind one with a body",
            "POST / HTTP/1.1\r\n\(host)Content-Length: 5\r\n\r\nhello"
                + "GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"
        ),
        line(
            "behind a chunked one",
            "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + "GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
        line(
            "behind one of which two lengths are told",
            "POST / HTTP/1.1\r\n\(host)Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                + "GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n"),
    ]

    private static let many = (0..<1100).map { "X-\($0): a\r\n" }.joined()

    /// What libhtp gives up and servers answer: nginx counts no headers.
    static let stopped: [MessageEvasion] =
        [
            ("many headers", "GET / HTTP/1.1\r\n\(host)\(many)\r\n"),
            (
                "a header of 20,000 bytes",
                "GET / HTTP/1.1\r\n\(host)X: \(String(repeating: "a", count: 20_000))\r\n\r\n"
            ),
            (
                "an unknown transfer coding",
                "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: zip\r\nContent-Length: 5\r\n\r\nhello"
            ),
            ("a length that is none", "POST / HTTP/1.1\r\n\(host)Content-Length: five\r\n\r\nhello"),
        ].map { name, first in
            line("behind one with \(name)", first + "GET /secret/Passwd HTTP/1.1\r\n\(host)\r\n")
        } + [
            header("behind more than libhtp takes", many + "X-Probe: attack\r\n"),
            MessageEvasion(
                "upload: behind more headers than libhtp takes",
                "POST / HTTP/1.1\r\n\(host)Content-Length: 21\r\n\(many)\r\nthe evil payload here",
                finds: [.upload]),
        ]

    private static func header(_ name: String, _ lines: String) -> MessageEvasion {
        MessageEvasion(name, "GET / HTTP/1.1\r\n\(host)\(lines)\r\n", finds: [.header])
    }

    static let headers: [MessageEvasion] = [
        header("a folded header", "X-Probe:\r\n attack\r\n"),
        header("a header folded by a tab", "X-Probe:\r\n\tattack\r\n"),
        header("a header folded twice", "X-Probe:\r\n \r\n attack\r\n"),
        header("another case", "x-PROBE: attack\r\n"),
        header("no blank", "X-Probe:attack\r\n"),
        header("blanks and tabs", "X-Probe: \t  attack\r\n"),
        header("a blank before the colon", "X-Probe : attack\r\n"),
        header("blanks behind", "X-Probe: attack  \t\r\n"),
        header("line end without CR", "X-Probe: attack\n"),
        header("behind a line without a colon", "nothing\r\nX-Probe: attack\r\n"),
        header("behind an empty name", ": x\r\nX-Probe: attack\r\n"),
        header("behind a zero byte", "X-A: \0\r\nX-Probe: attack\r\n"),
        header("behind many", (0..<90).map { "X-\($0): a\r\n" }.joined() + "X-Probe: attack\r\n"),
        header("behind a long one", "X-A: \(String(repeating: "a", count: 8000))\r\nX-Probe: attack\r\n"),
        header("in a trailer", "X-A: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Probe: attack\r\n"),
    ]
}
