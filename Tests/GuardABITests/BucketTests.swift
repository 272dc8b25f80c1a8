// SPDX-License-Identifier: Apache-2.0
// Where a client's bucket stands: the hash that the XDP program and `limits` share.
import GuardABI
import Testing

/// The hash in other words: docs/policy.md's, with the seeds as first words.
private func tag(_ hostSeed: UInt64, _ limitSeed: UInt64, _ words: [UInt64]) -> UInt64 {
    let hash = ([limitSeed] + words).reduce(hostSeed) { hash, word in
        let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
        return product ^ product >> 32
    }
    return hash == 0 ? 1 : hash
}

private func masked(_ family: UInt32, _ high: UInt64, _ low: UInt64, to prefix: UInt32) -> [UInt64] {
    var (high, low) = (high, low)
    guard_mask_prefix(&high, &low, family, prefix)
    return [high, low]
}

@Test(arguments: [[], [0], [0xc000_0207], [1, 2], [0x2001_0db8_0000_0000, 0, 0x06_0016], [1, 2, 3, 4, 5]])
func `a tag is the mixed seeds and words`(words: [UInt64]) {
    #expect(guard_bucket_tag(7, 9, words, UInt32(words.count)) == tag(7, 9, words))
    #expect(guard_bucket_tag(0, 0, words, UInt32(words.count)) == tag(0, 0, words))
}

@Test func `a tag is never zero, which marks a free place`() {
    #expect(guard_bucket_tag(5, 5, [], 0) == 1)
    #expect(guard_bucket_tag(0, 0, [0, 0], 2) == 1)
}

@Test func `host, limit and client each change the tag`() {
    let first = guard_bucket_tag(1, 2, [3], 1)
    #expect(first != guard_bucket_tag(2, 2, [3], 1))
    #expect(first != guard_bucket_tag(1, 3, [3], 1))
    #expect(first != guard_bucket_tag(1, 2, [4], 1))
    #expect(first != guard_bucket_tag(1, 2, [3, 0], 2))
}

/// What attackers and networks number in a row: addresses, prefixes of both families, ports.
private let series: [(name: String, words: @Sendable (UInt64) -> [UInt64])] = [
    ("IPv4 addresses", { [4, 0xc000_0000 + $0] }),
    ("IPv4 /24 prefixes", { [4, $0 << 8] }),
    ("IPv6 /64 prefixes", { [6, 0x2001_0db8_0000_0000 + $0, 0] }),
    ("IPv6 /48 prefixes", { [6, $0 << 16, 0] }),
    ("IPv6 /16 prefixes and further bits", { [6, $0 << 47, 0] }),
    ("services", { [4, 0xc000_0207, 6 << 16 | $0] }),
    ("connections", { [4, 0xc000_0207, 0xc633_6401, $0 << 32 | 6 << 16 | 443] }),
]

@Test(arguments: series.indices)
func `clients in a row spread over the lines`(index: Int) {
    let lines: UInt32 = 1 << 12
    var counts = [Int](repeating: 0, count: Int(lines))
    for number in 0..<UInt64(lines) * 4 {
        let words = series[index].words(number)
        let tag = guard_bucket_tag(0x5eed, 0x11117, words, UInt32(words.count))
        counts[Int(guard_bucket_line_of(tag, lines))] += 1
    }
    // Of 16,384 keys in 4,096 lines a line gets 4; with even chances, none more than about 16.
    #expect(counts.max() ?? 0 <= 18, "\(series[index].name)")
    #expect(counts.count { $0 == 0 } < 4096 / 25, "\(series[index].name)")
}

@Test func `a line is one of the table's, and of one line the first`() {
    #expect(guard_bucket_line_of(0xffff_ffff_ffff_ffff, 1) == 0)
    #expect(guard_bucket_line_of(0x1234_5670_9abc_def1, 16) == 0)
    #expect(guard_bucket_line_of(0xffff_ffff_ffff_ffff, 1 << 18) == (1 << 18) - 1)
}

private let masks: [(family: UInt32, prefix: UInt32, high: UInt64, low: UInt64)] = [
    (4, 32, 0, 0xc000_02ff), (4, 24, 0, 0xc000_0200), (4, 1, 0, 0x8000_0000), (4, 0, 0, 0),
    (6, 128, 0x2001_0db8_ffff_ffff, 0xc000_02ff), (6, 65, 0x2001_0db8_ffff_ffff, 0),
    (6, 120, 0x2001_0db8_ffff_ffff, 0xc000_0200), (6, 64, 0x2001_0db8_ffff_ffff, 0),
    (6, 33, 0x2001_0db8_8000_0000, 0), (6, 1, 0, 0), (6, 0, 0, 0),
]

@Test(arguments: masks)
func `an address is masked to its leading bits`(family: UInt32, prefix: UInt32, high: UInt64, low: UInt64) {
    #expect(
        masked(family, family == 4 ? 0 : 0x2001_0db8_ffff_ffff, 0xc000_02ff, to: prefix) == [high, low])
}
