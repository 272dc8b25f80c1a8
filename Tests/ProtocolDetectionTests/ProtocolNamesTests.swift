// SPDX-License-Identifier: Apache-2.0
// Names of protocols as policies write them, and the errors for those that are none.

import Testing

@testable import ProtocolDetection

@Suite struct ProtocolNamesTests {
    let names: ProtocolNames

    init() throws { names = try ProtocolDetector().names }

    @Test(arguments: [
        ("bittorrent", "BitTorrent"), ("tor", "Tor"), ("TOR", "Tor"), ("ssh", "SSH"), ("Tls", "TLS"),
        ("http_proxy", "HTTP_Proxy"), ("mssql-tds", "MsSQL-TDS"), ("unknown", "Unknown"),
    ])
    func `a name is found in whatever case it is written`(_ written: String, _ printed: String) throws {
        #expect(names.name(try names.id(named: written)) == printed)
    }

    @Test(arguments: [
        ("bitorrent", ["BitTorrent"]), ("torr", ["Tor"]), ("sssh", ["SSH"]), ("whats app", ["WhatsApp"]),
        ("googlemail", ["GMail", "Google"]), ("", []), ("zzzzzzzzzzzz", []),
    ])
    func `an unknown name is an error that tells the nearest`(_ written: String, _ near: [String]) {
        let error = #expect(throws: UnknownProtocolName.self) { try names.id(named: written) }
        #expect(error?.message == "protocol '\(written)' is not one that the detector knows")
        for name in near where near.count == 1 { #expect(error?.nearest == [name]) }
        if near.isEmpty {
            #expect(error?.nearest == [])
            #expect(error?.help.hasPrefix("use a name as the detector prints it") == true)
        } else {
            #expect(error?.help.hasPrefix("did you mean '") == true)
        }
    }

    @Test func `every name leads to its number`() throws {
        #expect(names.all.count > 200)
        for name in names.all { #expect(names.name(try names.id(named: name.uppercased())) == name) }
        #expect(names.all == names.all.sorted { $0.lowercased() < $1.lowercased() })
    }

    @Test func `a number without a protocol prints as unknown`() {
        #expect(names.name(ProtocolID(rawValue: .max)) == "Unknown")
    }

    @Test(arguments: [
        (0, 0, "Unknown"), (0, 7, "HTTP"), (7, 0, "HTTP"), (7, 7, "HTTP"), (91, 126, "TLS.Google"),
    ])
    func `a pair prints as ndpiReader prints it`(
        _ master: UInt16, _ application: UInt16, _ name: String
    ) throws {
        let pair = ProtocolPair(
            master: ProtocolID(rawValue: master), application: ProtocolID(rawValue: application))
        #expect(try ProtocolDetector().printedName(pair) == name)
    }

    @Test func `only a flow of which nothing is known involves the unknown protocol`() {
        let http = ProtocolID(rawValue: 7)
        #expect(ProtocolPair.unknown.involves(.unknown))
        #expect(!ProtocolPair(master: http, application: .unknown).involves(.unknown))
        #expect(ProtocolPair(master: http, application: .unknown).involves(http))
    }

    @Test(arguments: [
        (DetectionConfidence.unknown, "Unknown"), (.port, "Match by port"), (.address, "Match by IP"),
        (.cache, "DPI (cache)"), (.payload, "DPI"),
    ])
    func `a confidence prints as ndpiReader prints it`(_ confidence: DetectionConfidence, _ name: String) {
        #expect(confidence.name == name)
        #expect(confidence <= .payload)
    }

    @Test func `risks have nDPI's names, in the order of their numbers`() {
        let risks = DetectionRisks(rawValue: 1 << 5 | 1 << 22 | 1 << 63)
        #expect(risks.names == ["Known Protocol on Non Standard Port", "Unsafe Protocol"])
        #expect(DetectionRisks.none.names == [])
    }
}
