// SPDX-License-Identifier: Apache-2.0
// What others read in captures is read here too: fingerprints, names, requests, banners. Each test says how
// many facts were compared, and names the captures that differ for a known reason.
import Foundation
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

/// What is read here of one capture.
private func facts(_ capture: String) throws -> Set<Fact> {
    var texts: Set<String> = []
    for flow in try captureFlows(capture) {
        let reading = Reading(flow.conversation)
        var hellos = reading.quic.compactMap(\.clientHello)
        if let hello = reading.tls?.clientHello { hellos.append(hello) }
        for hello in hellos {
            texts.formUnion([
                "ja3 \(hello.ja3.text)", "ja4 \(hello.ja4.text)", "ja4-ndpi \(nDPIsPart(of: hello.ja4.text))",
            ])
        }
        for name in hellos.compactMap(\.serverName) + reading.quic.compactMap(\.serverName) {
            texts.insert("sni \(name.text)")
        }
        let servers = reading.quic.compactMap(\.serverHello) + [reading.tls?.serverHello].compactMap { $0 }
        for hello in servers { texts.insert("ja3s \(hello.ja3s.text)") }
        for certificate in (reading.tls?.certificates ?? []) + (reading.tls?.clientCertificates ?? []) {
            let parts = certificate.serial.text.split(separator: ":")
            // DER puts a zero before a number whose first bit is set; Zeek writes the number.
            texts.insert(
                "certificate \((parts.count > 1 && parts[0] == "00" ? parts[1...] : parts[...]).joined())")
        }
        texts.formUnion(reading.transactions.flatMap(httpFacts))
        texts.formUnion(reading.dns.flatMap { dnsFacts($0.message) })
        for peer in [reading.ssh?.client, reading.ssh?.server] {
            if let banner = peer?.banner { texts.insert("ssh \(banner.line.text.lowercased())") }
            if let offer = peer?.keyExchange { texts.insert("hassh \(offer.hassh.text)") }
        }
    }
    return Set(texts.map { Fact(capture, $0) })
}

private func httpFacts(_ transaction: HTTPTransaction) -> [String] {
    let request = transaction.request
    var texts: [String] = []
    if !transaction.requestIsMissing {
        let path = request.rawURI.text.prefix { $0 != "?" }
        texts += [
            "http \(request.method.text) \(request.rawURI.text)", "method \(request.method.text)",
            "agent \(request.userAgent.text)", "path \(path)",
        ]
        texts.append(
            "http \(request.method.text) \(request.rawURI.text) \(transaction.response.statusText.text)")
    }
    if let status = transaction.response.status { texts.append("status \(status)") }
    return texts
}

private func dnsFacts(_ message: DNSMessage) -> [String] {
    var texts = message.questions.map { "query \($0.name.text.lowercased())" }
    for record in message.answers + message.authorities + message.additionals {
        switch record.data {
        case .address(let bytes):
            if let address = IPAddress(bytes: bytes) { texts.append("answer \(address)") }
        case .name(let name), .mailExchange(_, let name): texts.append("answer \(name.text)")
        default: break
        }
    }
    return texts
}

/// JA4 without what nDPI 4.11 does its own way: `d` or `i`, and the first protocol's two characters.
private func nDPIsPart(of ja4: String) -> String {
    String(ja4.prefix(3) + ja4.dropFirst(4).prefix(4) + ja4.dropFirst(10))
}

/// Compares, and says what is missing, with what there is in its place; `known` are captures or facts that
/// may.
private func compare(_ expected: [Fact], known: [String] = []) throws -> (compared: Int, missing: [String]) {
    var found: [String: Set<Fact>] = [:]
    var missing: [String] = []
    for fact in Set(expected) {
        if found[fact.capture] == nil { found[fact.capture] = try facts(fact.capture) }
        let isThere = found[fact.capture]?.contains(fact) ?? false
        guard !isThere, !known.contains(where: { fact.description.contains($0) }) else { continue }
        let kind = fact.text.prefix { $0 != " " }
        let others = found[fact.capture]?.map(\.text).filter { $0.hasPrefix(kind) }.sorted().prefix(4) ?? []
        missing.append("\(fact), read \(others)")
    }
    return (Set(expected).count, missing.sorted())
}

@Suite(.enabled(if: SharedData.folder != nil, "\(SharedData.absence)"))
struct KnownAnswerTests {
    @Test func `JA4 and SNI equal those of the tools that define JA4`() throws {
        let place = "tls-fingerprints/ja4"
        var expected: [Fact] = []
        for file in KnownAnswers.files(place, ending: "python-test") {
            expected += try KnownAnswers.foxPython(file)
        }
        for file in KnownAnswers.files(place, ending: "rust-ja4") {
            expected += try KnownAnswers.foxRust(file)
        }
        let result = try compare(expected)
        #expect(result.missing == [])
        #expect(result.compared >= 1)
        print("compared \(result.compared) facts of \(place)")
    }

