// SPDX-License-Identifier: Apache-2.0
// TLS: hellos, certificates and alerts across records, and what the bounds refuse.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private typealias Build = TLSBuilder

private func conversation(_ client: [UInt8], _ server: [UInt8] = []) -> Conversation {
    var conversation = Conversation()
    conversation.client(client)
    if !server.isEmpty { conversation.server(server) }
    return conversation
}

private let usual = Build.record(22, Build.message(1, Build.usual))

@Test func `a ClientHello's offers are read in their order`() throws {
    let reading = Reading(conversation(usual))
    #expect(reading.appProtocol == .tls)
    let hello = try #require(reading.tls?.clientHello)
    #expect(hello.serverName?.text == "www.example.org")
    #expect(hello.applicationProtocols.map(\.text) == ["h2", "http/1.1"])
    #expect(hello.legacyVersion.rawValue == 0x0303)
    #expect(hello.supportedVersions.map(\.rawValue) == [0x3a3a, 0x0304, 0x0303])
    #expect(hello.highestVersion.name == "TLS 1.3")
    #expect(hello.cipherSuites == [0x0a0a, 0x1301, 0xc02f])
    #expect(hello.extensions == [0x1a1a, 0, 10, 11, 13, 16, 43])
    #expect(hello.groups == [0x2a2a, 29, 23])
    #expect(hello.signatureAlgorithms == [0x0403, 0x0804])
    #expect(hello.sessionID == [1, 2, 3])
    #expect(hello.random == [UInt8](repeating: 7, count: 32))
}

@Test func `fingerprints leave out reserved values`() throws {
    let hello = try #require(Reading(conversation(usual)).tls?.clientHello)
    #expect(hello.ja3Text.text == "771,4865-49199,0-10-11-13-16-43,29-23,0")
    #expect(hello.ja3 == Hashing.md5(hello.ja3Text).hexadecimal)
    #expect(hello.ja4.text.hasPrefix("t13d0206h2_"))
    let suites = [UInt8](Hashing.sha256([UInt8]("1301,c02f")).hexadecimal.prefix(12)).text
    let rest = [UInt8](Hashing.sha256([UInt8]("000a,000b,000d,002b_0403,0804")).hexadecimal.prefix(12)).text
    #expect(hello.ja4.text == "t13d0206h2_\(suites)_\(rest)")
}

/// A first ALPN name, and JA4's two characters for it.
struct ALPNCase: Sendable, CustomTestStringConvertible {
    let name: String
    let shown: String
    var testDescription: String { "\(name) \(shown)" }
}

@Test(arguments: [
    ALPNCase(name: "h2", shown: "h2"), ALPNCase(name: "http/1.1", shown: "h1"),
    ALPNCase(name: "x", shown: "xx"), ALPNCase(name: "\u{1}z", shown: "0a"),
])
func `JA4 shows the first protocol's ends`(alpn: ALPNCase) throws {
    let body = Build.clientHello(extensions: [Build.alpn([alpn.name])])
    let hello = try #require(Reading(conversation(Build.record(22, Build.message(1, body)))).tls?.clientHello)
    #expect(hello.ja4.text.hasPrefix("t12i0201\(alpn.shown)_"))
}

@Test func `a hello without extensions has fingerprints of zeros`() throws {
    let body = Build.clientHello(suites: [], extensions: [])
    let hello = try #require(Reading(conversation(Build.record(22, Build.message(1, body)))).tls?.clientHello)
    #expect(hello.ja4.text == "t12i000000_000000000000_000000000000")
    #expect(hello.ja3Text.text == "771,,,,")
}

@Test func `a message over several records is one message`() {
    let message = Build.message(1, Build.usual)
    let records =
        Build.record(22, Array(message[..<3])) + Build.record(22, Array(message[3..<50]))
        + Build.record(22, Array(message[50...]))
    // Recognition needs a whole message header in the first record.
    let parser = TLSParser()
    records.withUnsafeBytes { parser.feed($0, .toServer) { _ in } }
    #expect(parser.session.clientHello?.serverName?.text == "www.example.org")
}

@Test func `the server's choice names the version`() throws {
    let hello = Build.serverHello([Build.ext(43, [0x03, 0x04]), Build.alpn(["h2"])])
    let reading = Reading(conversation(usual, Build.record(22, Build.message(2, hello))))
    let server = try #require(reading.tls?.serverHello)
    #expect(server.version.name == "TLS 1.3")
    #expect(server.legacyVersion.name == "TLS 1.2")
    #expect(server.cipherSuite == 0xc02f)
    #expect(server.applicationProtocol?.text == "h2")
    #expect(server.ja3sText.text == "771,49199,43-16")
    #expect(reading.tls?.version?.name == "TLS 1.3")
    #expect(reading.tls?.isResumed == false)
}

