// SPDX-License-Identifier: Apache-2.0
// The buckets of limits: one client's found by its tag, and how full their table is. Read alone: nothing that
// is looked at changes.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// How full the table of buckets is.
public struct BucketFill: Sendable, Hashable {
    /// Lines of four places.
    public var lines: Int
    /// Those that were looked at, spread over the table.
    public var sampledLines: Int
    /// Of the places in them: those that some client had, and those whose bucket is not full.
    public var used: Int
    public var filling: Int

    public init(lines: Int, sampledLines: Int, used: Int, filling: Int) {
        self.lines = lines
        self.sampledLines = sampledLines
        self.used = used
        self.filling = filling
    }

    /// Clients that the table has room for.
    public var places: Int { lines * Int(GUARD_BUCKET_WAYS) }
    /// Of kernel memory.
    public var bytes: Int { lines * MemoryLayout<guard_bucket_line>.stride }
    /// From 0 to 1.
    public var usedShare: Double { share(of: used) }
    public var fillingShare: Double { share(of: filling) }

    private func share(of places: Int) -> Double {
        sampledLines == 0 ? 0 : Double(places) / Double(sampledLines * Int(GUARD_BUCKET_WAYS))
    }
}

/// The pinned table of buckets.
public struct BucketTable {
    private let map: Int32
    private let hostSeed: UInt64
    /// Lines of four places.
    public let lines: UInt32

    init(map: Int32, hostSeed: UInt64) throws(KernelError) {
        self.map = map
        self.hostSeed = hostSeed
        lines = try entries(ofMap: map)
    }

    /// The tag of a client's bucket.
    /// - Parameters:
    ///   - limitSeed: the limit's.
    ///   - words: the key's, as guard_buckets.h has them.
    public func tag(limitSeed: UInt64, words: [UInt64]) -> UInt64 {
        guard_bucket_tag(hostSeed, limitSeed, words, UInt32(words.count))
    }

    /// A bucket's theoretical arrival time, in 1/256 ns; nil where the client has none, which is a full one.
    public func time(of tag: UInt64) throws(KernelError) -> UInt64? {
        guard lines > 0 else { return nil }
        let line = try line(guard_bucket_line_of(tag, lines))
        return line.first { $0.tag == tag }?.time
    }

    /// - Parameters:
    ///   - most: lines to look at.
    ///   - now: the program's clock in 1/256 ns.
    public func fill(sampling most: UInt32, now: UInt64) throws(KernelError) -> BucketFill {
        let step = max(1, lines / max(1, most))
        var fill = BucketFill(lines: Int(lines), sampledLines: 0, used: 0, filling: 0)
        for number in stride(from: 0, to: lines, by: Int(step)) {
            let taken = try line(number).filter { $0.tag != 0 }
            fill.sampledLines += 1
            fill.used += taken.count
            fill.filling += taken.count { isAhead($0.time, of: now) }
        }
        return fill
    }

    /// Times go round: what is more than half a round ahead is past.
    private func isAhead(_ time: UInt64, of now: UInt64) -> Bool { Int64(bitPattern: time &- now) > 0 }

    private func line(_ number: UInt32) throws(KernelError) -> [(tag: UInt64, time: UInt64)] {
        var (key, line) = (number, guard_bucket_line())
        try check(bpf_map_lookup_elem(map, &key, &line), "read the buckets of limits")
        let ways = Int(GUARD_BUCKET_WAYS)
        return withUnsafeBytes(of: line) { bytes in
            let words = bytes.bindMemory(to: UInt64.self)
            return (0..<ways).map { (words[$0], words[ways + $0]) }
        }
    }
}

extension SharedState {
    /// Nil where no policy had limits so far.
    public func buckets() throws(KernelError) -> BucketTable? {
        guard let map = maps[.buckets]?.raw else { return nil }
        return try BucketTable(map: map, hostSeed: host().seed)
    }
}

/// The words of a key that is an address alone: its family and its leading bits.
public func bucketWords(_ prefix: Prefix) -> [UInt64] {
    let bits = prefix.address.bits
    if prefix.address.family == .ipv4 { return [4, UInt64(truncatingIfNeeded: bits)] }
    return [6, UInt64(truncatingIfNeeded: bits >> 64), UInt64(truncatingIfNeeded: bits)]
}
