// SPDX-License-Identifier: Apache-2.0
// What a policy's rules and sets cost in the kernel. In: a build of xdp/bench, a policy, a capture. Out: a
// line of JSON: nanoseconds a packet above the same program with the same policy without rules.
import Capture
import Dataplane
import MapCompiler
import PolicyLanguage

/// Prints the median over rounds, in which both programs run in turn on every packet of the capture.
/// - Parameters:
///   - program: compiled with BENCH_FILTER; its BENCH_TEMPLATES are at least as many as the packets.
///   - capture: Ethernet frames, at most BENCH_FRAME bytes long.
///   - how: in how many rounds, and what searches the rules.
func measureClassify(
    _ program: String, policy path: String, capture: String,
    _ how: (rounds: Int, classifier: ClassifierChoice)
) throws {
    let frames = try readFrames(capture)
    let policy = try runnablePolicy(path)
    var bare = policy
    bare.rules = []
    let timers = try [policy, bare].map { try timer($0, program: program, frames, how.classifier) }
    guard frames.count <= timers[0].templates else {
        fail("\(capture) has \(frames.count) packets, more than the program's \(timers[0].templates)", 65)
    }
    // Whole passes over the packets; at least so many runs that what a call costs is no part of the figure.
    let passes = max(1, 400_000 / timers[0].templates)
    let repeats = Int32(passes * timers[0].templates)
    _ = try timers.map { try $0.nanoseconds(repeats: repeats) }
    let pairs = try (0..<how.rounds).map { _ in try timers.map { try $0.nanoseconds(repeats: repeats) } }
    let reasons = try timers[0].packetsByReason()
    let packets = reasons.values.reduce(0, +)
    let figures: [(String, Double)] = [
        ("rules", Double(policy.rules.count)), ("frames", Double(frames.count)),
        ("net_ns", median(pairs.map { $0[0] - $0[1] })), ("with_ns", median(pairs.map { $0[0] })),
        ("base_ns", median(pairs.map { $0[1] })),
        // With little else on the machine nearly the same; far below, the run was disturbed.
        ("least_ns", (pairs.map { $0[0] }.min() ?? 0) - (pairs.map { $0[1] }.min() ?? 0)),
        ("by_rules", Double(reasons["rule"] ?? 0) / Double(max(1, packets))),
    ]
    print("{" + figures.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}")
}

private func readFrames(_ path: String) throws -> [[UInt8]] {
    var reader = try CaptureReader(path: path)
    var frames: [[UInt8]] = []
    while let frame = try reader.next() { frames.append(Array(frame.bytes)) }
    if frames.isEmpty { fail("\(path) has no packets", 65) }
    return frames
}
