// SPDX-License-Identifier: Apache-2.0
// Measures the native engine: packets a second of one core over varied packets, for each policy named.
//   swift run -c release nativebench policies/*.conf
import Capture
import Glibc
import NetworkTypes
import PolicyLanguage
import Replay

/// TCP and UDP of 65,536 flows, in a fixed order that no cache foresees; every eighth packet is IPv6.
func frames() -> [[UInt8]] {
    (0..<65536).map { number in
        let mixed = UInt32(number) &* 0x9e37_79b1
        let isV6 = number % 8 == 0
        var packet = PacketDescription(
            proto: number % 3 == 0 ? .udp : .tcp,
            source: isV6
                ? IPAddress(v6: 0x2001_0db8 << 96 | UInt128(mixed)) : IPAddress(v4: 0x0100_0000 | mixed >> 2),
            destination: isV6 ? IPAddress(v6: 0x2001_0db8 << 96 | 1) : IPAddress(v4: 0xc633_6401))
        packet.sourcePort = UInt16(truncatingIfNeeded: mixed | 1024)
        packet.destinationPort = [22, 53, 80, 443, 8080, 9999][number % 6]
        if packet.proto == .tcp { packet.tcpFlags = number % 2 == 0 ? .syn : .ack }
        return packet.frame()
    }
}

func fail(_ message: String, _ code: Int32) -> Never {
    let text = Array(message.utf8)
    _ = write(STDERR_FILENO, text, text.count)
    exit(code)
}

func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Seconds of CPU time for every frame once.
func round(_ engine: inout NativeReplayEngine, _ frames: [[UInt8]]) throws -> Double {
    let begin = seconds()
    for frame in frames {
        try frame.withUnsafeBytes { bytes in
            _ = try engine.judge(
                CapturedFrame(
                    bytes: bytes, originalLength: bytes.count, timeNanoseconds: 0, interface: nil, number: 1))
        }
    }
    return seconds() - begin
}

func measure(_ path: String, _ frames: [[UInt8]]) throws {
    let report = loadPolicy(path: path)
    guard let policy = report.policy else {
        fail(report.rendered(), report.exitCode)
    }
    var engine = try NativeReplayEngine(policy: policy, bans: [])
    let times = try (0..<21).map { _ in try round(&engine, frames) }.sorted()
    let median = times[times.count / 2] / Double(frames.count)
    print("\(path): \(Int(median * 1e9)) ns a packet, \(Int(1 / median)) packets/s")
}

guard CommandLine.arguments.count > 1 else {
    fail("nativebench: error: no policy; usage: nativebench POLICY...\n", 64)
}
do {
    let frames = frames()
    for path in CommandLine.arguments.dropFirst() { try measure(path, frames) }
} catch {
    fail("nativebench: error: \(error)\n", 70)
}
