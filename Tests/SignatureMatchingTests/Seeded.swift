// SPDX-License-Identifier: Apache-2.0
// Random inputs from a seed that a failing test prints.

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// Some bytes of an alphabet.
    mutating func bytes(_ count: ClosedRange<Int>, from alphabet: some Sequence<UInt8>) -> [UInt8] {
        let letters = Array(alphabet)
        return (0..<Int.random(in: count, using: &self)).map { _ in letters.randomElement(using: &self) ?? 0 }
    }
}
