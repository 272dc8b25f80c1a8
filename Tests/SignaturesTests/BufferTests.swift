// SPDX-License-Identifier: Apache-2.0
// Buffers: sticky names, old modifiers behind a content, flags of expressions, and Snort 3's way; all give
// the same form. Transforms and base64.
import Signatures
import Testing

@Suite struct BufferTests {
    /// Old modifiers and flags of expressions beside the sticky buffer that they mean.
    struct Names: CustomTestStringConvertible, Sendable {
        let buffer: Buffer
        let modifier: String?
        let flag: String?
        var testDescription: String { buffer.rawValue }
        init(_ buffer: Buffer, _ modifier: String?, _ flag: String? = nil) {
            self.buffer = buffer
            self.modifier = modifier
            self.flag = flag
        }
    }

    @Test(arguments: [
        Names(.httpURI, "http_uri", "U"), Names(.httpURIRaw, "http_raw_uri", "I"),
        Names(.httpMethod, "http_method", "M"), Names(.httpRequestBody, "http_client_body", "P"),
        Names(.httpResponseBody, "http_server_body", "Q"), Names(.httpHeader, "http_header", "H"),
        Names(.httpHeaderRaw, "http_raw_header", "D"), Names(.httpCookie, "http_cookie", "C"),
        Names(.httpUserAgent, "http_user_agent", "V"), Names(.httpHost, "http_host", "W"),
        Names(.httpHostRaw, "http_raw_host", "Z"), Names(.httpStatusCode, "http_stat_code", "S"),
        Names(.httpStatusMessage, "http_stat_msg", "Y"),
    ])
    private func `old modifiers, flags and sticky buffers are one`(_ names: Names) throws {
        let sticky = try signature("\(names.buffer.rawValue); content:\"abc\"; depth:9; pcre:\"/d/R\";")
        let modifier = try #require(names.modifier)
        let old = try signature("content:\"abc\"; depth:9; \(modifier); pcre:\"/d/R\";")
        let behind = try signature("content:\"abc\"; \(modifier); depth:9; pcre:\"/d/R\";")
        let flag = try #require(names.flag)
        let flagged = try signature("content:\"abc\"; \(modifier); depth:9; pcre:\"/d/R\(flag)\";")
        for other in [old, behind, flagged] { #expect(other.matches == sticky.matches) }
        #expect(sticky.matches.count == 1 && sticky.matches[0].buffer == names.buffer)
        #expect(sticky.header.application == .http)
    }

    @Test(arguments: [
        ("file_data", Buffer.fileData), ("dns_query", .dnsQuery), ("tls_sni", .tlsSNI),
        ("tls_cert_subject", .tlsCertificateSubject), ("tls_cert_issuer", .tlsCertificateIssuer),
        ("tls_cert_serial", .tlsCertificateSerial), ("ja3_hash", .ja3Hash), ("ssh_proto", .sshProtocol),
        ("http_header_names", .httpHeaderNames), ("http_request_line", .httpRequestLine),
        ("http_response_line", .httpResponseLine), ("http_protocol", .httpProtocol),
        ("http_start", .httpStart), ("http_accept", .httpAccept), ("http_accept_enc", .httpAcceptEncoding),
        ("http_accept_lang", .httpAcceptLanguage), ("http_referer", .httpReferer),
        ("http_connection", .httpConnection), ("http_content_len", .httpContentLength),
        ("http_content_type", .httpContentType), ("ssh_software", .sshSoftware),
    ])
    func `old names of sticky buffers are understood`(name: String, buffer: Buffer) throws {
        #expect(try signature("\(name); content:\"a\";", proto: "ip").matches.map(\.buffer) == [buffer])
    }

    @Test(arguments: Buffer.allCases.filter { $0 != .payload })
    func `every buffer is sticky by its name and says its direction`(buffer: Buffer) throws {
        let signature = try signature("\(buffer.rawValue); content:\"a\";", proto: "ip")
        #expect(signature.matches.map(\.buffer) == [buffer])
        switch buffer.directions {
        case .toServer: #expect(signature.flow.toServer && !signature.flow.toClient)
        case .toClient: #expect(!signature.flow.toServer && signature.flow.toClient)
        case .both: #expect(signature.flow.toServer && signature.flow.toClient)
        }
        #expect(!signature.flow.hasDirection, "the text names none")
        #expect(buffer.isPacketHeader == (buffer.owner == nil))
    }

    @Test func `a sticky buffer holds until another or pkt_data`() throws {
        let matches = try signature(
            "http.uri; content:\"a\"; content:\"b\"; http.header; content:\"c\"; pkt_data; content:\"d\";"
        ).matches
        #expect(matches.map(\.buffer) == [.httpURI, .httpHeader, .payload])
        #expect(matches.map(\.inspections.count) == [2, 1, 1])
    }

    @Test func `a buffer that is named again goes on`() throws {
        let matches = try signature(
            "http.uri; content:\"a\"; http.header; content:\"b\"; http.uri; content:\"c\"; distance:0;"
        ).matches
        #expect(matches.map(\.buffer) == [.httpURI, .httpHeader])
        guard case .content(let third) = matches[0].inspections[1] else { return }
        #expect(third.isRelative)
    }

    @Test func `a buffer with instances that is named again is another look`() throws {
        let matches = try signature("dns.query; content:\"a\"; dns.query; content:\"b\";", proto: "dns")
            .matches
        #expect(matches.map(\.buffer) == [.dnsQuery, .dnsQuery])
    }

    @Test func `relative contents are relative to what stands before them in their own buffer`() throws {
        let matches = try signature(
            "content:\"one\"; http_uri; offset:1; depth:10; content:\"one\"; offset:1; depth:10; "
                + "content:\"two\"; http_uri; distance:3; within:4; content:\"two\"; distance:1; within:4;"
        ).matches
        #expect(matches.map(\.buffer) == [.httpURI, .payload])
        for group in matches {
            guard case .content(let first) = group.inspections[0],
                case .content(let second) = group.inspections[1]
            else { return }
            #expect(!first.isRelative && first.isRetried && second.isRelative)
        }
    }

    @Test func `a relative test without a buffer goes to where the newest content is`() throws {
        let matches = try signature("content:\"a\"; http_header; isdataat:!2,relative; content:\"b\";")
            .matches
        #expect(matches.map(\.buffer) == [.httpHeader, .payload])
        #expect(matches[0].inspections.count == 2)
    }

    @Test func `uricontent is a content of the URI`() throws {
        let old = try signature("uricontent:\"/a\"; nocase; content:\"b\";")
        let new = try signature("http.uri; content:\"/a\"; nocase; pkt_data; content:\"b\";")
        #expect(old.matches == new.matches)
    }

    @Test func `sizes of buffers are tests in their chains`() throws {
        let uri = try signature("urilen:<70; content:\"/a\"; http_uri;").matches
        #expect(uri.map(\.buffer) == [.httpURI] && uri[0].inspections[0] == .size(.less(70)))
        #expect(try signature("urilen:5<>10,raw;").matches.map(\.buffer) == [.httpURIRaw])
        let size = try signature("http.host; bsize:!4; content:\"a\";").matches
        #expect(size[0].inspections[0] == .size(.notEqual(4)))
    }

    @Test(arguments: [
        ("http.cookie; content:!\"a\";", true), ("http.cookie; content:!\"a\"; content:\"b\";", false),
        ("http.cookie; pcre:!\"/a/\";", true), ("http.cookie; bsize:0;", true),
        ("http.cookie; bsize:>0;", false), ("http.cookie; bsize:<1;", true),
        ("http.cookie; bsize:<5;", false), ("http.cookie; bsize:!5;", false),
        ("http.cookie; isdataat:!5;", true), ("http.cookie; absent;", true),
        ("http.cookie; absent:or_else; content:\"a\";", true), ("content:!\"a\";", false),
    ])
    func `what needs no byte holds where the buffer is not there`(options: String, holds: Bool) throws {
        #expect(try signature(options, proto: "http1").matches[0].holdsWithoutBuffer == holds)
    }
}

@Suite struct TransformTests {
    @Test(arguments: [
        ("dotprefix", Transform.dotPrefix), ("to_lowercase", .toLowercase), ("to_uppercase", .toUppercase),
        ("strip_whitespace", .stripWhitespace), ("compress_whitespace", .compressWhitespace),
        ("to_md5", .md5), ("to_sha1", .sha1), ("to_sha256", .sha256), ("url_decode", .urlDecode),
        ("strip_pseudo_headers", .stripPseudoHeaders), ("header_lowercase", .headerLowercase),
        ("domain", .domain), ("tld", .topLevelDomain), ("xor:\"0d0a\"", .xor([13, 10])),
        ("xor:0d", .xor([13])),
        ("xor:offset 1,extract 4 0", .xorExtracted(offset: 1, keyLength: 4, keyOffset: 0)),
        ("xor:extract 1 200", .xorExtracted(offset: 0, keyLength: 1, keyOffset: 200)),
        ("from_base64", .fromBase64(offset: 0, bytes: nil, mode: .rfc4648)),
        ("from_base64:bytes 6, offset 3", .fromBase64(offset: 3, bytes: 6, mode: .rfc4648)),
        ("from_base64: offset 6, mode strict ", .fromBase64(offset: 6, bytes: nil, mode: .strict)),
    ])
    func `a transform is done to the buffer before it`(text: String, transform: Transform) throws {
        let matches = try signature("http.host; \(text); content:\"a\";").matches
        #expect(matches.map(\.buffer) == [.httpHost] && matches[0].transforms == [transform])
    }

