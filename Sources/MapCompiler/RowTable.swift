// SPDX-License-Identifier: Apache-2.0
// Rows of bits and the classes of values that share one: values in, classes and distinct rows out.
import NetworkTypes

/// A set of bits, numbered from 0: the failsafe entries and flags of the head word, then the rules.
struct Row: Hashable {
    private(set) var words: [UInt64]

    init(words count: Int) { words = [UInt64](repeating: 0, count: count) }

    subscript(bit: Int) -> Bool {
        get { words[bit / 64] >> UInt64(bit % 64) & 1 == 1 }
        set {
            if newValue {
                words[bit / 64] |= 1 << UInt64(bit % 64)
            } else {
                words[bit / 64] &= ~(1 << UInt64(bit % 64))
            }
        }
    }
}

/// One bit's condition on a value: the values for which it stays set.
struct Constraint<Bound: FixedWidthInteger & UnsignedInteger & Sendable> {
    var bit: Int
    var values: IntervalSet<Bound>
}

/// All values of a key, cut into intervals whose rows are equal. `starts[0]` is the lowest value.
struct Classes<Bound: FixedWidthInteger & UnsignedInteger & Sendable> {
    private(set) var starts: [Bound] = []
    /// The class of the interval that begins at the same position of `starts`; an index of `rows`.
    private(set) var classes: [Int] = []
    private(set) var rows: [Row] = []

    /// - Parameters:
    ///   - base: the bits that hold for every value.
    ///   - constraints: the others; a bit may stand in several.
    init(base: Row, constraints: [Constraint<Bound>]) {
        var index: [Row: Int] = [:]
        var row = base
        var depth: [Int: Int] = [:]
        append(row, from: Bound.min, &index)
        for group in Self.edges(constraints) {
            for edge in group.edges {
                let count = depth[edge.bit, default: 0] + (edge.opens ? 1 : -1)
                depth[edge.bit] = count
                row[edge.bit] = count > 0
            }
            append(row, from: group.at, &index)
        }
    }

    private mutating func append(_ row: Row, from start: Bound, _ index: inout [Row: Int]) {
        let number = index[row] ?? rows.count
        if number == rows.count {
            rows.append(row)
            index[row] = number
        }
        if starts.last == start {
            classes[classes.count - 1] = number
        } else if classes.last != number {
            starts.append(start)
            classes.append(number)
        }
    }

    private struct Edge {
        var at: Bound
        var bit: Int
        var opens: Bool
    }

    /// Where bits change, ascending, all changes of one value together.
    private static func edges(_ constraints: [Constraint<Bound>]) -> [(at: Bound, edges: [Edge])] {
        var all: [Edge] = []
        for constraint in constraints {
            for range in constraint.values.ranges {
                all.append(Edge(at: range.lowerBound, bit: constraint.bit, opens: true))
                if range.upperBound < Bound.max {
                    all.append(Edge(at: range.upperBound + 1, bit: constraint.bit, opens: false))
                }
            }
        }
        all.sort { $0.at < $1.at }
        var groups: [(at: Bound, edges: [Edge])] = []
        for edge in all {
            if groups.last?.at == edge.at {
                groups[groups.count - 1].edges.append(edge)
            } else {
                groups.append((edge.at, [edge]))
            }
        }
        return groups
    }
}
