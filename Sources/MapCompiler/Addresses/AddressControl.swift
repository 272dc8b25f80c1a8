// SPDX-License-Identifier: Apache-2.0
// What the controller must know to change a set later: the sets, what depends on them, and of each label which
// conditions hold. It lies behind the tables in the same value, so that both change at once; the program never
// reads it.
import GuardABI

/// A named set in a running image.
public struct ImageSet: Sendable, Hashable {
    public var name: String
    /// Its hit counter.
    public var slot: UInt32
    /// A path where it was read from a file, else empty.
    public var file: String
    /// Some rule, failsafe entry or never-ban names it, by itself or through another set.
    public var isUsed = false
    /// Nanoseconds since 1970-01-01T00:00Z of its last change by hand or refresh; 0: none since the apply.
    public var changedNanoseconds: Int64 = 0
    /// What was done by hand since the last apply or refresh, the last of it.
    public var changes: [ImageChange] = []
    public init(name: String, slot: UInt32, file: String) {
        self.name = name
        self.slot = slot
        self.file = file
    }
}

/// A change by hand.
public struct ImageChange: Sendable, Hashable {
    public enum Kind: UInt32, Sendable { case added, removed, replaced }
    public var kind: Kind
    /// Since 1970-01-01T00:00Z.
    public var nanoseconds: Int64
    /// Prefixes, addresses or ranges that were given.
    public var count: UInt32
}

/// How a set's members come about in one partition. Four conditions of an address belong to the set at
/// position p, from condition 4 * p on.
struct SetAlgebra: Equatable {
    /// Position in the control's sets.
    var set: Int
    /// Positions of other sets in the partition, all before this one.
    var included: [Int] = []
    var excluded: [Int] = []
    var startsFromAll = false

    enum Condition: Int { case own, ownExcluded, added, removed }
    static let conditions = 4
}

/// How a bit of the rows comes about from sets and from further conditions.
struct BitAlgebra: Equatable {
    var bit: Int
    var included: [Int] = []
    var excluded: [Int] = []
    var startsFromAll = false
    /// Conditions; -1: none.
    var literal = -1
    var excludedLiteral = -1
}

/// All of it for one partition.
struct PartitionAlgebra: Equatable {
    var sets: [SetAlgebra] = []
    var bits: [BitAlgebra] = []
    var conditionWords = 0
    /// `conditionWords` for each label: the conditions that hold.
    var conditions: [UInt64] = []

    /// Which of the sets hold an address under whose label these conditions hold.
    func members(_ conditions: some Collection<UInt64>) -> [Bool] {
        func holds(_ number: Int) -> Bool { Self.holds(number, conditions) }
        var members: [Bool] = []
        members.reserveCapacity(sets.count)
        for (position, set) in sets.enumerated() {
            let first = position * SetAlgebra.conditions
            var isIn = set.startsFromAll || holds(first) || set.included.contains { members[$0] }
            isIn = isIn && !holds(first + 1) && !set.excluded.contains { members[$0] }
            members.append((isIn || holds(first + 2)) && !holds(first + 3))
        }
        return members
    }

    func holds(_ bit: BitAlgebra, _ members: [Bool], _ conditions: some Collection<UInt64>) -> Bool {
        let isIn =
            bit.startsFromAll || (bit.literal >= 0 && Self.holds(bit.literal, conditions))
            || bit.included.contains { members[$0] }
        let isOut =
            (bit.excludedLiteral >= 0 && Self.holds(bit.excludedLiteral, conditions))
            || bit.excluded.contains { members[$0] }
        return isIn && !isOut
    }

    private static func holds(_ number: Int, _ conditions: some Collection<UInt64>) -> Bool {
        conditions[conditions.index(conditions.startIndex, offsetBy: number >> 6)] >> UInt64(number & 63) & 1
            == 1
    }

    /// The bits that depend on sets.
    func mask(words: Int) -> [UInt64] {
        var mask = [UInt64](repeating: 0, count: words)
        for bit in bits where bit.bit >> 6 < words { mask[bit.bit >> 6] |= 1 << UInt64(bit.bit & 63) }
        return mask
    }
}

