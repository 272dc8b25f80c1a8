// SPDX-License-Identifier: Apache-2.0
// What the programs give to the ring, frame by frame as on a live interface: whole frames with their heads,
// within budgets, and a count of each that is lost.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

/// A sample that outlives the ring's bytes.
struct KeptSample {
    var sample: Sample
    var bytes: [UInt8]
}

/// A program that inspects everything, and the reader of its samples.
struct Inspecting {
    let program: LiveProgram
    let ring: SampleRing
    let policy: CheckedPolicy

    /// - Parameters:
    ///   - ringBytes: a power of two, at least a page.
    ///   - lines: of four flows each, a power of two.
    init(
        ringBytes: UInt32 = 1 << 20, lines: UInt32 = 64, _ change: (inout CheckedPolicy) -> Void = { _ in }
    ) throws {
        var policy = CheckedPolicy(name: "inspect")
        policy.defaultVerdict = .pass
        policy.stateful = false
        policy.inspectors = [
            Inspector(name: "first", range: World.range), Inspector(name: "second", range: World.range),
        ]
        policy.rules = [Rule(name: "watch", action: .pass, range: World.range)]
        policy.rules[0].inspect = "second"
        change(&policy)
        var target = CompileTarget()
        target.sampleBytes = ringBytes
        target.sampleLines = lines
        for (slot, rule) in policy.rules.enumerated() { target.slots[rule.name] = UInt32(slot + 100) }
        let image = try compile(policy, for: target)
        program = try LiveProgram(
            GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
        let (descriptor, bytes) = try #require(try program.state.sampleRing())
        #expect(bytes == Int(ringBytes))
        ring = try SampleRing(descriptor: descriptor, bytes: bytes)
        self.policy = policy
    }

    /// All samples that are there.
    func samples() -> [KeptSample] {
        var found: [KeptSample] = []
        ring.read { found.append(KeptSample(sample: $0, bytes: Array($0.bytes))) }
        return found
    }

    func counts() throws -> SampleCounts { try #require(try program.state.sampleCounts()) }
}

/// A UDP frame of exactly so many bytes, no two of which are alike in a row.
private func frame(of size: Int, from source: String = "192.0.2.1:1000") throws -> [UInt8] {
    var builder = try PacketBuilder("udp \(source) > 198.51.100.1:53 len \(size - 14)")
    for index in builder.segment.indices.dropFirst(8) {
        builder.segment[index] = UInt8(truncatingIfNeeded: index * 7 + index >> 8)
    }
    return builder.bytes
}

@Suite(.enabled(if: KernelTests.areWanted))
struct SampleTests {
    /// Around the sizes of records, and frames that lie in several buffers.
    static let sizes = [
        42, 60, 127, 128, 129, 511, 512, 513, 1514, 2047, 2048, 2049, 4096, 8191, 8192, 8193, 9014, 9022,
        9215, 9216,
    ]

    @Test(arguments: sizes)
    func `a frame arrives whole, with its head`(size: Int) throws {
        let inspecting = try Inspecting()
        let bytes = try frame(of: size)
        let before = programClock()
        #expect(try inspecting.program.run(bytes).action == .pass)
        let samples = inspecting.samples()
        let kept = try #require(samples.first)
        #expect(samples.count == 1 && kept.bytes == bytes)
        #expect(kept.sample.frameLength == size && kept.sample.networkOffset == 14)
        #expect(kept.sample.ruleSlot == 100 && kept.sample.inspector == 1)
        #expect(kept.sample.inspectorsSeed == inspecting.policy.inspectorsSeed)
        #expect(!kept.sample.isSent && !kept.sample.isDropped)
        #expect((before...programClock()).contains(kept.sample.nanoseconds))
        let counts = try inspecting.counts()
        #expect(counts.received == 1 && counts.bytes == UInt64(size) && counts.flows == 1)
        #expect(counts.cut == 0 && counts.lost == 0)
    }

    @Test(arguments: [9217, 12_000, 40_000])
    func `a longer frame is cut to 9216 bytes, which is counted`(size: Int) throws {
        let inspecting = try Inspecting()
        let bytes = try frame(of: size)
        _ = try inspecting.program.run(bytes)
        let kept = try #require(inspecting.samples().first)
        #expect(kept.bytes == Array(bytes.prefix(9216)) && kept.sample.frameLength == size)
        #expect(try inspecting.counts().cut == 1)
    }

    @Test func `samples that find the ring full are lost and counted, and those before them stay whole`()
        throws
    {
        let inspecting = try Inspecting(ringBytes: 1 << 16)
        for number in 0..<300 { _ = try inspecting.program.run(try frame(of: 400 + number)) }
        let counts = try inspecting.counts()
        #expect(counts.received + counts.lostFull == 300 && counts.lostFull > 0)
        let samples = inspecting.samples()
        #expect(samples.count == Int(counts.received))
        for (number, kept) in samples.enumerated() { #expect(try kept.bytes == frame(of: 400 + number)) }
        // There is room again.
        _ = try inspecting.program.run(try frame(of: 1000))
        #expect(inspecting.samples().map(\.bytes) == [try frame(of: 1000)])
        #expect(inspecting.ring.malformed == 0 && inspecting.ring.pendingBytes == 0)
    }

    @Test func `the ring gives each sample once while it goes round many times`() throws {
        let inspecting = try Inspecting(ringBytes: 1 << 13)
        for round in 0..<400 {
            let bytes = try frame(of: 42 + round * 5)
            _ = try inspecting.program.run(bytes)
            #expect(inspecting.samples().map(\.bytes) == [bytes], "round \(round)")
        }
        #expect(try inspecting.counts().lost == 0)
    }

    @Test func `a flow's first packets are sampled and no more, in both directions`() throws {
        let inspecting = try Inspecting { $0.inspectors[1].samplePackets = 5 }
        let there = try PacketBuilder("tcp 192.0.2.1:1000 > 198.51.100.1:80 ack").bytes
        let back = try PacketBuilder("tcp 198.51.100.1:80 > 192.0.2.1:1000 ack").bytes
        let other = try PacketBuilder("tcp 198.51.100.1:80 > 192.0.2.2:1000 ack").bytes
        #expect(try inspecting.program.send(other))
        for _ in 0..<4 {
            _ = try inspecting.program.run(there)
            #expect(try inspecting.program.send(back))
        }
        let samples = inspecting.samples()
        #expect(samples.map(\.sample.isSent) == [false, true, false, true, false])
        #expect(samples.map(\.bytes) == [there, back, there, back, there])
        #expect(Set(samples.map(\.sample.flow)).count == 1)
        #expect(samples.allSatisfy { $0.sample.ruleSlot == 100 && $0.sample.inspector == 1 })
        let counts = try inspecting.counts()
        #expect(counts.received == 3 && counts.sent == 2 && counts.beyondBudget == 3 && counts.flows == 1)
    }

    @Test(arguments: [3, 4])
    func `a later fragment whose flow gave way to others is a lost sample`(others: Int) throws {
        let inspecting = try Inspecting(lines: 1)
        var first = try PacketBuilder("udp 192.0.2.1:1000 > 198.51.100.1:53 len 124")
        first.ipHeader[6] = 0x20
        var later = first
        (later.ipHeader[6], later.ipHeader[7]) = (0, 13)
        _ = try inspecting.program.run(first.bytes)
        for number in 0..<others {
            _ = try inspecting.program.run(try frame(of: 100, from: "192.0.2.2:\(number + 1)"))
        }
        _ = try inspecting.program.run(later.bytes)
        let isLost = others == 4
        let counts = try inspecting.counts()
        #expect(counts.received == 5)
        #expect(counts.lostPlace == (isLost ? 1 : 0) && counts.lost == counts.lostPlace)
        #expect(counts.forgotten == (isLost ? 1 : 0))
    }

    @Test func `one flow in so many is sampled, whole`() throws {
        let inspecting = try Inspecting { $0.inspectors[1].everyFlow = 4 }
        var chosen = 0
        for port in 1000..<1400 {
            let frame = try PacketBuilder("udp 192.0.2.1:\(port) > 198.51.100.1:53").bytes
            _ = try inspecting.program.run(frame, times: 3)
            let found = inspecting.samples().count
            #expect(found == 0 || found == 3)
            chosen += found / 3
        }
        // Of 400 flows 100, give or take four standard deviations; without a seed always the same.
        #expect((65...135).contains(chosen), "\(chosen)")
        #expect(try inspecting.counts().notChosen == UInt64(400 - chosen) * 3)
    }

    @Test func `a packet that is sampled and then dropped says so`() throws {
        let inspecting = try Inspecting {
            $0.rules[0].action = .continue
            $0.rules.append(Rule(name: "no", action: .drop, range: World.range))
        }
        let bytes = try frame(of: 100)
        #expect(try inspecting.program.run(bytes).action == .drop)
        let kept = try #require(inspecting.samples().first)
        #expect(kept.bytes == bytes && kept.sample.isDropped && kept.sample.ruleSlot == 100)
    }

    @Test func `waiting ends at once where there are samples and in time where there are none`() throws {
        let inspecting = try Inspecting()
        #expect(try !inspecting.ring.wait(milliseconds: 0))
        for size in 60..<70 { _ = try inspecting.program.run(try frame(of: size)) }
        #expect(try inspecting.ring.wait(milliseconds: -1))
        #expect(inspecting.ring.read(limit: 4) { _ in } == 4)
        #expect(try inspecting.ring.wait(milliseconds: -1))
        #expect(inspecting.samples().count == 6)
        #expect(try !inspecting.ring.wait(milliseconds: 0))
    }

    @Test func `a policy without inspectors has no ring and no budgets`() throws {
        var policy = CheckedPolicy(name: "plain")
        policy.defaultVerdict = .pass
        let image = try compile(policy, for: CompileTarget())
        let program = try LiveProgram(
            GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
        #expect(try program.state.sampleRing() == nil && program.state.sampleCounts() == nil)
        #expect(!program.state.inspects)
    }
}
