// SPDX-License-Identifier: Apache-2.0
// Which rules hold for one packet, found without asking every rule: spaces in, for a packet the rules that
// hold for it out. A packet that no earlier rule holds for proves that a rule is not hidden.
import NetworkTypes

/// One packet of a layer: a value for each field of `PacketRegion`.
struct PacketPoint<Address: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    let layer: PacketLayer
    var source: Address
    var destination: Address
    var words: [UInt16]
    var bytes: [UInt8]

    /// A packet of the part, which is not empty; other numbers mostly give other packets, 0 and 1 the lowest
    /// and the highest one in every field.
    init(of part: RuleSpacePart<Address>, number: UInt64) {
        var mixer = Mixer(state: number)
        layer = part.layer
        source = mixer.choose(part.region.addresses[0], number)
        destination = mixer.choose(part.region.addresses[1], number)
        words = part.region.words.map { mixer.choose($0, number) }
        bytes = part.region.bytes.map { mixer.choose($0, number) }
    }

    /// Whether any of the parts holds it. Their order of fields is that of how much they tell apart.
    func isIn(_ parts: [RuleSpacePart<Address>]) -> Bool {
        for index in parts.indices where parts[index].layer == layer {
            if parts[index].region.addresses[0].contains(source),
                parts[index].region.addresses[1].contains(destination),
                Self.holds(parts[index].region.words, words), Self.holds(parts[index].region.bytes, bytes)
            {
                return true
            }
        }
        return false
    }

    private static func holds<Number>(_ sets: [IntervalSet<Number>], _ values: [Number]) -> Bool {
        for field in values.indices where !sets[field].contains(values[field]) { return false }
        return true
    }
}

/// SplitMix64: the same numbers in every run, so that lint says the same of the same policy.
private struct Mixer {
    var state: UInt64

    mutating func choose<Number: FixedWidthInteger & UnsignedInteger & Sendable>(
        _ set: IntervalSet<Number>, _ number: UInt64
    ) -> Number {
        if number == 0 { return set.ranges.first?.lowerBound ?? 0 }
        if number == 1 { return set.ranges.last?.upperBound ?? 0 }
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        let range = set.ranges[Int(mixed % UInt64(max(1, set.ranges.count)))]
        let width = range.upperBound - range.lowerBound
        let low = mixed &* 0xd6e8_feb8_6659_fd93
        let offset = Number(truncatingIfNeeded: UInt128(mixed) << 64 | UInt128(low))
        return width == Number.max ? offset : range.lowerBound + offset % (width + 1)
    }
}

/// Rules of one family by the address prefixes around their sources and destinations, and by their key (port,
/// type or protocol) where that is a single one. A packet's rules are all in the buckets of its own prefixes.
struct RuleIndex<Address: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    /// How rules of one kind are looked up.
    private struct Shape: Hashable {
        let sourceLength: Int
        let destinationLength: Int
        let hasKey: Bool
    }

    private struct Bucket: Hashable {
        let shape: Int
        let source: Address
        let destination: Address
        let key: UInt16
    }

    private struct Entry {
        let rule: Int
        /// The next one of the bucket, with a higher rule; -1: none.
        let next: Int
    }

    private var shapes: [Shape] = []
    private var positions: [Shape: Int] = [:]
    private var heads: [Bucket: Int] = [:]
    private var entries: [Entry] = []

    /// Adds a rule whose packets are `parts`. Rules come in falling order.
    mutating func add(_ rule: Int, _ parts: [RuleSpacePart<Address>]) {
        guard let hull = Hull(parts) else { return }
        let shape = Shape(
            sourceLength: hull.source.length, destinationLength: hull.destination.length,
            hasKey: hull.key != nil)
        let position = positions[shape] ?? shapes.count
        if position == shapes.count {
            shapes.append(shape)
            positions[shape] = position
        }
        let bucket = Bucket(
            shape: position, source: hull.source.bits, destination: hull.destination.bits, key: hull.key ?? 0)
        entries.append(Entry(rule: rule, next: heads[bucket] ?? -1))
        heads[bucket] = entries.count - 1
    }

    /// Hands the rules before `end` that may hold for the packet to `body`, bucket by bucket in rising
    /// order, until that answers false.
    /// - Returns: how many buckets and rules were touched.
    func forEachCandidate(
        _ point: PacketPoint<Address>, before end: Int, _ body: (Int) -> Bool
    ) -> Int {
        var work = 0
        for (position, shape) in shapes.enumerated() {
            work += 1
            let bucket = Bucket(
                shape: position, source: point.source & leadingBits(shape.sourceLength),
                destination: point.destination & leadingBits(shape.destinationLength),
                key: shape.hasKey ? point.words[WordField.key] : 0)
            var index = heads[bucket] ?? -1
            while index >= 0, entries[index].rule < end {
                work += 1
                guard body(entries[index].rule) else { return work }
                index = entries[index].next
            }
        }
        return work
    }
}

/// The smallest prefixes around a rule's addresses, and its key where there is one only.
private struct Hull<Address: FixedWidthInteger & UnsignedInteger & Sendable> {
    let source: (bits: Address, length: Int)
    let destination: (bits: Address, length: Int)
    let key: UInt16?

    /// Nil without parts.
    init?(_ parts: [RuleSpacePart<Address>]) {
        guard !parts.isEmpty else { return nil }
        var (source, destination, keys) = (Span<Address>(), Span<Address>(), Span<UInt16>())
        for index in parts.indices {
            source.add(parts[index].region.addresses[0])
            destination.add(parts[index].region.addresses[1])
            keys.add(parts[index].region.words[WordField.key])
        }
        self.source = source.prefix
        self.destination = destination.prefix
        key = keys.low == keys.high ? keys.low : nil
    }
}

/// The lowest and the highest number of some sets.
private struct Span<Number: FixedWidthInteger & UnsignedInteger & Sendable> {
    var low = Number.max
    var high = Number.min

    mutating func add(_ set: IntervalSet<Number>) {
        guard let first = set.ranges.first, let last = set.ranges.last else { return }
        low = min(low, first.lowerBound)
        high = max(high, last.upperBound)
    }

    /// The leading bits that all numbers have.
    var prefix: (bits: Number, length: Int) {
        let length = (low ^ high).leadingZeroBitCount
        return (low & leadingBits(length), length)
    }
}

private func leadingBits<Address: FixedWidthInteger>(_ length: Int) -> Address {
    length == 0 ? 0 : ~Address(0) << Address(Address.bitWidth - length)
}
