// SPDX-License-Identifier: Apache-2.0
// Captures cut at every byte and with flipped bytes: an end or an error, never a trap, never more than was
// there.

import Capture
import Glibc
import TestSupport
import Testing

struct DamagedCaptureTests {
    static func captures() throws -> [(name: String, bytes: [UInt8])] {
        let ethernet = try frame(CaptureReaderTests.syn)
        var pcap = PcapBytes()
        pcap.add(ethernet)
        pcap.add(ethernet, original: 1514)
        var cooked = PcapBytes(linkType: 113, isBigEndian: true, isNano: true)
        cooked.add(CaptureReaderTests.cooked + ethernet.dropFirst(12))
        var pcapng = PcapngBytes()
        pcapng.interface("wan0", options: [(9, [9])])
        pcapng.interface("tun0", linkType: 101)
        pcapng.packet(ethernet, interface: 1)
        pcapng.oldPacket(ethernet, interface: 0, time: 1)
        pcapng.simplePacket(ethernet)
        return [("pcap", pcap.bytes), ("cooked", cooked.bytes), ("pcapng", pcapng.bytes)]
    }

    @Test func `a capture cut at any byte gives a prefix of its frames`() throws {
        for (name, bytes) in try Self.captures() {
            let whole = read(bytes)
            #expect(whole.error == nil)
            for count in 0..<bytes.count {
                let cut = read(Array(bytes.prefix(count)))
                #expect(cut.frames == Array(whole.frames.prefix(cut.frames.count)), "\(name) cut at \(count)")
                #expect(cut.error != nil || cut.frames.count < whole.frames.count, "\(name) cut at \(count)")
            }
        }
    }

    @Test func `a capture with flipped bytes gives frames within its size, or an error`() throws {
        let seed: UInt64 = 0x666c_6970
        var random = SeededGenerator(seed: seed)
        let decoder = PacketDecoder()
        for (name, bytes) in try Self.captures() {
            for round in 0..<1500 {
                var damaged = bytes
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = Int.random(in: 0..<damaged.count, using: &random)
                    damaged[place] = UInt8(truncatingIfNeeded: random.next())
                }
                for frame in read(damaged).frames {
                    frame.bytes.withUnsafeBytes { _ = decoder.describe($0) }
                    #expect(frame.captured <= bytes.count, "\(name), seed \(seed), round \(round)")
                }
            }
        }
    }

    /// In a process of its own, where no other test allocates.
    @Test func `a file that is refused leaves no memory behind`() async {
        await #expect(processExitsWith: .success) {
            refuse(times: 1000)
            let before = try #require(residentPages())
            refuse(times: 100_000)
            let after = try #require(residentPages())
            // 100,000 of the smallest allocations are some 780 pages.
            #expect(after < before + 300, "\(after) pages, \(before) before")
        }
    }
}

private func refuse(times: Int) {
    for _ in 0..<times {
        do throws(CaptureError) { _ = try CaptureReader(path: "/dev/null") } catch { continue }
        Issue.record("an empty file was read")
    }
}

/// Of this process, as proc(5) says in /proc/self/statm.
private func residentPages() -> Int? {
    guard let file = fopen("/proc/self/statm", "r") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    guard getline(&line, &capacity, file) > 0, let line else { return nil }
    let words = String(cString: line).split(separator: " ")
    return words.count > 1 ? Int(words[1]) : nil
}
