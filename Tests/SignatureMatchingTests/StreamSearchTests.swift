// SPDX-License-Identifier: Apache-2.0
// Streams in chunks, packets that are the stream's next bytes, buffers that grow: each byte is scanned once,
// and what is found is what a search of everything finds.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

/// Rules of a tiny alphabet, some with a place: what stands across two chunks is common.
private func rules(_ random: inout Seeded, _ count: Int, _ header: String, before: String = "") -> String {
    (1...count).map { sid in
        let contents = (0..<1 + random.next() % 2).map { _ in
            let text = String(decoding: random.bytes(2...6, from: "abAB".utf8), as: UTF8.self)
            let place = ["", "", " depth:9;", " offset:3; depth:6;", " nocase;"][Int(random.next() % 5)]
            return "content:\"\(text)\";\(place)"
        }
        return "alert \(header) (msg:\"m\"; \(before)\(contents.joined(separator: " ")) sid:\(sid);)"
    }.joined(separator: "\n")
}

extension SignatureMatcher {
    /// Sids of a stream in chunks of a flow, borders included, by the chunk that brought them.
    fileprivate func sids(chunks: [[UInt8]], tail: Int, asPackets: Bool) -> [[UInt32]] {
        let flow = FlowMatchState()
        var offset: UInt64 = 0
        var before: [UInt8] = []
        return chunks.map { chunk in
            chunk.withUnsafeBytes { bytes in
                var packet = InspectedPacket(header: header())
                packet.stream = StreamChunk(bytes: bytes, streamOffset: offset)
                packet.isInStream = asPackets
                if asPackets { packet.payload = bytes }
                var found = inspect(packet, flow: flow)
                found += before.withUnsafeBytes { before in
                    let after = UnsafeRawBufferPointer(rebasing: bytes.prefix(tail))
                    let border = StreamBorder(before: before, after: after, offset: offset)
                    return before.isEmpty ? [] : inspectBorder(border, header(), flow: flow)
                }
                offset += UInt64(chunk.count)
                before = Array((before + chunk).suffix(tail))
                return Set(found.map { engine.signatures[$0.signature].sid }).sorted()
            }
        }
    }

    /// The same by a scan of the chunk, and of all bytes around its border.
    fileprivate func sidsOfAll(chunks: [[UInt8]], tail: Int, asPackets: Bool) -> [[UInt32]] {
        let flow = FlowMatchState()
        var offset: UInt64 = 0
        var before: [UInt8] = []
        return chunks.map { chunk in
            var found: Set<UInt32> = []
            if asPackets {
                chunk.withUnsafeBytes { bytes in
                    var packet = InspectedPacket(header: header())
                    packet.payload = bytes
                    packet.isInStream = true
                    found.formUnion(inspect(packet, flow: flow).map { engine.signatures[$0.signature].sid })
                }
            }
            for (bytes, start) in [
                (chunk, offset), (before + chunk.prefix(tail), offset - UInt64(before.count)),
            ]
            where bytes.count > chunk.count || start == offset {
                bytes.withUnsafeBytes { bytes in
                    var packet = InspectedPacket(header: header())
                    packet.stream = StreamChunk(bytes: bytes, streamOffset: start)
                    found.formUnion(inspect(packet, flow: flow).map { engine.signatures[$0.signature].sid })
                }
            }
            offset += UInt64(chunk.count)
            before = Array((before + chunk).suffix(tail))
            return found.sorted()
        }
    }
}

@Test(arguments: [UInt64(81), 82, 83, 84], [false, true])
func `chunks and their borders give what a search of all bytes gives`(_ seed: UInt64, _ asPackets: Bool)
    throws
{
    var random = Seeded(seed)
    let matcher = try matcher(
        rules(&random, 60, "tcp any any -> any any", before: "flow:established; "))
    var matches = 0
    for round in 0..<60 {
        // A tail shorter than a chunk, and one as long as several.
        let tail = round % 2 == 0 ? 12 : 40
        let chunks = (0..<8).map { _ in random.bytes(1...16, from: "abAB..".utf8) }
        let expected = matcher.sidsOfAll(chunks: chunks, tail: max(tail, 16), asPackets: asPackets)
        let found = matcher.sids(chunks: chunks, tail: max(tail, 16), asPackets: asPackets)
        #expect(found == expected, "seed \(seed) round \(round): \(chunks)")
        matches += found.joined().count
    }
    #expect(matches > 150, "streams that match nothing are no test")
}

@Test func `more literals than are noted of a flow are found across a border all the same`() throws {
    let literals = (100..<200).map { "<\($0)>" }
    let text = literals.enumerated().map { number, literal in
        let contents = "content:\"\(literal)\"; content:\"end\";"
        return "alert tcp any any -> any any (msg:\"m\"; \(contents) sid:\(number + 1);)"
    }
    let matcher = try matcher(text.joined(separator: "\n"))
    let chunks = [Array(literals.joined().utf8), Array("..end".utf8)]
    let found = matcher.sids(chunks: chunks, tail: 2_048, asPackets: false)
    #expect(found[0].isEmpty)
    #expect(found[1].count == SignatureMatcher.mostMatches)
}

