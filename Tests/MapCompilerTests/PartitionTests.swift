// SPDX-License-Identifier: Apache-2.0
// Partitions and what is written of them: against asking every constraint, and read back as they were.
import GuardABI
import NetworkTypes
import TestSupport
import Testing

@testable import MapCompiler

private func randomRanges<Bound: FixedWidthInteger & UnsignedInteger>(
    _ random: inout SeededGenerator, near anchor: Bound
) -> [ClosedRange<Bound>] {
    (0..<Int.random(in: 0...30, using: &random)).map { _ in
        let shift = Int.random(in: 0..<Bound.bitWidth, using: &random)
        let start = anchor ^ (Bound.random(in: 0...Bound.max, using: &random) >> shift)
        let length = Bound.random(in: 0...Bound.max, using: &random) >> min(Bound.bitWidth - 1, shift + 3)
        return start...(start > Bound.max - length ? Bound.max : start + length)
    }
}

private func written<Bound: CellBound>(_ partition: Partition<Bound>) -> (AddressMemory, guard_partition) {
    let memory = AddressMemory(growing: ())
    var table = guard_partition()
    table.root = UInt32(PartitionWriter.write(partition, to: memory))
    return (memory, table)
}

private func checkRoundTrip<Bound: CellBound>(_ type: Bound.Type, _ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<15 {
        let anchor = Bound.random(in: 0...Bound.max, using: &random)
        let constraints = (0..<Int.random(in: 0...8, using: &random)).map { bit in
            Constraint(bit: bit * 30, values: IntervalSet(randomRanges(&random, near: anchor)))
        }
        var states = LabelStates(wordCount: 4)
        let base: [UInt64] = [0, 0, 0, 1 << 63]
        let partition = try Partition(base: base, constraints: constraints, states: &states)
        #expect(partition.starts.first == 0 && partition.starts == partition.starts.sorted())
        #expect(zip(partition.labels, partition.labels.dropFirst()).allSatisfy { $0 != $1 }, "seed \(seed)")
        for (position, start) in partition.starts.enumerated() {
            var expected = base
            for constraint in constraints where constraint.values.contains(start) {
                expected[constraint.bit / 64] |= 1 << UInt64(constraint.bit % 64)
            }
            #expect(Array(states.state(Int(partition.labels[position]))) == expected, "seed \(seed)")
            #expect(partition.position(of: start) == position)
        }
        let (memory, table) = written(partition)
        let read = memory.partition(table, of: Bound.self)
        #expect(read.starts == partition.starts && read.labels == partition.labels, "seed \(seed)")
    }
}

struct PartitionTests {
    @Test(arguments: 0..<3) func `a partition has its constraints' bits and reads as it was written`(
        _ round: Int
    ) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        try checkRoundTrip(UInt32.self, seed)
        try checkRoundTrip(UInt128.self, seed)
    }

    @Test func `a bit of several constraints holds where any of them does`() throws {
        var states = LabelStates(wordCount: 1)
        let partition = try Partition<UInt32>(
            base: [0],
            constraints: [
                Constraint(bit: 5, values: IntervalSet(10...20)),
                Constraint(bit: 5, values: IntervalSet(15...30)),
            ], states: &states)
        #expect(partition.starts == [0, 10, 31])
        #expect(states.count == 2)
    }

    @Test func `all addresses, and the last address alone, are intervals like others`() throws {
        var states = LabelStates(wordCount: 1)
        let all = try Partition<UInt32>(
            base: [0], constraints: [Constraint(bit: 0, values: .all)], states: &states)
        #expect(all.starts == [0] && all.labels == [0] && states.state(0) == [1])
        let last = try Partition<UInt128>(
            base: [0],
            constraints: [Constraint(bit: 0, values: IntervalSet(UInt128.max...UInt128.max))],
            states: &states)
        #expect(last.starts == [0, UInt128.max])
        let (memory, table) = written(last)
        #expect(memory.partition(table, of: UInt128.self).starts == last.starts)
        #expect(memory.label(of: UInt128.max, root: Int(table.root)) == last.labels[1])
        #expect(memory.label(of: UInt128.max - 1, root: Int(table.root)) == last.labels[0])
    }

    @Test func `a hundred thousand constraints of single addresses make no more work than their number`()
        throws
    {
        // As engines for many rules have them: few bits, many constraints of each.
        let constraints = (0..<100_000).map { number in
            let address = UInt32(truncatingIfNeeded: number &* 0x9e37_79b1)
            return Constraint(bit: number % 64, values: IntervalSet(address...address))
        }
        var states = LabelStates(wordCount: 1)
        let partition = try Partition<UInt32>(base: [0], constraints: constraints, states: &states)
        #expect(partition.starts.count > 190_000 && states.count == 65)
    }

    @Test func `the bit that makes a label too many is told`() {
        let constraints = (0..<65_537).map { number in
            Constraint(bit: number, values: IntervalSet(UInt32(number) << 8...UInt32(number) << 8 | 7))
        }
        var states = LabelStates(wordCount: 1025)
        #expect(throws: LabelOverflow.self) {
            _ = try Partition<UInt32>(
                base: [UInt64](repeating: 0, count: 1025), constraints: constraints, states: &states)
        }
    }

    @Test(arguments: [1, 2, 3, 4, 6, 7, 12, 48, 49, 384, 385, 3000])
    func `a tree reads as it was written, whatever its size`(_ count: Int) {
        var content = TreeContent()
        for number in 0..<count {
            content.append(UInt64(number * number * 7), GUARD_LABEL | UInt32(number % 65_000))
        }
        let memory = AddressMemory(growing: ())
        let tree = memory.appendTree(content)
        var read = TreeContent()
        memory.walk(tree) { read.append($0, $1) }
        #expect(read.keys == content.keys && read.values == content.values)
        #expect((tree & GUARD_LABEL != 0) == (count == 1))
    }

    @Test func `a million addresses of no order take about twelve megabytes`() throws {
        let addresses = (0..<UInt32(1_000_000)).map { $0 &* 0x9e37_79b1 }
        var states = LabelStates(wordCount: 1)
        let partition = try Partition<UInt32>(
            base: [0],
            constraints: [Constraint(bit: 0, values: IntervalSet(addresses.map { $0...$0 }))],
            states: &states)
        let (memory, _) = written(partition)
        #expect((11 << 20...13 << 20).contains(memory.used), "\(memory.used) bytes")
    }
}
