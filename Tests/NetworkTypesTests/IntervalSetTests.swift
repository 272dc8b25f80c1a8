// SPDX-License-Identifier: Apache-2.0
// Interval sets against plain sets of small numbers.
import NetworkTypes
import Testing

/// A fixed sequence of numbers for a seed.
private struct Numbers {
    var state: UInt64
    mutating func next(below bound: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % bound
    }
    mutating func ranges() -> [ClosedRange<UInt8>] {
        (0..<next(below: 8)).map { _ in
            let (a, b) = (UInt8(next(below: 256)), UInt8(next(below: 256)))
            return next(below: 3) == 0 ? a...a : min(a, b)...max(a, b)
        }
    }
}

@Suite struct IntervalSetTests {
    private func plain(_ ranges: [ClosedRange<UInt8>]) -> Set<UInt8> { Set(ranges.flatMap { Array($0) }) }
    private func plain(_ set: IntervalSet<UInt8>) -> Set<UInt8> { plain(set.ranges) }

    @Test(arguments: Array(1...20) as [UInt64])
    func `all operations agree with plain sets`(_ seed: UInt64) {
        var numbers = Numbers(state: seed)
        for _ in 0..<50 {
            let (a, b) = (numbers.ranges(), numbers.ranges())
            let (x, y) = (IntervalSet(a), IntervalSet(b))
            let (p, q) = (plain(a), plain(b))
            #expect(plain(x) == p, "seed \(seed)")
            #expect(plain(x.union(y)) == p.union(q), "seed \(seed)")
            #expect(plain(x.intersection(y)) == p.intersection(q), "seed \(seed)")
            #expect(plain(x.subtracting(y)) == p.subtracting(q), "seed \(seed)")
            #expect(plain(x.complement()) == Set(0...255).subtracting(p), "seed \(seed)")
            #expect(x.isSubset(of: y) == p.isSubset(of: q), "seed \(seed)")
            #expect((UInt8.min...UInt8.max).allSatisfy { x.contains($0) == p.contains($0) }, "seed \(seed)")
            for (one, next) in zip(x.ranges, x.ranges.dropFirst()) {
                #expect(Int(one.upperBound) + 1 < Int(next.lowerBound), "seed \(seed)")
            }
        }
    }

    @Test func `the ends of the numbers are no trap`() {
        let all = IntervalSet<UInt128>.all
        #expect(all.isAll && all.complement().isEmpty)
        #expect(IntervalSet<UInt128>().complement() == all)
        #expect(IntervalSet([200...255, 0...3, 4...255] as [ClosedRange<UInt8>]).isAll)
    }
}
