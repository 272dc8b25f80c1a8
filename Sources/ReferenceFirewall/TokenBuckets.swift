// SPDX-License-Identifier: Apache-2.0
// Token buckets of all limits, in lines of four; docs/policy.md, "Rate limits". In: a charge. Out: whether
// the tokens were there. Times are in 1/256 ns and wrap.

/// What a limit's bucket holds, and what it is charged.
struct BucketSize {
    /// The time it takes an empty bucket to fill.
    var burst: UInt64
    /// The time it takes to refill what the packet takes.
    var cost: UInt64
}

struct TokenBuckets {
    private static let places = 4
    static let second: UInt64 = 256_000_000_000
    /// A bucket is full again within this time, or it is full already.
    private static let mostAhead = (100 * 86_400 + 1) * second

    private struct Bucket {
        var name: UInt64
        /// When it is full again.
        var fullAt: UInt64

        /// How long it still takes to be full.
        func missing(at now: UInt64, burst: UInt64) -> UInt64 {
            let ahead = fullAt &- now
            return ahead <= burst + TokenBuckets.second ? ahead : 0
        }

        /// How long it has been full, from the furthest time on that it could become full.
        func age(at now: UInt64) -> UInt64 { now &+ TokenBuckets.mostAhead &- fullAt }
    }

    private let lineCount: UInt64
    private var lines: [UInt64: [Bucket]] = [:]

    /// - Parameter lineCount: a power of two.
    init(lineCount: Int) { self.lineCount = UInt64(max(1, lineCount)) }

    /// Takes a packet's tokens out of a bucket.
    /// - Returns: whether they were there; else nothing is taken.
    mutating func take(_ size: BucketSize, from name: UInt64, at now: UInt64) -> Bool {
        let number = (name >> 32) % lineCount
        var line = lines[number] ?? []
        let place = line.firstIndex { $0.name == name }
        let missing = place.map { line[$0].missing(at: now, burst: size.burst) } ?? 0
        guard missing + size.cost <= size.burst else { return false }
        let bucket = Bucket(name: name, fullAt: now &+ missing &+ size.cost)
        if let place {
            line[place] = bucket
        } else if line.count < Self.places {
            line.append(bucket)
        } else if let fullest = line.indices.min(by: { line[$0].age(at: now) > line[$1].age(at: now) }) {
            line[fullest] = bucket
        }
        lines[number] = line
        return true
    }
}
