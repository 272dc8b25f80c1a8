// SPDX-License-Identifier: Apache-2.0
// What stands across the border of two stream chunks: found by what is known of both as by a scan of both.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

/// Contents of a tiny alphabet, one or two of them, at fixed places or anywhere. With many rules the second
/// is rare: more are worth a look than are remembered, and few match.
private func rules(_ count: Int, _ random: inout Seeded) -> String {
    (1...count).map { sid in
        let isRare = count > RecentCandidates.most
        let contents = (0...(isRare ? 1 : Int(random.next() % 2))).map { index in
            let letters = index > 0 && isRare ? "0123456789" : "abcAB"
            let text = String(
                decoding: random.bytes(index > 0 && isRare ? 1...1 : 2...4, from: letters.utf8), as: UTF8.self
            )
            let place = index > 0 && random.next() % 2 == 0 ? " distance:0;" : ""
            let depth = index == 0 && random.next() % 4 == 0 ? " depth:\(4 + random.next() % 90);" : ""
            return "content:\"\(text)\";\(depth)\(place)"
        }
        return "alert tcp any any -> any any (msg:\"m\"; \(contents.joined(separator: " ")) sid:\(sid);)"
    }.joined(separator: "\n")
}

/// A stream in chunks, each with the bytes before it as the inspector keeps them.
private func sids(
    _ chunks: [[UInt8]], _ matcher: SignatureMatcher, tellsBorder: Bool
) -> Set<UInt32> {
    let flow = FlowMatchState()
    var found: Set<UInt32> = []
    var seen: [UInt8] = []
    func look(_ bytes: [UInt8], at offset: Int, border: Int?) {
        bytes.withUnsafeBytes {
            var packet = InspectedPacket(header: header())
            packet.stream = StreamChunk(bytes: $0, streamOffset: UInt64(offset), border: border)
            found.formUnion(matcher.sids(packet, flow))
        }
    }
    for chunk in chunks {
        look(chunk, at: seen.count, border: nil)
        let before = Array(seen.suffix(2048))
        if !before.isEmpty {
            look(
                before + chunk.prefix(before.count), at: seen.count - before.count,
                border: tellsBorder ? before.count : nil)
        }
        seen += chunk
    }
    return found
}

@Test(arguments: [UInt64(71), 72, 73, 74])
private func `a border is told from what is known of both sides as from a scan of both`(_ seed: UInt64) throws
{
    var random = Seeded(seed)
    for round in 0..<40 {
        let text = rules(round % 4 == 0 ? 150 : 12, &random)
        let matcher = try matcher(text)
        let chunks = (0..<6).map { _ in
            random.bytes(1...(round % 3 == 0 ? 1500 : 12), from: "abcABabcAB.7".utf8)
        }
        #expect(
            sids(chunks, matcher, tellsBorder: true) == sids(chunks, matcher, tellsBorder: false),
            "seed \(seed), round \(round):\n\(text)")
    }
}

@Test func `a literal of the chunk before counts once the protocol is known`() throws {
    let matcher = try matcher("alert ftp any any -> any any (msg:\"m\"; content:\"USER\"; sid:1;)")
    let flow = FlowMatchState()
    func look(_ text: String, at offset: Int, border: Int?, _ application: ApplicationProtocol?) -> [UInt32] {
        Array(text.utf8).withUnsafeBytes {
            var packet = InspectedPacket(header: header())
            packet.header.applicationToServer = application
            packet.stream = StreamChunk(bytes: $0, streamOffset: UInt64(offset), border: border)
            return matcher.sids(packet, flow)
        }
    }
    #expect(look("USER x\r\n", at: 0, border: nil, nil).isEmpty)
    #expect(look("PASS y\r\n", at: 8, border: nil, .ftp).isEmpty)
    #expect(look("USER x\r\nPASS y\r\n", at: 0, border: 8, .ftp) == [1])
}

@Test func `near literals are looked for near the start of a stream alone`() throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; content:\"ab\"; depth:9; sid:1;)")
    #expect(matcher.sids(stream: "0123456ab") == [1])
    #expect(matcher.sids(stream: "01234567ab").isEmpty)
    #expect(matcher.sids(stream: "ab", at: 7) == [1])
    #expect(matcher.sids(stream: "ab", at: 1 << 40).isEmpty)
    #expect(matcher.counters.scannedBytes < 30)
}
