// SPDX-License-Identifier: Apache-2.0
// Random sets of addresses of all shapes and addresses at their edges; what an image says of an address.
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import TestSupport

/// How random ranges lie.
enum Shape: CaseIterable {
    case prefixes, oneBlock, singles, alternating, blockEnds, wide, deep
}

struct RandomSets {
    var random: SeededGenerator

    /// Ranges in a space of `width` bits whose interesting part begins behind `top`.
    mutating func ranges<Bound: FixedWidthInteger & UnsignedInteger>(_ shape: Shape) -> [ClosedRange<Bound>] {
        let width = Bound.bitWidth
        let count = Int.random(in: 1...40, using: &random)
        let anchor = Bound.random(in: 0...Bound.max, using: &random)
        let cell = width - 24
        func prefix(_ address: Bound, _ length: Int) -> ClosedRange<Bound> {
            let size = length == 0 ? Bound.max : (Bound(1) << (width - length)) &- 1
            return address & ~size...address | size
        }
        switch shape {
        case .prefixes:
            return (0..<count).map { _ in
                prefix(.random(in: 0...Bound.max, using: &random), .random(in: 0...width, using: &random))
            }
        case .oneBlock:
            return (0..<count).map { _ in
                let address = ((anchor >> cell) << cell) | .random(in: 0..<(1 << cell), using: &random)
                return prefix(address, .random(in: 22...width, using: &random))
            }
        case .singles:
            return (0..<count).map { _ in
                let address = ((anchor >> 14) << 14) | .random(in: 0..<(1 << 14), using: &random)
                return address...address
            }
        case .alternating:
            let first = (anchor >> 8) << 8
            return (0..<Bound(count)).map { first + 2 * $0...first + 2 * $0 }
        case .blockEnds:
            return (0..<count).map { _ in
                let shift = [8, cell, width - 18, width - 12, width - 32].randomElement(using: &random) ?? 8
                let end = Bound.random(in: 0...Bound.max, using: &random) & ~((1 << shift) - 1)
                return (end == 0 ? 0 : end - 1)...end
            }
        case .wide:
            let (a, b) = (anchor, Bound.random(in: 0...Bound.max, using: &random))
            return [min(a, b)...max(a, b)]
        case .deep:
            let shift = [0, 3, width / 3, width / 2].randomElement(using: &random) ?? 0
            return (0..<200).map { number in
                let start = ((anchor >> 30) << 30) | Bound(number) << shift
                return start...start | ((1 << (shift / 2)) - 1)
            }
        }
    }

    mutating func set() -> AddressSet {
        var set = AddressSet()
        if Int.random(in: 0..<20, using: &random) == 0 { return .all }
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let shape = Shape.allCases.randomElement(using: &random) ?? .wide
            set = set.union(AddressSet(v4: IntervalSet(ranges(shape)), v6: IntervalSet(ranges(shape))))
        }
        return Int.random(in: 0..<4, using: &random) == 0 ? AddressSet.all.subtracting(set) : set
    }

    /// Addresses at and beside the edges of a set, and some at random.
    mutating func probes(_ set: AddressSet) -> [IPAddress] {
        var found: [IPAddress] = []
        for range in set.v4.ranges.shuffled(using: &random).prefix(60) {
            let edges = [
                range.lowerBound, range.lowerBound &- 1, range.upperBound, range.upperBound &+ 1,
                .random(in: range, using: &random),
            ]
            found += edges.map { IPAddress(v4: $0) }
        }
        for range in set.v6.ranges.shuffled(using: &random).prefix(60) {
            let edges = [
                range.lowerBound, range.lowerBound &- 1, range.upperBound, range.upperBound &+ 1,
                .random(in: range, using: &random),
            ]
            found += edges.map { IPAddress(v6: $0) }
        }
        found += (0..<20).map { _ in IPAddress(v4: .random(in: 0...UInt32.max, using: &random)) }
        return found + (0..<20).map { _ in IPAddress(v6: .random(in: 0...UInt128.max, using: &random)) }
    }
}

/// The rules whose bits an address's row has.
func rules(_ engine: NativeEngine, _ image: MapImage, _ address: IPAddress, side: Int) -> UInt64 {
    var bits = guard_address6(
        high: UInt64(truncatingIfNeeded: address.bits >> 64), low: UInt64(truncatingIfNeeded: address.bits))
    let family: UInt8 = address.family == .ipv4 ? 4 : 6
    // Without rules for the family a row ends before them, and the next one begins.
    let classifier = family == 4 ? image.config.classifiers.0 : image.config.classifiers.1
    guard classifier.words > 0 else { return 0 }
    let label = native_datapath_label(engine.datapath, family, Int32(side), &bits)
    return image.addresses.withUnsafeBytes { bytes in
        let header = bytes.loadUnaligned(as: guard_addresses_header.self)
        let partition = withUnsafeBytes(of: header.partitions) {
            $0.bindMemory(to: guard_partition.self)[(family == 4 ? 0 : 2) + side]
        }
        let row = bytes.loadUnaligned(fromByteOffset: Int(partition.labels + label * 8), as: UInt32.self)
        return bytes.loadUnaligned(fromByteOffset: Int(row) + 16, as: UInt64.self)
    }
}
