// SPDX-License-Identifier: Apache-2.0
// Which tuples can hold an entry for an address, by the address's first bits (struct guard_tuple_side). A set
// may name tuples that hold none: that only costs a look.
import GuardABI
import PolicyLanguage

/// The sets of tuples of a family, each once, and the tables that lead to them.
struct TupleSets {
    /// Blocks of a side: beyond them a /16 has one set for all its addresses.
    private static let blocksMax = 4096

    /// As a bit for each tuple.
    private(set) var all: [UInt64] = []
    private var numbers: [UInt64: UInt16] = [:]

    /// A prefix that some entry of a tuple has on one side.
    private struct Use: Hashable {
        var bits: UInt128
        var length: UInt8
        var tuple: UInt8
    }

    /// Writes one side's tables.
    mutating func writeSide(
        _ side: AddressSide, of space: TupleSpace, to writer: inout TableWriter
    ) -> guard_tuple_side {
        let uses = Set(
            space.entries.indices.map { position in
                let entry = space.entries[position]
                return side == .source
                    ? Use(bits: entry.source, length: entry.sourceLength, tuple: space.tupleOf[position])
                    : Use(
                        bits: entry.destination, length: entry.destinationLength,
                        tuple: space.tupleOf[position])
            })
        return space.isIPv6 ? writeIPv6(uses, to: &writer) : writeIPv4(uses, to: &writer)
    }

    /// The number of a set; where there are too many, that of all tuples.
    private mutating func number(of set: UInt64) -> UInt16 {
        if let number = numbers[set] { return number }
        let isFull = all.count == Int(GUARD_SIDE_BLOCK) - 1
        guard !isFull || set == .max else { return number(of: .max) }
        numbers[set] = UInt16(all.count)
        all.append(set)
        return UInt16(all.count - 1)
    }

    // MARK: IPv4

    private mutating func writeIPv4(_ uses: Set<Use>, to writer: inout TableWriter) -> guard_tuple_side {
        var top = PrefixTree(depth: 16)
        var deep: [UInt64] = []
        for use in uses {
            let bits = UInt64(use.bits)
            if use.length <= 16 {
                top.add(Int(bits >> 16), length: Int(use.length), use.tuple)
            } else {
                deep.append((bits >> 8) << 16 | UInt64(min(use.length, 24)) << 8 | UInt64(use.tuple))
            }
        }
        deep.sort()
        var sets = top.leaves(under: 0)
        var root = [UInt16](repeating: 0, count: sets.count)
        var blocks: [UInt16] = []
        var known: [[UInt16]: Int] = [:]
        var isBlock = Set<Int>()
        for run in runs(deep) {
            let sixteen = Int(deep[run.lowerBound] >> 24)
            var tree = PrefixTree(depth: 8)
            for use in deep[run] {
                tree.add(Int(use >> 16 & 255), length: Int(use >> 8 & 255) - 16, UInt8(use & 255))
            }
            let leaves = tree.leaves(under: sets[sixteen])
            let block = leaves.map { number(of: $0) }
            let place = known[block] ?? blocks.count / 256
            guard place < Self.blocksMax else {
                sets[sixteen] = leaves.reduce(0, |)
                continue
            }
            if place == blocks.count / 256 { blocks += block }
            known[block] = place
            root[sixteen] = UInt16(GUARD_SIDE_BLOCK) | UInt16(place)
            isBlock.insert(sixteen)
        }
        for index in root.indices where !isBlock.contains(index) { root[index] = number(of: sets[index]) }
        var side = guard_tuple_side()
        side.root = writer.append(root, alignment: 64)
        side.blocks = writer.append(blocks, alignment: 64)
        return side
    }

    /// Runs of uses in one /16.
    private func runs(_ deep: [UInt64]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for (position, use) in deep.enumerated() {
            if let last = runs.last, deep[last.lowerBound] >> 24 == use >> 24 {
                runs[runs.count - 1] = last.lowerBound..<position + 1
            } else {
                runs.append(position..<position + 1)
            }
        }
        return runs
    }

    // MARK: IPv6

    private mutating func writeIPv6(_ uses: Set<Use>, to writer: inout TableWriter) -> guard_tuple_side {
        var top = PrefixTree(depth: 16)
        var wide: [UInt64: UInt64] = [:]
        var narrow: [UInt64: UInt64] = [:]
        for use in uses {
            let tuple = UInt64(1) << UInt64(use.tuple)
            switch use.length {
            case ..<32:
                top.add(Int(use.bits >> 112), length: min(Int(use.length), 16), use.tuple)
            case ..<48: wide[UInt64(use.bits >> 96), default: 0] |= tuple
            default: narrow[UInt64(use.bits >> 80), default: 0] |= tuple
            }
        }
        var side = guard_tuple_side()
        side.root = writer.append(top.leaves(under: 0).map { number(of: $0) }, alignment: 64)
        (side.wide, side.wide_mask) = writeHashed(wide, to: &writer)
        (side.narrow, side.narrow_mask) = writeHashed(narrow, to: &writer)
        return side
    }

    /// Sets by a hash of leading bits (hashed_set in stages/tuples.bpf.h); those of colliding prefixes are
    /// one.
    private mutating func writeHashed(
        _ sets: [UInt64: UInt64], to writer: inout TableWriter
    ) -> (table: UInt32, mask: UInt32) {
        guard !sets.isEmpty else { return (0, 0) }
        var size = 64
        while size < sets.count * 8, size < 65536 { size *= 2 }
        var table = [UInt64](repeating: 0, count: size)
        for (bits, set) in sets {
            table[Int((bits &* 0x9e37_79b9_7f4a_7c15) >> 48) & (size - 1)] |= set
        }
        return (writer.append(table.map { number(of: $0) }, alignment: 64), UInt32(size - 1))
    }
}

/// Sets of tuples by prefix, as a complete binary tree: the node of a prefix of n bits is 2^n + its bits.
private struct PrefixTree {
    private let depth: Int
    private var nodes: [UInt64]

    init(depth: Int) {
        self.depth = depth
        nodes = [UInt64](repeating: 0, count: 2 << depth)
    }

    /// - Parameter bits: `depth` bits, zero behind the prefix.
    mutating func add(_ bits: Int, length: Int, _ tuple: UInt8) {
        nodes[(1 << length) + (bits >> (depth - length))] |= 1 << UInt64(tuple)
    }

    /// The sets of all values in order: those of every prefix around them.
    func leaves(under parent: UInt64) -> [UInt64] {
        var nodes = nodes
        nodes[1] |= parent
        for node in 2..<nodes.count { nodes[node] |= nodes[node / 2] }
        return Array(nodes[(1 << depth)...])
    }
}
