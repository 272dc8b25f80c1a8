// SPDX-License-Identifier: Apache-2.0
// The ET Open set as it was published: it loads, also from the cache, and the prefilter loses no match that
// trying every signature finds.

import Diagnostics
import NetworkTypes
import Signatures
import TestSupport
import Testing

@testable import SignatureMatching

private let place = "rulesets-ids/et-open-2019"

private func published() throws -> SignatureSet {
    let folder = try #require(SharedData.folder)
    let names = SharedData.files(in: place).filter { $0.contains(".rules") }
    return loadSignatures(
        try names.map { name in
            SourceText(path: name, bytes: try SharedData.bytes("\(folder)/\(place)/\(name)"))
        },
        settings: SignatureSettings(
            addressVariables: ["HOME_NET": "[192.0.2.0/24,198.51.100.0/24]", "EXTERNAL_NET": "any"]))
}

@Suite(.enabled(if: SharedData.folder != nil, "no ../shared/data beside the checkout"), .serialized)
struct RulesetTests {
    @Test func `the published set loads, and nearly no expression is refused`() throws {
        let set = try published()
        #expect(set.signatures.count > 16_000)
        let engine = try SignatureEngine(set)
        #expect(engine.signatures.count + engine.refused.count == set.signatures.count)
        #expect(engine.refused.count * 1_000 < set.signatures.count, "\(engine.refused.map(\.reason))")
        try comparePrefilter(SignatureMatcher(engine))
    }

    /// Packets made of signatures' own contents: what the prefilter leads to is what all signatures give.
    private func comparePrefilter(_ matcher: SignatureMatcher) throws {
        var matches = 0
        let withContents = matcher.plan.signatures.filter { !ownContents(of: $0.signature).isEmpty }
        for (number, compiled) in withContents.enumerated() where number % 97 == 0 {
            let transport: IPProtocol = compiled.signature.header.transports.contains(.tcp) ? .tcp : .udp
            let wanted = compiled.signature.header
            var header = header(transport, compiled.signature.flow.toServer ? .toServer : .toClient)
            header.destinationPort = wanted.destinationPorts.ranges.first?.lowerBound ?? 80
            header.sourcePort = wanted.sourcePorts.ranges.first?.lowerBound ?? 40_000
            header.applicationToServer = wanted.application
            let payload = ownContents(of: compiled.signature)
            let (found, expected) = payload.withUnsafeBytes { bytes in
                var packet = InspectedPacket(header: header)
                packet.fields.payloadSize = UInt32(bytes.count)
                packet.payload = bytes
                return (matcher.numbers(packet), matcher.numbersOfAll(packet))
            }
            #expect(found == expected, "signature \(compiled.signature.sid)")
            matches += found.count
        }
        #expect(matches > 10, "packets that match nothing are no test")
    }

    private func ownContents(of signature: Signature) -> [UInt8] {
        var payload: [UInt8] = []
        for matches in signature.matches where matches.buffer == .payload {
            for case .content(let content) in matches.inspections where !content.isNegated {
                payload += content.bytes
            }
        }
        return payload
    }
}

extension SignatureMatcher {
    fileprivate func numbers(_ packet: InspectedPacket) -> [Int] {
        inspect(packet, flow: FlowMatchState()).map(\.signature)
    }

    /// As `inspect`, but each signature on payload or packets is a candidate.
    fileprivate func numbersOfAll(_ packet: InspectedPacket) -> [Int] {
        candidates = plan.signatures.indices.filter { number in
            switch plan.signatures[number].habitat {
            case .transaction: false
            default: plan.gates[number].admits(packet.header, packet.header.application)
            }
        }.map { Candidate(UInt32($0), .packet) }
        found = []
        evaluate(packet, FlowMatchState())
        return found.map(\.signature)
    }
}
