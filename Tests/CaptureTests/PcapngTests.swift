// SPDX-License-Identifier: Apache-2.0
// pcapng: interfaces and their names, time units, sections, foreign blocks, and blocks that lie.

import Capture
import TestSupport
import Testing

struct PcapngTests {
    static let syn = CaptureReaderTests.syn

    @Test(arguments: [false, true])
    func `two interfaces of different link types keep their names and times`(isBigEndian: Bool) throws {
        let ethernet = try frame(Self.syn)
        var file = PcapngBytes(isBigEndian: isBigEndian)
        file.interface("wan0", snapLength: 100)
        file.interface("tun0", linkType: 101, snapLength: 65_535, options: [(9, [9])])
        file.packet(ethernet, interface: 1, time: 5)
        file.packet(ethernet, interface: 0, time: 1_700_000_000_000_001)
        file.oldPacket(ethernet, interface: 0, time: 7)
        let outcome = read(file.bytes)
        #expect(outcome.error == nil)
        #expect(outcome.frames.map(\.interface) == ["tun0", "wan0", "wan0"])
        #expect(outcome.frames.map(\.time) == [5, 1_700_000_000_000_001_000, 7000])
        #expect(outcome.frames.map(\.bytes.count) == [14 + ethernet.count, ethernet.count, ethernet.count])
        #expect(outcome.frames.map(\.number) == [1, 2, 3])
    }

    @Test func `a new section forgets the interfaces before it`() throws {
        let ethernet = try frame(Self.syn)
        var file = PcapngBytes()
        file.interface("old0")
        file.packet(ethernet)
        // The second section is of the other byte order, as when files are joined.
        var second = PcapngBytes(isBigEndian: true)
        second.interface("new0")
        second.packet(ethernet)
        second.packet(ethernet, interface: 1)
        let outcome = read(file.bytes + second.bytes)
        #expect(outcome.frames.map(\.interface) == ["old0", "new0"])
        #expect(
            outcome.error
                == .broken(
                    path: outcome.path, packet: 3, text: "interface 1 is not among the 1 described before"))
    }

    @Test func `foreign blocks are walked over`() throws {
        var file = PcapngBytes()
        file.interface(nil)
        file.block(0x0bad) { $0.bytes = [UInt8](repeating: 7, count: 100_000) }
        file.packet(try frame(Self.syn))
        file.block(5) { $0.put(UInt64(0)) }
        let outcome = read(file.bytes)
        #expect(outcome.error == nil)
        #expect(outcome.frames.map(\.interface) == [nil])
    }

    @Test func `a simple packet is of the first interface and of the last packet's time`() throws {
        let ethernet = try frame(Self.syn)
        var file = PcapngBytes()
        file.interface("wan0", snapLength: 40)
        file.interface("lan0")
        file.packet(ethernet, interface: 1, time: 9)
        file.simplePacket(Array(ethernet.prefix(40)), original: 54)
        let last = read(file.bytes).frames.last
        #expect(
            last
                == KeptFrame(
                    bytes: Array(ethernet.prefix(40)), captured: 40, original: 54, time: 9000,
                    interface: "wan0",
                    number: 2))
    }

    @Test func `a frame longer than the first buffer is read whole`() throws {
        var file = PcapngBytes()
        file.interface("wan0")
        let long = [UInt8](repeating: 0xab, count: 300_000)
        file.packet(long)
        #expect(read(file.bytes).frames.first?.bytes == long)
    }

    /// if_tsresol, if_tsoffset, the timestamp, and the nanoseconds that it means.
    static let times: [(UInt8, Int64, UInt64, Int64)] = [
        (6, 0, 1, 1000), (0, 0, 3, 3_000_000_000), (9, 0, 3, 3), (12, 0, 2999, 2), (127, 0, .max, 0),
        (0x80 | 10, 0, 1024, 1_000_000_000), (0x80 | 1, 0, 1, 500_000_000), (0xff, 0, .max, 0),
        (6, 100, 1, 100_000_001_000), (6, -1, 1_000_000, 0), (0, 0, .max, .max), (9, .max, 1, .max),
    ]

    @Test(arguments: times)
    func `a timestamp is in its interface's unit`(
        unit: UInt8, offset: Int64, stamp: UInt64, nanoseconds: Int64
    ) throws {
        var file = PcapngBytes()
        let shift = withUnsafeBytes(of: offset.littleEndian) { Array($0) }
        file.interface("wan0", options: [(9, [unit]), (14, shift)])
        file.packet(try frame(Self.syn), time: stamp)
        #expect(read(file.bytes).frames.first?.time == nanoseconds)
    }

    @Test func `an option that runs over its block is left out`() throws {
        var file = PcapngBytes()
        file.block(1) {
            $0.put(UInt16(1))
            $0.put(UInt16(0))
            $0.put(UInt32(0))
            $0.put(UInt16(2))
            $0.put(UInt16(60_000))
            $0.bytes += [0x77, 0x61, 0x6e, 0x30]
        }
        file.packet(try frame(Self.syn))
        let outcome = read(file.bytes)
        #expect(outcome.error == nil)
        #expect(outcome.frames.map(\.interface) == [nil])
    }

    @Test func `blocks that lie end the capture with the packet's number`() throws {
        let ethernet = try frame(Self.syn)
        var good = PcapngBytes()
        good.interface("wan0")
        good.packet(ethernet)
        func outcome(_ add: (inout PcapngBytes) -> Void) -> String {
            var file = good
            add(&file)
            let outcome = read(file.bytes)
            #expect(outcome.frames.count == 1)
            guard case .broken(_, packet: 2, let text) = outcome.error else { return "no error" }
            return text
        }
        #expect(
            outcome { $0.packet(ethernet, captured: 4000) }
                == "the packet is longer than its block of 76 bytes")
        #expect(
            outcome { $0.packet(ethernet, captured: .max) }
                == "the packet is longer than its block of 76 bytes")
        #expect(
            outcome { $0.block(6) { $0.put(UInt32(0)) } } == "the packet is longer than its block of 4 bytes")
        #expect(outcome { $0.block(1) { $0.put(UInt32(1)) } } == "an interface description block of 4 bytes")
        #expect(outcome { $0.block(3) { _ in } } == "a simple packet block of 0 bytes")
        #expect(outcome { $0.block(77, lengthOffBy: 2) { $0.put(UInt32(0)) } } == "a block of 18 bytes")
        #expect(outcome { $0.block(77, lengthOffBy: 0x7fff_fff0) { _ in } } == "the file ends within a block")
        #expect(
            outcome { $0.block(6, lengthOffBy: 0x7fff_fff0) { _ in } } == "a packet block of 2147483644 bytes"
        )
        #expect(
            outcome {
                $0.block(77, lengthOffBy: -4) { $0.put(UInt32(0)) }
            } == "a block whose lengths differ: 12 before it, 0 behind it")
        #expect(
            outcome { $0.bytes += [10, 13, 13, 10, 28, 0, 0, 0, 1, 2, 3, 4] }.hasPrefix("a section header"))
    }

    @Test func `a simple packet before any interface is an error`() {
        var file = PcapngBytes()
        file.simplePacket([1, 2, 3, 4])
        guard
            case .broken(_, packet: 1, "a simple packet block before any interface description") = read(
                file.bytes
            ).error
        else {
            Issue.record("no error")
            return
        }
    }
}
