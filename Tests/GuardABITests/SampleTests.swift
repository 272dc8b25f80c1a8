// SPDX-License-Identifier: Apache-2.0
// A flow's hash and the name of its budget: what both programs, the native engine and docs/policy.md share.
import GuardABI
import Testing

/// The hash in other words: docs/policy.md's.
private func hash(_ seed: UInt64, _ words: [UInt64]) -> UInt64 {
    words.reduce(seed) { hash, word in
        let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
        return product ^ product >> 32
    }
}

private func ends4(_ lower: UInt64, _ upper: UInt64, _ ports: (UInt16, UInt16)) -> guard_flow_ends {
    var ends = guard_flow_ends()
    (ends.lower.low, ends.upper.low) = (lower, upper)
    (ends.lower_port, ends.upper_port, ends.family, ends.protocol) = (ports.0, ports.1, 4, 6)
    return ends
}

@Test func `a flow's hash is made of family and protocol, its addresses and its ports`() {
    var four = ends4(0xc000_0201, 0xc633_6401, (1000, 80))
    let words: [UInt64] = [4 << 8 | 6, 0xc000_0201, 0xc633_6401, 1000 << 16 | 80]
    #expect(guard_ends_hash(7, &four) == hash(7, words))
    var six = four
    (six.family, six.protocol) = (6, 17)
    (six.lower.high, six.upper.high) = (0x2001_0db8_0000_0000, 0x2001_0db8_0000_0001)
    let words6: [UInt64] = [
        6 << 8 | 17, 0x2001_0db8_0000_0000, 0xc000_0201, 0x2001_0db8_0000_0001, 0xc633_6401, 1000 << 16 | 80,
    ]
    #expect(guard_ends_hash(0, &six) == hash(0, words6))
}

@Test func `each part of a flow changes its hash`() {
    var first = ends4(1, 2, (3, 4))
    var hashes: Set<UInt64> = [guard_ends_hash(9, &first), guard_ends_hash(8, &first)]
    for change in [
        { $0.lower.low = 5 }, { $0.upper.low = 5 }, { $0.lower_port = 5 }, { $0.upper_port = 5 },
        { $0.protocol = 17 }, { $0.family = 6 },
    ] as [(inout guard_flow_ends) -> Void] {
        var other = first
        change(&other)
        hashes.insert(guard_ends_hash(9, &other))
    }
    #expect(hashes.count == 8)
}

@Test func `the name of a budget is never zero, and another policy's is another`() {
    #expect(guard_sample_tag(5, 5) == 1)
    #expect(guard_sample_tag(5, 6) == hash(5, [6]))
    #expect(guard_sample_tag(5, 6) != guard_sample_tag(5, 7))
}

@Test(arguments: [2, 3, 10, 1000] as [UInt32])
func `of flows in a row one in so many is chosen, by every seed`(every: UInt32) {
    for seed in [0, 0x5eed, UInt64.max] as [UInt64] {
        var chosen = 0
        for port in 0..<UInt16(50_000) {
            var ends = ends4(0xc000_0201, 0xc633_6401, (port, 80))
            chosen += Int(guard_is_chosen(guard_ends_hash(seed, &ends), every))
        }
        let expected = 50_000 / Double(every)
        // Five standard deviations.
        #expect(abs(Double(chosen) - expected) < 5 * expected.squareRoot(), "seed \(seed): \(chosen)")
    }
}

@Test(arguments: [0, 1] as [UInt32])
func `without a share every flow is chosen`(every: UInt32) {
    #expect(guard_is_chosen(0x1234_5678_9abc_def1, every) != 0)
}