    @Test(arguments: [
        "xor:\"0\"", "xor:\"\"", "xor:zz", "xor:offset 1", "xor:extract 0 0", "from_base64:frob 1",
        "from_base64:mode rot13", "dotprefix:1",
    ])
    func `a transform that cannot be is an error`(text: String) {
        #expect(
            load("alert http any any -> any any (http.host; \(text); content:\"a\"; sid:1;)").counts.errors
                == 1)
    }

    @Test func `transforms add up, and what stands before them is looked for in what was there`() throws {
        let matches = try signature(
            "http.uri; content:\"a\"; url_decode; to_lowercase; content:\"b\"; http.uri; content:\"c\";"
        ).matches
        #expect(matches.map(\.transforms) == [[], [.urlDecode, .toLowercase]])
        #expect(matches.map(\.inspections.count) == [2, 1])
    }

    @Test func `decoded base64 is a chain of its own`() throws {
        let matches = try signature(
            "http.uri; content:\"arg\"; base64_decode:bytes 10, offset 1, relative; base64_data; "
                + "content:\"test\"; distance:2; content:\"x\"; within:5; http.uri; content:\"z\";"
        ).matches
        #expect(matches.count == 1)
        guard case .base64(let decode) = matches[0].inspections[1] else {
            Issue.record("no base64_decode")
            return
        }
        #expect(decode.bytes == 10 && decode.offset == 1 && decode.isRelative)
        guard case .content(let first) = decode.inspections[0],
            case .content(let second) = decode.inspections[1]
        else { return }
        #expect(!first.isRelative && first.from == .literal(2) && first.isRetried && second.isRelative)
        #expect(matches[0].inspections.count == 3)
    }

