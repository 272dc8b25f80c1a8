// SPDX-License-Identifier: Apache-2.0
// A family's addresses cut into intervals: conditions on addresses in, intervals with labels and what each
// label stands for out. One pass over the sorted ends of all ranges.
import NetworkTypes

/// All addresses of a family in intervals. `starts[0]` is the lowest address; neighbours have different
/// labels.
struct Partition<Bound: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    var starts: [Bound] = [0]
    var labels: [UInt32] = [0]

    /// The number of the interval that holds an address.
    func position(of address: Bound) -> Int {
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= address { low = middle } else { high = middle }
        }
        return low
    }

    @inline(__always)
    mutating func append(_ start: Bound, _ label: UInt32) {
        let last = starts.count - 1
        if starts[last] == start {
            labels[last] = label
            if last > 0, labels[last - 1] == label {
                starts.removeLast()
                labels.removeLast()
            }
        } else if labels[last] != label {
            starts.append(start)
            labels.append(label)
        }
    }
}

/// What labels stand for: for each the bits that hold, all in one array.
struct LabelStates {
    let wordCount: Int
    private(set) var count = 0
    private var words: [UInt64] = []
    /// Labels by hash, those of equal hash chained.
    private var byHash: [UInt64: UInt32] = [:]
    private var next: [UInt32] = []
    /// The last label of some hashes: boundaries mostly lead back to a label just seen.
    private var recent = [(hash: UInt64, label: UInt32)](repeating: (0, .max), count: 256)

    init(wordCount: Int) { self.wordCount = wordCount }

    func state(_ label: Int) -> ArraySlice<UInt64> {
        words[label * wordCount..<(label + 1) * wordCount]
    }

    private func equals(_ label: UInt32, _ state: [UInt64]) -> Bool {
        let at = Int(label) * wordCount
        for word in 0..<wordCount where words[at + word] != state[word] { return false }
        return true
    }

    /// The label of a state, a new one where it is new.
    mutating func label(of state: [UInt64], hash: UInt64) -> UInt32 {
        let place = Int(truncatingIfNeeded: hash >> 56)
        if recent[place].hash == hash, recent[place].label != .max, equals(recent[place].label, state) {
            return recent[place].label
        }
        let found = find(state, hash) ?? add(state, hash)
        recent[place] = (hash, found)
        return found
    }

    private func find(_ state: [UInt64], _ hash: UInt64) -> UInt32? {
        var label = byHash[hash]
        while let candidate = label, candidate != .max {
            if equals(candidate, state) { return candidate }
            label = next[Int(candidate)]
        }
        return nil
    }

    mutating func add(_ state: [UInt64], _ hash: UInt64) -> UInt32 {
        let label = UInt32(count)
        next.append(byHash[hash] ?? .max)
        byHash[hash] = label
        words += state
        count += 1
        return label
    }
}

/// Where a condition begins or ends to hold.
private struct Edge<Bound: Comparable> {
    var at: Bound
    /// Twice the bit, and 1 where it begins.
    var what: UInt32
}

/// Too many different labels.
struct LabelOverflow: Error {
    /// The bit whose condition begins or ends where the first label too many lies.
    var bit: Int
}

extension Partition {
    /// - Parameters:
    ///   - base: the bits that hold for every address, beside the constraints'.
    ///   - constraints: the others; a bit may stand in several.
    init(
        base: [UInt64], constraints: [Constraint<Bound>], states: inout LabelStates
    ) throws(LabelOverflow) {
        self.init()
        let edges = Self.edges(constraints)
        starts.reserveCapacity(edges.count + 1)
        labels.reserveCapacity(edges.count + 1)
        var state = base
        var depth = [Int32](repeating: 0, count: base.count * 64)
        var hash = base.enumerated().reduce(UInt64(0)) { $0 &+ mix($1.element ^ UInt64($1.offset)) }
        // Label 0 is the lowest address's: the only one where there is one.
        if edges.first?.at != 0 { labels[0] = states.label(of: state, hash: hash) }
        var index = 0
        while index < edges.count {
            let at = edges[index].at
            while index < edges.count, edges[index].at == at {
                let bit = Int(edges[index].what >> 1)
                let before = depth[bit]
                depth[bit] += edges[index].what & 1 == 1 ? 1 : -1
                if (before > 0) != (depth[bit] > 0) {
                    state[bit >> 6] ^= 1 << UInt64(bit & 63)
                    hash ^= mix(UInt64(bit))
                }
                index += 1
            }
            let label = states.label(of: state, hash: hash)
            guard label < 65536 else { throw LabelOverflow(bit: Int(edges[index - 1].what >> 1)) }
            append(at, label)
        }
    }

    /// In order. Lists that are sorted in themselves, as one big set is, are merged rather than sorted.
    private static func edges(_ constraints: [Constraint<Bound>]) -> [Edge<Bound>] {
        var all: [Edge<Bound>] = []
        all.reserveCapacity(constraints.reduce(0) { $0 + 2 * $1.values.ranges.count })
        for constraint in constraints {
            let what = UInt32(constraint.bit) << 1
            for range in constraint.values.ranges {
                all.append(Edge(at: range.lowerBound, what: what | 1))
                if range.upperBound < Bound.max { all.append(Edge(at: range.upperBound + 1, what: what)) }
            }
        }
        if constraints.count > 1 { all.sort { $0.at < $1.at } }
        return all
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): independent numbers for neighbouring ones.
func mix(_ number: UInt64) -> UInt64 {
    var x = number &+ 0x9e37_79b9_7f4a_7c15
    x = (x ^ (x >> 30)) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
    return x ^ (x >> 31)
}
