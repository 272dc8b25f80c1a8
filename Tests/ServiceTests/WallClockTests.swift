// SPDX-License-Identifier: Apache-2.0
// One time on the wall clock for what happened once, whoever asks and when.
import Dataplane
import NetworkTypes
import TestSupport
import Testing

@testable import Service

/// Two clocks that go on by what their readings take, and now and then by much more.
private final class Clocks {
    private var now: UInt64 = 5_000_000_000_000
    private var random: SeededGenerator
    /// Of the wall clock, ahead of the other.
    private let offset: Int64

    init(seed: UInt64, offset: Int64) { (random, self.offset) = (SeededGenerator(seed: seed), offset) }

    func program() -> UInt64 {
        now += UInt64(random.below(16) == 0 ? random.below(3_000_000) : 20 + random.below(60))
        return now
    }

    func wall() -> Int64 { Int64(program()) + offset }
}

@Test(arguments: [
    (1_767_322_945_000_123_456, 1_767_322_945_000_000_000),
    (1_767_322_945_000_600_000, 1_767_322_945_001_000_000),
    (300_000, 0), (-300_000, 0), (-700_000, -1_000_000),
])
func `the wall clock's lead is the same whatever comes between its readings`(_ offset: Int64, _ told: Int64) {
    for seed in 0..<500 as Range<UInt64> {
        let clocks = Clocks(seed: seed, offset: offset)
        let found = wallClockOffset(program: clocks.program, wall: clocks.wall)
        #expect(found == told, "seed \(seed)")
    }
}

@Test func `a ban has the same times at each call`() throws {
    let ban = Ban(
        Prefix(IPAddress(v4: 0xc000_0207)), since: 4_000_000_675_725, ends: 9_000_000_675_725, reason: "")
    var told: Set<Int64?> = []
    for seed in 0..<100 as Range<UInt64> {
        let clocks = Clocks(seed: seed, offset: 1_767_322_945_000_123_456)
        let offset = wallClockOffset(program: clocks.program, wall: clocks.wall)
        let now = clocks.program()
        let entry = BanTranslation(now: now, wall: Int64(now) + offset, limits: [:]).entry(ban)
        told.formUnion([entry.sinceNanoseconds, entry.endsNanoseconds])
    }
    #expect(told == [1_767_326_945_000_675_725, 1_767_331_945_000_675_725])
}
