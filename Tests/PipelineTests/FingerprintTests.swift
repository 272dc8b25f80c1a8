// SPDX-License-Identifier: Apache-2.0
// SNI, JA3 and JA4 in the events of real captures, beside what others read: FoxIO's JA4 tools, arkime,
// nDPI and Zeek.
import Inspection
import JSONOutput
import TestSupport
import Testing

extension JSONValue {
    fileprivate subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.0 == name }?.1
    }

    fileprivate var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }
}

/// What the `tls` and `quic` events of a capture say, as the facts of KnownAnswers.
private func facts(_ capture: String) throws -> Set<String> {
    var texts: Set<String> = []
    for event in try Pipeline.events(of: capture) where event.kind == .tls || event.kind == .quic {
        guard let object = event.members.first(where: { $0.0 == event.kind.rawValue })?.1 else { continue }
        if let name = object["sni"]?.string { texts.insert("sni \(name)") }
        if let hash = object["ja3"]?["hash"]?.string { texts.insert("ja3 \(hash)") }
        if let hash = object["ja3s"]?["hash"]?.string { texts.insert("ja3s \(hash)") }
        if let ja4 = object["ja4"]?.string {
            texts.formUnion(["ja4 \(ja4)", "ja4-ndpi \(nDPIsPart(of: ja4))"])
        }
    }
    return texts
}

/// JA4 without what nDPI 4.11 does its own way: `d` or `i`, and the first protocol's two characters.
private func nDPIsPart(of ja4: String) -> String {
    String(ja4.prefix(3) + ja4.dropFirst(4).prefix(4) + ja4.dropFirst(10))
}

@Suite(.enabled(if: SharedData.folder != nil, "\(SharedData.absence)"))
struct FingerprintTests {
    /// Who wrote the answers, and what is known not to be read here, or by them.
    struct Source: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var least: Int
        var known: [String] = []
        var read: @Sendable () throws -> [Fact]
    }

    private static let sources = [
        Source(testDescription: "FoxIO's tools", least: 1) {
            try KnownAnswers.files("tls-fingerprints/ja4", ending: "python-test").flatMap(
                KnownAnswers.foxPython)
                + KnownAnswers.files("tls-fingerprints/ja4", ending: "rust-ja4").flatMap(KnownAnswers.foxRust)
        },
        // StartTLS within LDAP; SOCKS.
        Source(testDescription: "arkime", least: 1, known: ["ldap-ssl.pcap: ja", "socks4-https.pcap"]) {
            try KnownAnswers.files("tls-fingerprints/arkime", ending: "arkime.json").flatMap(
                KnownAnswers.arkime)
        },
        // nDPI hashes an empty list, and reads a hello that is cut. What one side sends is not taken as read
        // before the other answers.
        Source(
            testDescription: "nDPI", least: 1,
            known: [
                "tls_cipher_lens.pcap: ja4", "tls_invalid_reads.pcap", "unidirectional_client.pcapng",
            ]
        ) {
            try KnownAnswers.files("tls-fingerprints/ndpi", ending: ".out").flatMap(KnownAnswers.nDPI).map {
                $0.text.hasPrefix("ja4 ")
                    ? Fact($0.capture, "ja4-ndpi \(nDPIsPart(of: String($0.text.dropFirst(4))))") : $0
            }
        },
        // Its link layer is PPP.
        Source(testDescription: "Zeek", least: 1, known: ["quic-go__zerortt.pcap"]) {
            try KnownAnswers.files("tls-fingerprints/zeek", ending: "ssl.log").flatMap { file in
                try KnownAnswers.zeek(file) { $0["server_name"].map { ["sni \($0)"] } ?? [] }
            }
        },
    ]

    @Test(arguments: sources)
    private func `names and fingerprints in events equal those that others read`(_ source: Source) throws {
        let wanted = Set(try source.read()).filter { fact in
            ["sni ", "ja3 ", "ja3s ", "ja4 ", "ja4-ndpi "].contains { fact.text.hasPrefix($0) }
        }
        var found: [String: Set<String>] = [:]
        var missing: [String] = []
        for fact in wanted {
            if found[fact.capture] == nil { found[fact.capture] = (try? facts(fact.capture)) ?? [] }
            guard found[fact.capture]?.contains(fact.text) != true,
                !source.known.contains(where: fact.description.contains)
            else { continue }
            missing.append("\(fact)")
        }
        print("compared \(wanted.count) names and fingerprints of \(source.testDescription)")
        #expect(missing.sorted() == [])
        #expect(wanted.count >= source.least)
    }
}