/// The control of a whole image.
struct AddressControl: Equatable {
    /// Words of a row without its summary.
    var rowWords = 0
    var sets: [ImageSet] = []
    /// By GUARD_PARTITION.
    var partitions = [PartitionAlgebra](repeating: PartitionAlgebra(), count: 4)
}

/// An image that does not hold what it should: of another version, or damaged.
public struct DamagedImage: Error, Sendable {}

extension AddressControl {
    func encoded() -> [UInt8] {
        var out = ByteWriter()
        out.put(rowWords)
        out.put(sets) { out, set in
            out.put(set.name)
            out.put(Int(set.slot))
            out.put(set.file)
            out.put(set.isUsed ? 1 : 0)
            out.put(Int(set.changedNanoseconds))
            out.put(set.changes) { out, change in
                out.put(Int(change.kind.rawValue))
                out.put(Int(change.nanoseconds))
                out.put(Int(change.count))
            }
        }
        out.put(partitions) { out, partition in
            out.put(partition.sets) { out, set in
                out.put(set.set)
                out.put(set.included) { $0.put($1) }
                out.put(set.excluded) { $0.put($1) }
                out.put(set.startsFromAll ? 1 : 0)
            }
            out.put(partition.bits) { out, bit in
                out.put(bit.bit)
                out.put(bit.included) { $0.put($1) }
                out.put(bit.excluded) { $0.put($1) }
                out.put(bit.startsFromAll ? 1 : 0)
                out.put(bit.literal)
                out.put(bit.excludedLiteral)
            }
            out.put(partition.conditionWords)
            out.put(partition.conditions) { $0.put(Int(bitPattern: UInt($1))) }
        }
        return out.bytes
    }

    init(_ bytes: [UInt8]) throws(DamagedImage) {
        var input = ByteReader(bytes: bytes)
        rowWords = try input.int()
        sets = try input.array { input throws(DamagedImage) in
            var set = ImageSet(
                name: try input.string(), slot: UInt32(truncatingIfNeeded: try input.int()),
                file: try input.string())
            set.isUsed = try input.int() != 0
            set.changedNanoseconds = Int64(try input.int())
            set.changes = try input.array { input throws(DamagedImage) in
                let kind = ImageChange.Kind(rawValue: UInt32(truncatingIfNeeded: try input.int()))
                let time = Int64(try input.int())
                return ImageChange(
                    kind: kind ?? .added, nanoseconds: time,
                    count: UInt32(truncatingIfNeeded: try input.int()))
            }
            return set
        }
        partitions = try input.array { input throws(DamagedImage) in try Self.partition(&input) }
        guard partitions.count == 4, partitions.allSatisfy(isSound) else { throw DamagedImage() }
    }

    private static func partition(_ input: inout ByteReader) throws(DamagedImage) -> PartitionAlgebra {
        var partition = PartitionAlgebra()
        partition.sets = try input.array { input throws(DamagedImage) in
            SetAlgebra(
                set: try input.int(), included: try input.ints(), excluded: try input.ints(),
                startsFromAll: try input.int() != 0)
        }
        partition.bits = try input.array { input throws(DamagedImage) in
            BitAlgebra(
                bit: try input.int(), included: try input.ints(), excluded: try input.ints(),
                startsFromAll: try input.int() != 0, literal: try input.int(),
                excludedLiteral: try input.int())
        }
        partition.conditionWords = try input.int()
        partition.conditions = try input.ints().map { UInt64(UInt(bitPattern: $0)) }
        return partition
    }

    /// Every number points at what is there: nothing read from an image may trap later.
    private func isSound(_ partition: PartitionAlgebra) -> Bool {
        let count = partition.sets.count
        let places = -1..<partition.conditionWords * 64
        let areSetsSound = partition.sets.enumerated().allSatisfy { position, set in
            sets.indices.contains(set.set)
                && (set.included + set.excluded).allSatisfy { (0..<position).contains($0) }
        }
        let areBitsSound = partition.bits.allSatisfy { bit in
            (0..<rowWords * 64).contains(bit.bit) && places.contains(bit.literal)
                && places.contains(bit.excludedLiteral)
                && (bit.included + bit.excluded).allSatisfy { (0..<count).contains($0) }
        }
        return areSetsSound && areBitsSound && (0...4096).contains(partition.conditionWords)
            && count * SetAlgebra.conditions <= partition.conditionWords * 64
    }
}
