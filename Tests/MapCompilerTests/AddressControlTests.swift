// SPDX-License-Identifier: Apache-2.0
// The control of an image: reads as it was written, and no damage to it traps.
import GuardABI
import NetworkTypes
import TestSupport
import Testing

@testable import MapCompiler

private func sample() -> AddressControl {
    var control = AddressControl()
    control.sets = [
        ImageSet(name: "office", slot: 3, file: ""), ImageSet(name: "bad", slot: 900, file: "/lists/bad.txt"),
    ]
    control.sets[0].isUsed = true
    control.sets[1].changedNanoseconds = 1_700_000_000_000_000_000
    control.sets[1].changes = [
        ImageChange(kind: .removed, nanoseconds: -5, count: 12),
        ImageChange(kind: .replaced, nanoseconds: 7, count: .max),
    ]
    var partition = PartitionAlgebra()
    partition.rowWords = 3
    partition.sets = [
        SetAlgebra(set: 1), SetAlgebra(set: 0, included: [0], excluded: [0], startsFromAll: true),
    ]
    partition.bits = [
        BitAlgebra(bit: 70, included: [1], excluded: [0], startsFromAll: false, literal: 8),
        BitAlgebra(bit: 63, included: [0], excludedLiteral: 9),
    ]
    partition.conditionWords = 1
    partition.conditions = [0, 1, .max]
    control.partitions[2] = partition
    return control
}

struct AddressControlTests {
    @Test func `a control reads as it was written`() throws {
        let control = sample()
        #expect(try AddressControl(control.encoded()) == control)
        #expect(try AddressControl(AddressControl().encoded()) == AddressControl())
    }

    @Test func `a control that ends early, or is changed anywhere, is refused or sound`() {
        let bytes = sample().encoded()
        for count in 0..<bytes.count {
            #expect(throws: DamagedImage.self) { try AddressControl(Array(bytes[..<count])) }
        }
        for position in bytes.indices {
            for value in [UInt8(0xff), 0x80, bytes[position] ^ 1] {
                var damaged = bytes
                damaged[position] = value
                guard let control = try? AddressControl(damaged) else { continue }
                // Whatever it says, asking it does not trap.
                for partition in control.partitions {
                    let conditions = [UInt64](repeating: .max, count: partition.conditionWords)
                    let members = partition.members(conditions)
                    for bit in partition.bits { _ = partition.holds(bit, members, conditions) }
                    _ = partition.mask(words: partition.rowWords)
                }
            }
        }
    }

    @Test func `an image without sets, or cut short, cannot be changed`() {
        let empty = AddressMemory(growing: ())
        empty.finish(guard_addresses_header(), AddressControl())
        #expect(throws: SetChangeError.damagedImage) { try AddressEditor(empty) }
        let cut = AddressMemory(growing: ())
        cut.finish(guard_addresses_header(), sample())
        var header = cut.header
        header.control_size += 8
        cut.header = header
        #expect(throws: SetChangeError.damagedImage) { try AddressEditor(cut) }
    }

    @Test func `a change of a set that is not there, or not looked up, is refused`() throws {
        let memory = AddressMemory(growing: ())
        memory.finish(guard_addresses_header(), sample())
        var editor = try AddressEditor(memory)
        func change(_ set: String) -> SetChange {
            SetChange(set, .add, AddressSet(v4: IntervalSet(1...1)), count: 1, nanoseconds: 0)
        }
        #expect(throws: SetChangeError.unknownSet) { try editor.apply(change("none")) }
        #expect(throws: SetChangeError.unusedSet) { try editor.apply(change("bad")) }
        #expect(throws: SetChangeError.unusedSet) { try editor.rebuilt(change("bad")) }
    }

    @Test func `only additions and removals that touch few blocks are little`() {
        func isLittle(_ kind: SetChange.Kind, _ addresses: AddressSet) -> Bool {
            AddressEditor.isLittle(SetChange("s", kind, addresses, count: 1, nanoseconds: 0))
        }
        let one = AddressSet(v4: IntervalSet(7...7))
        #expect(isLittle(.add, one) && isLittle(.remove, one))
        #expect(!isLittle(.replace, one) && !isLittle(.refresh, one) && !isLittle(.restore, one))
        #expect(!isLittle(.add, .all))
        #expect(isLittle(.add, AddressSet(v6: IntervalSet(0...(UInt128(1) << 104) - 1))))
        #expect(!isLittle(.remove, AddressSet(v6: .all)))
    }
}
