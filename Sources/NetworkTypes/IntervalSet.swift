// SPDX-License-Identifier: Apache-2.0
// Sets of numbers as sorted closed intervals: the one representation of addresses, ports, lengths and tags.

/// A set of numbers, kept as sorted, disjoint, non-adjacent closed intervals.
public struct IntervalSet<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Hashable, Sendable {
    public private(set) var ranges: [ClosedRange<Bound>]

    public init() { ranges = [] }
    public init(_ range: ClosedRange<Bound>) { ranges = [range] }

    /// The union of any ranges, in any order: n log n.
    public init(_ unsorted: some Sequence<ClosedRange<Bound>>) {
        ranges = []
        for range in unsorted.sorted(by: { $0.lowerBound < $1.lowerBound }) { appendMerging(range) }
    }

    public static var all: IntervalSet { IntervalSet(Bound.min...Bound.max) }

    public var isEmpty: Bool { ranges.isEmpty }
    public var isAll: Bool { ranges == [Bound.min...Bound.max] }

    public func contains(_ value: Bound) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(value)
    }

    public func union(_ other: IntervalSet) -> IntervalSet { IntervalSet(ranges + other.ranges) }

    public func complement() -> IntervalSet {
        var result = IntervalSet()
        var next: Bound? = Bound.min
        for range in ranges {
            if let start = next, start < range.lowerBound { result.ranges.append(start...(range.lowerBound - 1)) }
            next = range.upperBound == Bound.max ? nil : range.upperBound + 1
        }
        if let start = next { result.ranges.append(start...Bound.max) }
        return result
    }

    public func intersection(_ other: IntervalSet) -> IntervalSet {
        var result = IntervalSet()
        var (i, j) = (0, 0)
        while i < ranges.count, j < other.ranges.count {
            let (a, b) = (ranges[i], other.ranges[j])
            let low = max(a.lowerBound, b.lowerBound)
            let high = min(a.upperBound, b.upperBound)
            if low <= high { result.ranges.append(low...high) }
            if a.upperBound < b.upperBound { i += 1 } else { j += 1 }
        }
        return result
    }

    public func subtracting(_ other: IntervalSet) -> IntervalSet { intersection(other.complement()) }

    public func isSubset(of other: IntervalSet) -> Bool { subtracting(other).isEmpty }

    private mutating func appendMerging(_ range: ClosedRange<Bound>) {
        guard let last = ranges.last else { return ranges.append(range) }
        let touches = last.upperBound == Bound.max || range.lowerBound <= last.upperBound + 1
        if touches {
            ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
        } else {
            ranges.append(range)
        }
    }
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