    @Test func `base64 behind an old modifier is decoded in the content's buffer`() throws {
        let matches = try signature(
            "content:\"arg\"; http_uri; base64_decode:relative; base64_data; content:\"test\";", proto: "http"
        ).matches
        #expect(matches.map(\.buffer) == [.httpURI] && matches[0].inspections.count == 2)
    }
}

@Suite struct PCRETests {
    struct Expression: CustomTestStringConvertible, Sendable {
        let text: String
        let pattern: String
        let flags: PCREMatch.Flags
        var testDescription: String { text }
    }

    @Test(arguments: [
        Expression(text: "/a.*b/", pattern: "a.*b", flags: []),
        Expression(text: "/a/i", pattern: "a", flags: .caseless),
        Expression(text: "/a/smx", pattern: "a", flags: [.dotAll, .multiline, .extended]),
        Expression(text: "/a/AEG", pattern: "a", flags: [.anchored, .dollarEndOnly, .ungreedy]),
        Expression(text: "/a/OB", pattern: "a", flags: []),
        Expression(text: "/a\\/b/", pattern: "a\\/b", flags: []),
        Expression(text: "/a/b/i", pattern: "a/b", flags: .caseless),
        Expression(text: #"/a\;b\"/"#, pattern: #"a\;b\""#, flags: []),
    ])
    private func `an expression stands between slashes, flags behind`(_ expression: Expression) throws {
        for negation in ["", "!"] {
            guard case .pcre(let match) = try inspections("pcre:\(negation)\"\(expression.text)\";")[0] else {
                Issue.record("no expression")
                return
            }
            #expect(match.pattern == Array(expression.pattern.utf8) && match.flags == expression.flags)
            #expect(match.isNegated == (negation == "!") && !match.isRelative)
        }
    }

    @Test func `captures are named behind the flags`() throws {
        guard case .pcre(let match) = try inspections("pcre:\"/(a)(b)/i,flow:first,pkt:second\";")[0] else {
            return
        }
        #expect(match.captures.map(\.name) == ["first", "second"])
        #expect(match.captures.map(\.scope) == [.flow, .packet])
        #expect(match.flags == .caseless)
    }

    @Test func `a relative expression follows the content and makes it retried`() throws {
        let chain = try inspections("content:\"a\"; pcre:\"/b/R\"; content:\"c\"; distance:0;")
        guard case .content(let first) = chain[0], case .pcre(let match) = chain[1] else { return }
        #expect(first.isRetried && match.isRelative && match.isRetried)
    }

    @Test func `Q names what file.data holds`() throws {
        let matches = try signature("file_data; content:\"a\"; pcre:\"/b/RQi\";", proto: "http").matches
        #expect(matches.map(\.buffer) == [.fileData] && matches[0].inspections.count == 2)
    }
}
