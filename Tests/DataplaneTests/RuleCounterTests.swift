// SPDX-License-Identifier: Apache-2.0
// Counter slots of many rules: names keep theirs, further pages count, and all can be read at once. On maps
// of its own, through the kernel.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let pageSlots = Int(GUARD_PAGE_SLOTS)

/// Rules for UDP ports from 1 on, each with the slot given for its position.
private func image(slots: [UInt32]) throws -> GenerationImage {
    var policy = CheckedPolicy(name: "counters")
    policy.defaultVerdict = .pass
    var target = CompileTarget()
    target.isReplay = true
    for (position, slot) in slots.enumerated() {
        let nowhere = SourceRange(SourceText(path: "", text: ""), 0, 0)
        var rule = Rule(name: "r\(position)", action: .drop, range: nowhere)
        let port = UInt16(position + 1)
        rule.match.service = ServiceSet(
            others: false, exceptions: [.udp: .init(values: IntervalSet(port...port), unread: false)])
        policy.rules.append(rule)
        target.slots[rule.name] = slot
    }
    let compiled = try compile(policy, for: target)
    return GenerationImage(
        config: compiled.config, tables: compiled.tables, addresses: compiled.addresses, info: [])
}

private func frame(port: Int) throws -> [UInt8] {
    try PacketBuilder("udp 203.0.113.77:1000 > 198.51.100.1:\(port)").bytes
}

private func run(_ program: ReplayProgram, port: Int, times: Int) throws -> UInt32? {
    var slot: UInt32?
    for _ in 0..<times {
        slot = try frame(port: port).withUnsafeBytes {
            try program.run($0, date: 0, clock: 0, interface: 0).ruleSlot
        }
    }
    return slot
}

@Suite(.enabled(if: KernelTests.areWanted))
struct RuleCounterTests {
    @Test func `names keep their slots, and slots behind the first page count`() throws {
        let state = try ReplayProgram(image(slots: [])).state
        let old = (0..<pageSlots + 5).map { "old \($0)" }
        let first = try state.assignSlots(to: old, running: [])
        #expect(Set(first.values).count == old.count)
        let second = try state.assignSlots(to: ["new"] + old.reversed(), running: Set(old))
        #expect(second.filter { $0.key != "new" } == first)
        let slot = try #require(second["new"])
        #expect(Int(slot) == old.count)
        #expect(try state.slots() == second)

        let program = try ReplayProgram(image(slots: [slot, 3]), continuing: state)
        #expect(try run(program, port: 1, times: 7) == slot)
        #expect(try run(program, port: 2, times: 2) == 3)
        let counts = try state.ruleCounts(slots: [slot, 3, 4])
        #expect(counts.map(\.decided.packets) == [7, 2, 0])
        let all = try state.ruleCounts(slots: (0...slot).map { $0 })
        #expect(all.count == Int(slot) + 1)
        #expect(all[Int(slot)] == counts[0] && all[3] == counts[1])
        #expect(all.reduce(0) { $0 + $1.decided.packets } == 9)
    }

    @Test func `a slot whose page was never made counts nothing and decides all the same`() throws {
        let lost = UInt32(2 * pageSlots + 1)
        let program = try ReplayProgram(image(slots: [lost]))
        #expect(try run(program, port: 1, times: 1) == lost)
        #expect(try program.state.ruleCounts(slots: [lost]) == [RuleCount()])
    }
}

@Suite struct NativeCounterTests {
    @Test(arguments: [0, 1, GUARD_PAGE_SLOTS - 1, GUARD_PAGE_SLOTS, GUARD_SLOTS - 1, GUARD_SLOTS])
    func `the native engine counts in every page, and not beyond the last`(slot: Int32) throws {
        let compiled = try image(slots: [UInt32(slot)])
        let engine = try #require(create(compiled))
        defer { native_datapath_destroy(engine) }
        try frame(port: 1).withUnsafeBytes { bytes in
            var native = native_frame(
                bytes: bytes.baseAddress, length: UInt32(bytes.count), linear: UInt32.max)
            var trace = guard_trace()
            #expect(native_datapath_run(engine, &native, &trace) == 1)
        }
        let counted: UInt64 = slot < GUARD_SLOTS ? 1 : 0
        #expect(native_datapath_rule(engine, UInt32(slot)).decided.packets == counted)
        #expect(native_datapath_rule(engine, UInt32(slot) ^ 1).decided.packets == 0)
    }

    private func create(_ image: GenerationImage) -> OpaquePointer? {
        withUnsafePointer(to: image.config) { config in
            image.tables.withUnsafeBytes { tables in
                image.addresses.withUnsafeBytes { addresses in
                    var native = native_image(
                        config: config, tables: tables.baseAddress, tables_size: UInt64(tables.count),
                        addresses: addresses.baseAddress, addresses_size: UInt64(addresses.count))
                    return native_datapath_create(&native)
                }
            }
        }
    }
}
