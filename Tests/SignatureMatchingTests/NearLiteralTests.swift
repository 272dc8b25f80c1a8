// SPDX-License-Identifier: Apache-2.0
// Literals near a payload's start have a database of their own: no more than that start is scanned.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

@Test func `near literals are looked for near the start of a stream alone`() throws {
    let matcher = try matcher("alert tcp any any -> any any (msg:\"m\"; content:\"ab\"; depth:9; sid:1;)")
    #expect(matcher.sids(stream: "0123456ab") == [1])
    #expect(matcher.sids(stream: "01234567ab").isEmpty)
    #expect(matcher.sids(stream: "ab", at: 7) == [1])
    #expect(matcher.sids(stream: "ab", at: 1 << 40).isEmpty)
    #expect(matcher.counters.scannedBytes < 30)
}
