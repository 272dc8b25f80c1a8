// SPDX-License-Identifier: Apache-2.0
// Sets of numbers as sorted closed intervals: the one representation of addresses, ports, lengths and tags.

/// A set of numbers, kept as sorted, disjoint, non-adjacent closed intervals. Everything is inlinable, so
/// that other modules get it specialised: generic code costs some 20 times as much on lists of a million
/// addresses.
public struct IntervalSet<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Hashable, Sendable {
    @usableFromInline var storage: [ClosedRange<Bound>]

    /// Ascending; between two of them at least one number is missing.
    @inlinable public var ranges: [ClosedRange<Bound>] { storage }

    @inlinable public init() { storage = [] }
    @inlinable public init(_ range: ClosedRange<Bound>) { storage = [range] }

    /// The union of any ranges, in any order: n log n.
    @inlinable public init(_ unsorted: some Sequence<ClosedRange<Bound>>) {
        self.init(consuming: Array(unsorted))
    }

    /// The union of any ranges, in any order, in the array's own memory where nobody else holds it: n where
    /// they are sorted, else n log n.
    @inlinable public init(consuming unsorted: consuming [ClosedRange<Bound>]) {
        var ranges = unsorted
        if !Self.isSorted(ranges) { ranges.sort { $0.lowerBound < $1.lowerBound } }
        self.init(sorted: ranges)
    }

    /// - Parameter ranges: by their lower bounds, ascending.
    @inlinable init(sorted ranges: consuming [ClosedRange<Bound>]) {
        var merged = ranges
        var last = 0
        for index in merged.indices.dropFirst() {
            let (low, end) = (merged[index].lowerBound, merged[last].upperBound)
            if end == Bound.max || low <= end + 1 {
                merged[last] = merged[last].lowerBound...max(end, merged[index].upperBound)
            } else {
                last += 1
                merged[last] = merged[index]
            }
        }
        merged.removeLast(max(0, merged.count - last - 1))
        storage = merged
    }

    @inlinable static func isSorted(_ ranges: [ClosedRange<Bound>]) -> Bool {
        var index = 1
        while index < ranges.count, ranges[index - 1].lowerBound <= ranges[index].lowerBound { index += 1 }
        return index >= ranges.count
    }

    @inlinable public static var all: IntervalSet { IntervalSet(Bound.min...Bound.max) }

    @inlinable public var isEmpty: Bool { storage.isEmpty }
    @inlinable public var isAll: Bool { storage == [Bound.min...Bound.max] }

    @inlinable public func contains(_ value: Bound) -> Bool {
        var low = 0
        var high = storage.count
        while low < high {
            let middle = (low + high) / 2
            if storage[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < storage.count && storage[low].contains(value)
    }

    /// Whether some value of a range is in the set.
    @inlinable public func touches(_ range: ClosedRange<Bound>) -> Bool {
        var low = 0
        var high = storage.count
        while low < high {
            let middle = (low + high) / 2
            if storage[middle].upperBound < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return low < storage.count && storage[low].lowerBound <= range.upperBound
    }

    @inlinable public func union(_ other: IntervalSet) -> IntervalSet { IntervalSet(storage + other.ranges) }

    @inlinable public func complement() -> IntervalSet {
        var result = IntervalSet()
        var next: Bound? = Bound.min
        for range in storage {
            if let start = next, start < range.lowerBound {
                result.storage.append(start...(range.lowerBound - 1))
            }
            next = range.upperBound == Bound.max ? nil : range.upperBound + 1
        }
        if let start = next { result.storage.append(start...Bound.max) }
        return result
    }

    @inlinable public func intersection(_ other: IntervalSet) -> IntervalSet {
        var result = IntervalSet()
        var (i, j) = (0, 0)
        while i < storage.count, j < other.ranges.count {
            let (a, b) = (storage[i], other.ranges[j])
            let low = max(a.lowerBound, b.lowerBound)
            let high = min(a.upperBound, b.upperBound)
            if low <= high { result.storage.append(low...high) }
            if a.upperBound < b.upperBound { i += 1 } else { j += 1 }
        }
        return result
    }

    @inlinable public func subtracting(_ other: IntervalSet) -> IntervalSet {
        intersection(other.complement())
    }

    @inlinable public func isSubset(of other: IntervalSet) -> Bool { subtracting(other).isEmpty }
}

/// A set of IPv4 and IPv6 addresses.
public struct AddressSet: Hashable, Sendable {
    public var v4: IntervalSet<UInt32>
    public var v6: IntervalSet<UInt128>

    public init(v4: IntervalSet<UInt32> = .init(), v6: IntervalSet<UInt128> = .init()) {
        self.v4 = v4
        self.v6 = v6
    }

    public static var all: AddressSet { AddressSet(v4: .all, v6: .all) }
    public var isEmpty: Bool { v4.isEmpty && v6.isEmpty }

    public func contains(_ address: IPAddress) -> Bool {
        if let bits = address.v4Bits { return v4.contains(bits) }
        return v6.contains(address.bits)
    }

    /// Whether some address of a prefix is in the set.
    public func touches(_ prefix: Prefix) -> Bool {
        let bounds = prefix.bounds
        guard prefix.address.family == .ipv4 else { return v6.touches(bounds) }
        return v4.touches(
            UInt32(truncatingIfNeeded: bounds.lowerBound)...UInt32(truncatingIfNeeded: bounds.upperBound))
    }

    public func union(_ other: AddressSet) -> AddressSet {
        AddressSet(v4: v4.union(other.v4), v6: v6.union(other.v6))
    }

    public func intersection(_ other: AddressSet) -> AddressSet {
        AddressSet(v4: v4.intersection(other.v4), v6: v6.intersection(other.v6))
    }

    public func subtracting(_ other: AddressSet) -> AddressSet {
        AddressSet(v4: v4.subtracting(other.v4), v6: v6.subtracting(other.v6))
    }

    public func isSubset(of other: AddressSet) -> Bool { subtracting(other).isEmpty }
}