    @Test(arguments: ["tls-fingerprints/arkime", "http-api/arkime", "dpi-protocols/arkime"])
    func `what arkime reads is read here`(place: String) throws {
        let expected = try KnownAnswers.files(place, ending: "arkime.json").flatMap(KnownAnswers.arkime)
        let result = try compare(
            expected,
            known: [
                // 802.11 frames; StartTLS and TLS within other protocols; SOCKS.
                "80211http.pcap", "adb_synthetic.pcap: ja", "openvpn_synthetic.pcap: ja", "ldap-ssl.pcap: ja",
                "socks-http-pass.pcap", "socks5-http-302.pcap", "socks4-https.pcap",
                // Punycode as a name; a server's packet alone; an interim response.
                "dns-punycode.pcap: query", "single-packets.pcap: status",
                "http-100-continue.pcap: status 100",
            ])
        #expect(result.missing == [])
        print("compared \(result.compared) facts of \(place)")
    }

    @Test func `what nDPI reads of TLS and QUIC is read here`() throws {
        let place = "tls-fingerprints/ndpi"
        let expected = try KnownAnswers.files(place, ending: ".out").flatMap(KnownAnswers.nDPI).map { fact in
            guard fact.text.hasPrefix("ja4 ") else { return fact }
            return Fact(fact.capture, "ja4-ndpi \(nDPIsPart(of: String(fact.text.dropFirst(4))))")
        }
        // nDPI hashes an empty list, and reads a hello that is cut.
        let result = try compare(expected, known: ["tls_cipher_lens.pcap: ja4", "tls_invalid_reads.pcap"])
        #expect(result.missing == [])
        print("compared \(result.compared) facts of \(place)")
    }

    @Test func `the names in Zeek's TLS log are read here`() throws {
        let files = KnownAnswers.files("tls-fingerprints/zeek", ending: "ssl.log")
        let expected = try files.flatMap { file in
            try KnownAnswers.zeek(file) { $0["server_name"].map { ["sni \($0)"] } ?? [] }
        }
        // Its link layer is PPP.
        let result = try compare(expected, known: ["quic-go__zerortt.pcap"])
        #expect(result.missing == [])
        print("compared \(result.compared) names")
    }

    @Test func `the certificates in Zeek's log are read here`() throws {
        let files = KnownAnswers.files("tls-fingerprints/zeek", ending: "x509.log")
        let expected = try files.flatMap { file in
            try KnownAnswers.zeek(file) { $0["certificate.serial"].map { ["certificate \($0)"] } ?? [] }
        }
        let result = try compare(expected, known: ["starttls.pcap"])
        #expect(result.missing == [])
        print("compared \(result.compared) certificates")
    }

    @Test func `the requests in Zeek's HTTP log are read here`() throws {
        let files = KnownAnswers.files("http-api/zeek", ending: "http.log")
        let expected = try files.flatMap { file in
            try KnownAnswers.zeek(file) { row in
                guard let method = row["method"], let uri = row["uri"] else { return [] }
                let status = row["status_code"].map { $0 == "0" ? "" : " \($0)" } ?? ""
                return ["http \(method) \(uri)" + status]
            }
        }
        // A request smuggled where Zeek reads another Transfer-Encoding; no URI at all.
        let result = try compare(expected, known: ["variant-10-multi_value_te.pcap", "OPTIONS (empty)"])
        #expect(result.missing == [])
        print("compared \(result.compared) requests")
    }

    @Test(arguments: ["http-api", "tls-fingerprints", "dpi-protocols", "malformed", "ddos", "encapsulation"])
    func `every capture is read to its end, and split bytes give the same`(place: String) throws {
        var (flows, compared) = (0, 0)
        for capture in captures(below: place) {
            guard let all = try? captureFlows(capture) else { continue }
            for (index, flow) in all.prefix(200).enumerated() {
                flows += 1
                let whole = Reading(flow.conversation)
                guard !flow.conversation.isDatagrams, index < 10 else { continue }
                var random = SeededGenerator(seed: UInt64(index))
                let split = Reading(flow.conversation.split(&random))
                // Where the two sides do not fit, libhtp looks at what comes in one piece.
                let isOut = (whole.anomalies + split.anomalies).contains { Self.misfits.contains($0) }
                if isOut { continue }
                compared += 1
                #expect(
                    split.text == whole.text, "\(capture), flow \(index), \(flow.client) > \(flow.server)")
            }
        }
        print("read \(flows) flows of \(place), compared \(compared) with their split bytes")
    }

    private static let misfits = [
        "response_body_unexpected", "unable_to_match_response_to_request", "parser_stopped",
    ]

    /// Captures of at most 2 MiB.
    private func captures(below place: String) -> [String] {
        guard let folder = SharedData.folder else { return [] }
        let root = "\(folder)/\(place)"
        let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted().map {
            "\(root)/\($0)"
        }
        .filter { path in
            let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
            return (size ?? 0) <= 2 << 20
        }
    }
}