@Test func `a retry request is not the server's choice`() {
    #expect(Reading(conversation(usual, retryRequest)).tls?.serverHello == nil)
}

private let retryRequest: [UInt8] = {
    var hello = Build.serverHello([Build.ext(43, [0x03, 0x04])])
    hello.replaceSubrange(
        2..<14, with: [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02])
    return Build.record(22, Build.message(2, hello))
}()

private func hello(_ name: String?, _ protocols: [String] = []) -> [UInt8] {
    let extensions =
        (name.map { [Build.serverName($0)] } ?? []) + (protocols.isEmpty ? [] : [Build.alpn(protocols)])
    return Build.record(22, Build.message(1, Build.clientHello(extensions: extensions)))
}

/// With ChangeCipherSpec, as stacks send it here to look like older versions, and without.
@Test(arguments: [nil, "good.example"], [[], Build.record(20, [1])])
func `the hello behind a retry request says which server is meant`(_ first: String?, _ change: [UInt8]) throws
{
    var talk = conversation(hello(first), retryRequest + change)
    talk.client(change + hello("evil.example", ["h2"]))
    talk.server(Build.record(22, Build.message(2, Build.serverHello([Build.ext(43, [0x03, 0x04])]))))
    let reading = Reading(talk)
    let session = try #require(reading.tls)
    #expect(session.serverName?.text == "evil.example")
    #expect(session.clientHello?.serverName?.text == first)
    #expect(session.secondHello?.applicationProtocols.map(\.text) == ["h2"])
    #expect(session.serverHello?.version.name == "TLS 1.3")
    let stages = ["tls clientHello", "anomaly client_hello_changed", "tls secondHello", "tls serverHello"]
    #expect(Array(reading.stages.prefix(4)) == stages)
    #expect(reading.anomalies == ["client_hello_changed"])
}

/// A client that offers early data sends ChangeCipherSpec right behind its first hello, and may send the
/// second one before the retry request is seen.
@Test func `the second hello is read whatever comes before the retry request`() {
    let change = Build.record(20, [1]), first = hello("good.example"), second = hello("evil.example")
    let early = Build.record(23, [UInt8](repeating: 9, count: 100))
    let splits: [([UInt8], [UInt8])] = [
        (first + change + second, []), (first + change, second), (first + second, change),
        (first + change + second.prefix(7), Array(second.dropFirst(7))),
        (first + early, second), (first + change + early, change + second),
        (first + change, early + early + second),
    ]
    for (before, behind) in splits {
        var talk = conversation(before, retryRequest)
        if !behind.isEmpty { talk.client(behind) }
        #expect(Reading(talk).tls?.serverName?.text == "evil.example")
    }
}

/// RFC 8446 section 4.1.2: servers pass over the version there.
@Test(arguments: [[3, 5], [3, 255], [4, 0], [0x7f, 0x1c], [0, 0]] as [[UInt8]])
func `nor does the second hello's old version hide it`(_ version: [UInt8]) {
    var second = hello("evil.example")
    second.replaceSubrange(9..<11, with: version)
    var talk = conversation(hello("good.example"), retryRequest)
    talk.client(Build.record(20, [1]) + second)
    #expect(Reading(talk).tls?.serverName?.text == "evil.example")
}

@Test(arguments: [[22, 20, 0, 0, 12], [22, 1, 0, 0, 60, 9, 9], [22, 11, 1, 0, 0]] as [[UInt8]])
func `what is encrypted behind ChangeCipherSpec is no message, also where the server is not seen`(
    _ start: [UInt8]
) {
    let encrypted = Build.record(22, Array(start.dropFirst()) + [UInt8](repeating: 9, count: 40))
    let reading = Reading(conversation(usual + Build.record(20, [1]) + encrypted))
    #expect(reading.anomalies == [])
    #expect(reading.stages == ["tls clientHello", "tls finished"])
}

@Test func `a hello that says the same again is no news, nor is a third one`() {
    var talk = conversation(usual, retryRequest)
    talk.client(usual)
    #expect(Reading(talk).anomalies == [])
    talk.client(hello("one.example") + hello("two.example"))
    let reading = Reading(talk)
    #expect(reading.tls?.serverName?.text == "one.example")
    #expect(reading.anomalies == ["client_hello_changed"])
}

@Test func `the same session id means a resumed session`() {
    let reading = Reading(conversation(usual, Build.record(22, Build.message(2, Build.serverHello([])))))
    #expect(reading.tls?.isResumed == true)
}

