// SPDX-License-Identifier: Apache-2.0
// A rule's packets in one small box around them: most pairs of rules are told apart by it alone.
import NetworkTypes

/// The layers that a rule has packets in, and the lowest and highest numbers of three fields.
struct RuleHull: Sendable {
    /// Bit `layer` for IPv4, bit `layer + 16` for IPv6.
    private var layers: UInt32 = 0
    private var keys = Bounds<UInt16>()
    private var v4 = (source: Bounds<UInt32>(), destination: Bounds<UInt32>())
    private var v6 = (source: Bounds<UInt128>(), destination: Bounds<UInt128>())

    private struct Bounds<Number: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
        var low = Number.max
        var high = Number.min

        mutating func add(_ set: IntervalSet<Number>) {
            guard let first = set.ranges.first, let last = set.ranges.last else { return }
            low = min(low, first.lowerBound)
            high = max(high, last.upperBound)
        }

        func overlaps(_ other: Bounds) -> Bool { low <= other.high && other.low <= high }

        func contains(_ number: Number) -> Bool { low <= number && number <= high }
    }

    init(_ space: RuleSpace) {
        for part in space.v4 {
            layers |= 1 << UInt32(part.layer.rawValue)
            keys.add(part.region.words[WordField.key])
            v4.source.add(part.region.addresses[0])
            v4.destination.add(part.region.addresses[1])
        }
        for part in space.v6 {
            layers |= 1 << UInt32(part.layer.rawValue + 16)
            keys.add(part.region.words[WordField.key])
            v6.source.add(part.region.addresses[0])
            v6.destination.add(part.region.addresses[1])
        }
    }

    /// False only where the rules have no packet in common.
    func overlaps(_ other: RuleHull) -> Bool {
        guard layers & other.layers != 0, keys.overlaps(other.keys) else { return false }
        if v4.source.overlaps(other.v4.source), v4.destination.overlaps(other.v4.destination) { return true }
        return v6.source.overlaps(other.v6.source) && v6.destination.overlaps(other.v6.destination)
    }

    /// False only where none of the rule's packets are in the point's layer or have its addresses and key.
    func mayHold(_ point: PacketPoint<UInt32>) -> Bool {
        layers & 1 << UInt32(point.layer.rawValue) != 0 && keys.contains(point.words[WordField.key])
            && v4.source.contains(point.source) && v4.destination.contains(point.destination)
    }

    /// As for IPv4.
    func mayHold(_ point: PacketPoint<UInt128>) -> Bool {
        layers & 1 << UInt32(point.layer.rawValue + 16) != 0 && keys.contains(point.words[WordField.key])
            && v6.source.contains(point.source) && v6.destination.contains(point.destination)
    }
}
