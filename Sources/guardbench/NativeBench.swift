// SPDX-License-Identifier: Apache-2.0
// The native engine: packets a second of one core.
import Capture
import Glibc
import PolicyLanguage
import Replay

/// Prints a line for each policy: the median over rounds of CPU time.
func measureNative(_ policies: [String]) throws {
    let frames = mixedFrames(65536)
    for path in policies {
        var engine = try NativeReplayEngine(policy: try runnablePolicy(path), bans: [])
        let times = try (0..<21).map { _ in try round(&engine, frames) }
        let median = median(times) / Double(frames.count)
        print("{\"native\":\"\(path)\",\"ns\":\(median * 1e9),\"packets_per_second\":\(1 / median)}")
    }
}

private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Seconds of CPU time for every frame once.
private func round(_ engine: inout NativeReplayEngine, _ frames: [[UInt8]]) throws -> Double {
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