@Test func `a certificate's fields are read`() throws {
    let der = Build.certificate()
    let server = Build.message(2, Build.serverHello([], session: [])) + Build.certificates([der, der])
    let reading = Reading(conversation(usual, Build.record(22, server)))
    #expect(reading.tls?.certificates.count == 2)
    let certificate = try #require(reading.tls?.certificates.first)
    #expect(certificate.subject.text == "C=US, 1.2.3.4=x, CN=subject")
    #expect(certificate.issuer.text == "C=US, 1.2.3.4=x, CN=issuer")
    #expect(certificate.serial.text == "00:AB:01")
    #expect(certificate.notBefore == 0)
    #expect(certificate.notAfter == 2_561_519_167)
    #expect(certificate.alternativeNames.map(\.text) == ["a.example.org", "b.example.org"])
    #expect(certificate.der == der)
    #expect(certificate.fingerprint.count == 59)
    #expect(reading.stages == ["tls clientHello", "tls serverHello", "tls certificates", "tls finished"])
}

@Test func `a certificate with a wrong time is malformed and keeps the rest`() throws {
    let der = Build.certificate(notAfter: Build.der(0x17, [UInt8]("991301000000Z")))
    let reading = Reading(conversation(usual, Build.record(22, Build.certificates([der]))))
    #expect(reading.anomalies == ["invalid_certificate"])
    #expect(reading.tls?.certificates.first?.subject.text == "C=US, 1.2.3.4=x, CN=subject")
    #expect(reading.tls?.certificates.first?.notAfter == nil)
}

@Test func `alerts before encryption are read and end their side when fatal`() {
    let reading = Reading(conversation(usual, Build.record(21, [2, 40])))
    #expect(reading.tls?.alerts == [TLSAlert(direction: .toClient, level: 2, description: 40)])
}

@Test func `behind ChangeCipherSpec nothing is read`() {
    let client = usual + Build.record(20, [1]) + Build.record(22, Build.message(1, [0]))
    let reading = Reading(conversation(client))
    #expect(reading.anomalies == [])
    #expect(reading.stages == ["tls clientHello", "tls finished"])
}

@Test func `a hello of SSL 2 is read`() throws {
    let suites: [UInt8] = [0, 0, 0x2f, 7, 0, 0xc0, 0, 0, 5]
    let body = [1, 3, 1] + Build.u16(suites.count) + [0, 0, 0, 4] + suites + [1, 2, 3, 4]
    let hello = [0x80, UInt8(body.count)] + body
    let reading = Reading(conversation(hello))
    #expect(reading.appProtocol == .tls)
    let client = try #require(reading.tls?.clientHello)
    #expect(client.legacyVersion.name == "TLSv1")
    #expect(client.cipherSuites == [0x2f, 5])
    #expect(client.ja3 == [])
}

/// Bytes that are no TLS, and what they are called.
struct BrokenTLS: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }
}

@Test(arguments: [
    BrokenTLS(name: "invalid_record_type", bytes: [99, 3, 1, 0, 1, 0]),
    BrokenTLS(name: "invalid_record_version", bytes: [22, 4, 1, 0, 1, 0]),
    BrokenTLS(name: "invalid_record_length", bytes: [22, 3, 1, 0xff, 0xff]),
    BrokenTLS(
        name: "invalid_handshake_message", bytes: TLSBuilder.record(22, TLSBuilder.message(1, [3, 3]))),
    BrokenTLS(name: "handshake_message_over_limit", bytes: [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]),
])
func `broken records end their direction and are named`(broken: BrokenTLS) {
    let parser = TLSParser()
    var names: [String] = []
    (broken.bytes + usual).withUnsafeBytes {
        parser.feed($0, .toServer) { if case .anomaly(let anomaly) = $0 { names.append(anomaly.name) } }
    }
    #expect(names == [broken.name])
    #expect(parser.session.clientHello == nil)
}

@Test func `messages that nobody wants are passed over, however long`() {
    let long = Build.message(4, [UInt8](repeating: 1, count: 40_000))
    var records: [UInt8] = []
    var rest = long[...]
    while !rest.isEmpty {
        records += Build.record(22, Array(rest.prefix(16_000)))
        rest = rest.dropFirst(16_000)
    }
    let server = records + Build.record(22, Build.message(2, Build.serverHello([])))
    let reading = Reading(conversation(usual, server))
    #expect(reading.tls?.serverHello != nil)
}

@Test(arguments: [
    (0x0002, "SSLv2"), (0x0300, "SSLv3"), (0x0301, "TLSv1"), (0x0302, "TLS 1.1"),
    (0x7f12, "TLS 1.3 draft-18"),
    (0xfb17, "TLS 1.3 draft-23 (FB)"), (0x1234, "UNDETERMINED"),
])
func `versions have the words of events`(number: UInt16, name: String) {
    #expect(TLSVersion(rawValue: number).name == name)
}
