// SPDX-License-Identifier: Apache-2.0
// The prefilter and its gates on random rules: what it leads to is what trying every signature finds.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

/// Rule text from a seed: contents of a tiny alphabet, so that some match and most nearly do.
private struct RandomRules {
    var random: Seeded
    let headers = [
        "udp any any -> any any", "udp any any -> any 80", "udp any any -> any [80,90:100]",
        "udp any 40000 -> any any", "udp any any <> any 80", "ip any any -> any any",
        "udp 192.0.2.0/24 any -> any any", "udp any any -> any !80", "udp any any -> any 1024:",
    ]

    mutating func rules(_ count: Int, contents: (inout RandomRules) -> String) -> String {
        (1...count).map { sid in
            let header = headers.randomElement(using: &random) ?? headers[0]
            return "alert \(header) (msg:\"m\"; \(contents(&self)) sid:\(sid);)"
        }.joined(separator: "\n")
    }

    mutating func content() -> String {
        let text = String(decoding: random.bytes(1...4, from: "abAB".utf8), as: UTF8.self)
        let isNegated = random.next() % 5 == 0
        var options = "content:\(isNegated ? "!" : "")\"\(text)\";"
        if random.next() % 3 == 0 { options += " nocase;" }
        switch random.next() % 6 {
        case 0: options += " offset:\(random.next() % 4);"
        case 1: options += " depth:\(4 + random.next() % 5);"
        case 2: options += " startswith;"
        case 3: options += " offset:\(random.next() % 3); depth:\(4 + random.next() % 5);"
        default: break
        }
        return options
    }

    mutating func contents() -> String {
        let count = 1 + random.next() % 3
        return (0..<count).map { _ in content() }.joined(separator: " ")
    }
}

extension SignatureMatcher {
    /// As `inspect`, with every signature a candidate at the place.
    fileprivate func sidsOfAll(_ packet: InspectedPacket, at place: SignatureMatch.Place) -> [UInt32] {
        candidates = plan.signatures.indices.filter { number in
            let gate = plan.gates[number]
            return packet.header.direction == .toServer ? gate.toServer : gate.toClient
        }.map { Candidate(UInt32($0), place) }
        found = []
        evaluate(packet, FlowMatchState())
        return found.map { engine.signatures[$0.signature].sid }
    }
}

@Test(arguments: [UInt64(51), 52, 53, 54, 55, 56])
func `packets find with the prefilter what they find without`(_ seed: UInt64) throws {
    var rules = RandomRules(random: Seeded(seed))
    let matcher = try matcher(rules.rules(60) { $0.contents() })
    var matches = 0
    for round in 0..<300 {
        let payload = rules.random.bytes(0...10, from: "abAB".utf8)
        let port: UInt16 = [80, 95, 2_000][Int(rules.random.next() % 3)]
        let direction: FlowDirection = rules.random.next() % 2 == 0 ? .toServer : .toClient
        let (found, expected) = payload.withUnsafeBytes { bytes in
            var packet = InspectedPacket(header: header(.udp, direction, destinationPort: port))
            packet.payload = bytes
            return (
                matcher.inspect(packet, flow: FlowMatchState()).map {
                    matcher.engine.signatures[$0.signature].sid
                }, matcher.sidsOfAll(packet, at: .packet)
            )
        }
        #expect(found == expected, "seed \(seed) round \(round): \(payload)")
        matches += found.count
    }
    #expect(matches > 300, "packets that match nothing are no test")
}

@Test(arguments: [UInt64(61), 62, 63])
func `transactions find with the prefilter what they find without`(_ seed: UInt64) throws {
    var rules = RandomRules(random: Seeded(seed))
    let buffers = ["http.uri", "http.host", "http.method", "http.user_agent"]
    let text = (1...60).map { sid in
        let groups = (0..<1 + rules.random.next() % 2).map { _ in
            "\(buffers[Int(rules.random.next() % 4)]); \(rules.contents())"
        }
        return "alert http any any -> any any (msg:\"m\"; \(groups.joined(separator: " ")) sid:\(sid);)"
    }
    let matcher = try matcher(text.joined(separator: "\n"))
    var matches = 0
    for round in 0..<200 {
        let all: [Buffer] = [.httpURI, .httpHost, .httpMethod, .httpUserAgent]
        let parts = all.compactMap { buffer -> (Buffer, String)? in
            guard rules.random.next() % 4 > 0 else { return nil }
            return (buffer, String(decoding: rules.random.bytes(0...8, from: "abAB".utf8), as: UTF8.self))
        }
        let found = matcher.sids(transaction(parts))
        var packet = InspectedPacket(header: header())
        packet.transactions = [transaction(parts)]
        let expected = matcher.sidsOfAll(packet, at: .transaction(0))
        #expect(found == expected, "seed \(seed) round \(round): \(parts)")
        matches += found.count
    }
    #expect(matches > 100, "transactions that match nothing are no test")
}

/// Whatever order a transaction's buffers come in, and however many inspections lie between, it ends the
/// same.
@Test(arguments: [UInt64(71), 72])
func `buffers one by one give what buffers at once give`(_ seed: UInt64) throws {
    var rules = RandomRules(random: Seeded(seed))
    let buffers = ["http.uri", "http.host", "http.user_agent"]
    let text = (1...40).map { sid in
        let groups = buffers.filter { _ in rules.random.next() % 2 == 0 }.map { "\($0); \(rules.contents())" }
        let options = groups.isEmpty ? "http.uri; \(rules.contents())" : groups.joined(separator: " ")
        return "alert http any any -> any any (msg:\"m\"; \(options) sid:\(sid);)"
    }
    let matcher = try matcher(text.joined(separator: "\n"))
    for round in 0..<100 {
        let parts: [(Buffer, String)] = [.httpURI, .httpHost, .httpUserAgent].shuffled(using: &rules.random)
            .map {
                ($0, String(decoding: rules.random.bytes(0...8, from: "abAB".utf8), as: UTF8.self))
            }
        let atOnce = matcher.sids(transaction(parts)).sorted()
        let request = InspectedTransaction(direction: .toServer, application: .http1)
        var found: [UInt32] = []
        for (buffer, text) in parts {
            request.set(buffer, Array(text.utf8))
            found += matcher.sids(request)
        }
        request.isComplete = true
        found += matcher.sids(request)
        #expect(found.sorted() == atOnce, "seed \(seed) round \(round): \(parts)")
    }
}
