// SPDX-License-Identifier: Apache-2.0
// literals that can stand at one place of a payload alone -> which of them stand there, by a few lookups in
// place of a scan. Most short and frequent literals are of this kind.

import Glibc

/// A literal and where it stands.
struct FixedLiteral: Hashable, Sendable {
    var literal: Literal
    /// Bytes of the payload, or of the stream, before it.
    var start: UInt32
}

/// Immutable: a hash table for each place and number of bytes that are looked at first.
final class FixedLiterals: @unchecked Sendable {
    /// Literals of one place, found by their first bytes.
    private struct Group {
        var start: Int
        /// 1, 2 or 4: so many first bytes are the key.
        var width: Int
        /// Of its buckets, of which there are a power of two.
        var firstBucket: Int
        var mask: UInt32
    }

    private struct Entry {
        var key: UInt32
        var number: UInt32
        /// The next one of its bucket; -1: none.
        var next: Int32
        var isCaseless: Bool
        var count: Int
        /// Where its bytes begin in `pool`; folded where it is caseless.
        var place: Int
    }

    private let groups: UnsafeMutableBufferPointer<Group>
    private let buckets: UnsafeMutableBufferPointer<Int32>
    private let entries: UnsafeMutableBufferPointer<Entry>
    private let pool: UnsafeMutableRawBufferPointer
    /// Behind this byte of a stream none of them ends.
    let reach: UInt64

    /// `number` of the first literal; the others follow.
    init(_ literals: [FixedLiteral], firstNumber: Int) {
        var builder = Builder()
        for (index, literal) in literals.enumerated() { builder.add(literal, firstNumber + index) }
        builder.fill()
        groups = permanent(builder.groups)
        buckets = permanent(builder.buckets)
        entries = permanent(builder.entries)
        pool = .allocate(byteCount: max(1, builder.pool.count), alignment: 1)
        pool.copyBytes(from: builder.pool)
        reach = literals.map { UInt64($0.start) + UInt64($0.literal.bytes.count) }.max() ?? 0
    }

    deinit {
        groups.deallocate()
        buckets.deallocate()
        entries.deallocate()
        pool.deallocate()
    }

    /// Tells of each literal that stands in `bytes`, which `offset` bytes of the stream stand before.
    @inline(__always) func find(
        in bytes: UnsafeRawBufferPointer, behind offset: UInt64, _ found: (_ number: UInt32) -> Void
    ) {
        guard offset < reach, let base = bytes.baseAddress else { return }
        let before = Int(offset)
        for group in groups {
            let place = group.start - before
            guard place >= 0, place + group.width <= bytes.count else { continue }
            let key = FixedLiterals.key(base + place, group.width)
            var index = buckets[group.firstBucket + Int(FixedLiterals.hash(key) & group.mask)]
            while index >= 0 {
                let entry = entries[Int(index)]
                index = entry.next
                guard entry.key == key, stands(entry, at: place, in: bytes) else { continue }
                found(entry.number)
            }
        }
    }

    private func stands(_ entry: Entry, at place: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
        guard place + entry.count <= bytes.count, let text = bytes.baseAddress, let own = pool.baseAddress
        else { return false }
        guard entry.isCaseless else { return memcmp(text + place, own + entry.place, entry.count) == 0 }
        for index in 0..<entry.count
        where lowercased(bytes[place &+ index]) != pool[entry.place &+ index] {
            return false
        }
        return true
    }

    /// The first bytes, letters in one case: what differs in more is told apart later.
    @inline(__always) private static func key(_ bytes: UnsafeRawPointer, _ width: Int) -> UInt32 {
        switch width {
        case 4: bytes.loadUnaligned(as: UInt32.self) | 0x2020_2020
        case 2: UInt32(bytes.loadUnaligned(as: UInt16.self) | 0x2020)
        default: UInt32(bytes.load(as: UInt8.self) | 0x20)
        }
    }

    @inline(__always) private static func hash(_ key: UInt32) -> UInt32 {
        let product = key &* 0x9e37_79b1
        return product ^ product >> 15
    }
}

private func permanent<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
    let copy = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
    _ = copy.initialize(from: elements)
    return copy
}

extension FixedLiterals {
    /// What the tables are made from.
    private struct Builder {
        var groups: [Group] = []
        var buckets: [Int32] = []
        var entries: [Entry] = []
        var pool: [UInt8] = []
        /// Entries of each group.
        private var members: [[Int]] = []

        mutating func add(_ fixed: FixedLiteral, _ number: Int) {
            let literal = fixed.literal
            let width = literal.bytes.count >= 4 ? 4 : literal.bytes.count >= 2 ? 2 : 1
            let start = Int(fixed.start)
            var place = groups.firstIndex { $0.start == start && $0.width == width } ?? groups.count
            if place == groups.count {
                groups.append(Group(start: start, width: width, firstBucket: 0, mask: 0))
                members.append([])
                place = groups.count - 1
            }
            let bytes = literal.caseless ? literal.bytes.map(lowercased) : literal.bytes
            members[place].append(entries.count)
            let key = bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.map { FixedLiterals.key($0, width) } ?? 0
            }
            entries.append(
                Entry(
                    key: key, number: UInt32(clamping: number), next: -1, isCaseless: literal.caseless,
                    count: bytes.count, place: pool.count))
            pool += bytes
        }

        /// At least twice as many buckets as entries.
        mutating func fill() {
            for (place, members) in members.enumerated() {
                var count = 2
                while count < members.count * 2 { count *= 2 }
                groups[place].firstBucket = buckets.count
                groups[place].mask = UInt32(count - 1)
                buckets += Array(repeating: -1, count: count)
                for member in members {
                    let bucket =
                        groups[place].firstBucket
                        + Int(FixedLiterals.hash(entries[member].key) & groups[place].mask)
                    entries[member].next = buckets[bucket]
                    buckets[bucket] = Int32(member)
                }
            }
        }
    }
}