@Test(arguments: [UInt64(91), 92, 93])
func `a buffer that grows gives what it gives as a whole`(_ seed: UInt64) throws {
    var random = Seeded(seed)
    let matcher = try matcher(rules(&random, 60, "http any any -> any any", before: "http.request_body; "))
    var matches = 0
    for round in 0..<100 {
        let pieces = (0..<6).map { _ in random.bytes(0...9, from: "abAB".utf8) }
        let whole = InspectedTransaction(direction: .toServer, application: .http1)
        whole.set(.httpRequestBody, Array(pieces.joined()))
        whole.isComplete = true
        let growing = InspectedTransaction(direction: .toServer, application: .http1)
        var found: [UInt32] = []
        for count in 1...pieces.count {
            let isLast = count == pieces.count
            growing.grow(
                .httpRequestBody, Array(pieces[..<count].joined()), forgotten: 0, isComplete: isLast)
            growing.isComplete = isLast
            found += matcher.sids(growing)
        }
        #expect(found.sorted() == matcher.sids(whole).sorted(), "seed \(seed) round \(round): \(pieces)")
        matches += found.count
    }
    #expect(matches > 300, "bodies that match nothing are no test")
}

@Test func `a body that grows is scanned once`() throws {
    let matcher = try matcher(
        "alert http any any -> any any (msg:\"m\"; http.request_body; content:\"needle\"; sid:1;)")
    let body = InspectedTransaction(direction: .toServer, application: .http1)
    for count in 1...100 {
        body.grow(
            .httpRequestBody, Array(repeating: 0x2e, count: count * 100), forgotten: 0, isComplete: false)
        #expect(matcher.sids(body).isEmpty)
    }
    #expect(matcher.counters.scannedBytes < 11_000)
    body.grow(
        .httpRequestBody, Array(repeating: 0x2e, count: 5_000) + Array("needle".utf8), forgotten: 5_000,
        isComplete: true)
    #expect(matcher.sids(body) == [1])
}

@Test func `a packet that is the stream's next bytes is scanned once`() throws {
    let matcher = try matcher(
        """
        alert tcp any any -> any any (msg:"m"; flow:established; content:"stream"; sid:1;)
        alert tcp any any -> any any (msg:"m"; content:"packet"; dsize:<99; sid:2;)
        """)
    let text = Array("a stream's packet".utf8)
    text.withUnsafeBytes { bytes in
        var packet = InspectedPacket(header: header())
        packet.fields.payloadSize = UInt32(bytes.count)
        packet.payload = bytes
        packet.isInStream = true
        packet.stream = StreamChunk(bytes: bytes, streamOffset: 4_000)
        #expect(matcher.sids(packet, FlowMatchState()) == [1, 2])
    }
    #expect(matcher.counters.scannedBytes == UInt64(text.count))
}

/// Literals that have one place, beside what a comparison at that place gives.
@Test(arguments: [UInt64(95), 96, 97])
func `fixed literals are found where they stand`(_ seed: UInt64) {
    var random = Seeded(seed)
    let literals = (0..<200).map { _ in
        FixedLiteral(
            literal: Literal(
                bytes: random.bytes(1...6, from: "abAB".utf8), caseless: random.next() % 2 == 0),
            start: UInt32(random.next() % 12))
    }
    let fixed = FixedLiterals(literals, firstNumber: 7)
    var count = 0
    for round in 0..<500 {
        let text = random.bytes(0...16, from: "abAB".utf8)
        let offset = random.next() % 14
        var found: [Int] = []
        text.withUnsafeBytes { fixed.find(in: $0, behind: UInt64(offset)) { found.append(Int($0) - 7) } }
        let expected = literals.indices.filter { number in
            let (literal, start) = (literals[number].literal, Int(literals[number].start) - Int(offset))
            guard start >= 0, start + literal.bytes.count <= text.count else { return false }
            let there = Array(text[start..<start + literal.bytes.count])
            return literal.caseless
                ? there.map(lowercased) == literal.bytes.map(lowercased) : there == literal.bytes
        }
        #expect(found.sorted() == expected, "seed \(seed) round \(round)")
        count += found.count
    }
    #expect(count > 500, "texts without a literal are no test")
}

@Test(arguments: [UInt64(98), 99])
func `a search that folds letters finds what a comparison of each place finds`(_ seed: UInt64) {
    var random = Seeded(seed)
    let alphabet = Array("abAB@`\u{0}[{".utf8)
    for round in 0..<2_000 {
        let literal = random.bytes(1...4, from: alphabet)
        let text = random.bytes(0...40, from: alphabet)
        let start = Int(random.next() % 4)
        let wanted = literal.map(lowercased)
        let expected = (start..<max(start, text.count)).first { place in
            place + literal.count <= text.count
                && text[place..<place + literal.count].map(lowercased) == wanted
        }
        let found = text.withUnsafeBytes {
            SearchedBytes(literal, isCaseless: true).first(in: $0, from: start, to: $0.count)
        }
        #expect(found == expected, "seed \(seed) round \(round): \(literal) in \(text)")
    }
}
