// SPDX-License-Identifier: Apache-2.0
// A set of packets as a product of number sets, one a header field, and its algebra: overlap, containment,
// difference.
import NetworkTypes

/// Packets of one family and one L4 layer: those whose every field lies in that field's set.
struct PacketRegion<Address: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    /// Source and destination.
    var addresses: [IntervalSet<Address>]
    /// See `WordField`.
    var words: [IntervalSet<UInt16>]
    /// See `ByteField`.
    var bytes: [IntervalSet<UInt8>]

    var isEmpty: Bool {
        addresses.contains { $0.isEmpty } || words.contains { $0.isEmpty } || bytes.contains { $0.isEmpty }
    }

    /// How many intervals an operation on it touches.
    var weight: Int {
        addresses.reduce(0) { $0 + $1.ranges.count } + words.reduce(0) { $0 + $1.ranges.count }
            + bytes.reduce(0) { $0 + $1.ranges.count }
    }

    func overlaps(_ other: PacketRegion) -> Bool {
        zip(words, other.words).allSatisfy { $0.overlaps($1) }
            && zip(addresses, other.addresses).allSatisfy { $0.overlaps($1) }
            && zip(bytes, other.bytes).allSatisfy { $0.overlaps($1) }
    }

    func isWithin(_ other: PacketRegion) -> Bool {
        zip(words, other.words).allSatisfy { $0.isWithin($1) }
            && zip(addresses, other.addresses).allSatisfy { $0.isWithin($1) }
            && zip(bytes, other.bytes).allSatisfy { $0.isWithin($1) }
    }

    /// Without an outer tag there is no inner one.
    mutating func dropImpossibleTags() {
        let (outer, inner) = (words[WordField.vlan], words[WordField.innerVLAN])
        guard outer.ranges == [0...0], inner.ranges != [0...0] else { return }
        words[WordField.innerVLAN] = inner.intersection(IntervalSet(0...0))
    }

    /// What of it lies outside `other`, which it overlaps, as disjoint regions, some perhaps empty: field by
    /// field, the part outside of `other` there and inside of it in all fields before.
    func subtracting(_ other: PacketRegion) -> [PacketRegion] {
        var pieces: [PacketRegion] = []
        var inside = self
        // Not by key paths: looking those up at run time took most of lint's time on large policies.
        for field in words.indices {
            guard let (outside, rest) = cut(inside.words[field], by: other.words[field]) else { continue }
            pieces.append(inside)
            pieces[pieces.count - 1].words[field] = outside
            inside.words[field] = rest
        }
        for field in addresses.indices {
            guard let parts = cut(inside.addresses[field], by: other.addresses[field]) else { continue }
            pieces.append(inside)
            pieces[pieces.count - 1].addresses[field] = parts.outside
            inside.addresses[field] = parts.inside
        }
        for field in bytes.indices {
            guard let (outside, rest) = cut(inside.bytes[field], by: other.bytes[field]) else { continue }
            pieces.append(inside)
            pieces[pieces.count - 1].bytes[field] = outside
            inside.bytes[field] = rest
        }
        for index in pieces.indices { pieces[index].dropImpossibleTags() }
        return pieces
    }
}

/// What of a field lies outside of another's and what inside; nil where it is all inside.
private func cut<Number>(
    _ mine: IntervalSet<Number>, by theirs: IntervalSet<Number>
) -> (outside: IntervalSet<Number>, inside: IntervalSet<Number>)? {
    if mine.isWithin(theirs) { return nil }
    return (mine.subtracting(theirs), mine.intersection(theirs))
}

/// Fields of 16 bits in `PacketRegion.words`.
enum WordField {
    /// Destination port, ICMP type, or for layers without either the protocol.
    static let key = 0
    static let sourcePort = 1
    static let length = 2
    /// 0 stands for no tag, `unreadTag` for one that could not be read.
    static let vlan = 3
    static let innerVLAN = 4

    static let unreadTag: UInt16 = 0xffff
}

/// Fields of up to 8 bits in `PacketRegion.bytes`.
enum ByteField {
    static let flags = 0
    static let ttl = 1
    static let dscp = 2
    /// 0 to 2 as `FragmentKind.allCases` has them, 3: could not be read.
    static let fragment = 3
    /// 0 without, 1 with options, 2: could not be read.
    static let options = 4
}

extension IntervalSet {
    /// Whether any number is in both. Allocates nothing: lint asks it for every pair of rules.
    func overlaps(_ other: IntervalSet) -> Bool {
        var (i, j) = (0, 0)
        while i < ranges.count, j < other.ranges.count {
            if ranges[i].overlaps(other.ranges[j]) { return true }
            if ranges[i].upperBound < other.ranges[j].upperBound { i += 1 } else { j += 1 }
        }
        return false
    }

    /// Whether every number is in `other` too. Allocates nothing.
    func isWithin(_ other: IntervalSet) -> Bool {
        if ranges.count == other.ranges.count, ranges == other.ranges { return true }
        var j = 0
        for range in ranges {
            while j < other.ranges.count, other.ranges[j].upperBound < range.lowerBound { j += 1 }
            guard j < other.ranges.count, other.ranges[j].lowerBound <= range.lowerBound,
                range.upperBound <= other.ranges[j].upperBound
            else { return false }
        }
        return true
    }
}
