// SPDX-License-Identifier: Apache-2.0
// The kernel program's stages, as differences between two programs that run in turn on the same packets.
import Dataplane
import Foundation
import MapCompiler
import NetworkTypes
import PolicyLanguage

/// What is timed against what.
private struct Stage {
    var name: String
    var frames: [[UInt8]]
    /// Mode of xdp/bench/stages.bpf.c and the policy's text, with and without what is measured.
    var with: (mode: String, policy: String)
    var without: (mode: String, policy: String)
    /// Connections of this host that `with` knows, as the other side's segments.
    var connections: [PacketDescription] = []
    /// Which flows the inspector of `with` needs; nil: all.
    var scope: FlowScope?
    /// Runs that are timed at once.
    var repeats: Int32 = 400_000
}

private let bare = "default: pass\nstateful: false\nessential: []\n"

/// A rule for all packets, with a limit that none of them is over, or whose clients all are, or without one.
private func ruled(_ rate: String?) -> String {
    let limit = rate.map { "limits:\n  each: { rate: \($0), per: source }\n" } ?? ""
    let key = rate == nil ? "" : ", limit: each"
    return bare + limit + "rules:\n  - { name: all\(key), action: pass }\n"
}

/// A rule for all packets that samples the first ones of each flow.
private func inspected(packets: Int = 1) -> String {
    bare + "inspectors:\n  first: { sample: { packets: \(packets) } }\n"
        + "rules:\n  - { name: all, inspect: first, action: pass }\n"
}

private func stages() -> [Stage] {
    let sources = sourceFrames(64), under = "1000000 pps", over = "1/m, burst: 1"
    let unlimited = ruled(nil)
    let mixed = mixedFrames(4096), fragments = fragmentFrames(4096)
    let tracked = ("filter", bare + "fragments: track\n"), untracked = ("filter", bare + "fragments: pass\n")
    return [
        Stage(name: "parse and sanity", frames: mixed, with: ("headers", bare), without: ("nothing", bare)),
        Stage(name: "fragments: track, no fragments", frames: mixed, with: tracked, without: untracked),
        Stage(name: "fragments: track, fragments", frames: fragments, with: tracked, without: untracked),
        Stage(
            name: "limit, 64 sources under it", frames: sources, with: ("filter", ruled(under)),
            without: ("filter", unlimited)),
        Stage(
            name: "limit, 64 sources over it", frames: sources, with: ("filter", ruled(over)),
            without: ("filter", unlimited)),
        Stage(
            name: "limit, flood of 10,000,000 sources", frames: sources, with: ("flood", ruled(over)),
            without: ("flood", unlimited)),
        Stage(
            name: "one line of 16 MiB, read", frames: sources, with: ("line", unlimited),
            without: ("flood", unlimited)),
        Stage(
            name: "one line of 16 MiB, exchanged", frames: sources, with: ("exchange", unlimited),
            without: ("flood", unlimited)),
        Stage(
            name: "one line of each of 100,000 in 16 MiB, read", frames: sources, with: ("lines-set", bare),
            without: ("nothing-set", bare)),
        Stage(
            name: "one line of each of 100,000 in 32 MiB, read", frames: sources, with: ("wide-set", bare),
            without: ("nothing-set", bare)),
    ] + inspectionStages(sources, unlimited) + [10_000, 100_000].flatMap(connectionStages)
}

/// Sampling, against the same rules without inspectors; and those, against a program that knows no
/// inspection. A sample has room in the ring for each run that is timed at once.
private func inspectionStages(_ sources: [[UInt8]], _ plain: String) -> [Stage] {
    let without = ("filter", plain)
    return [
        Stage(
            name: "inspect, a policy without", frames: sources, with: without,
            without: ("uninspected", plain)),
        Stage(
            name: "inspect, 64 flows within their budget", frames: sources,
            with: ("filter", inspected(packets: 2_000_000_000)), without: without, repeats: 300_000),
        Stage(
            name: "inspect, 64 flows beyond their budget", frames: sources, with: ("filter", inspected()),
            without: without),
        Stage(
            name: "inspect, 64 flows that no signature needs", frames: sources,
            with: ("filter", inspected()), without: without, scope: FlowScope.none),
        Stage(
            name: "inspect, flood of 10,000,000 flows, the ring full", frames: sources,
            with: ("flood", inspected()), without: ("flood", plain)),
    ]
}

/// Segments of connections that this host opened: as they come in, against a policy that passes everything,
/// and as it sends them, against nothing.
private func connectionStages(_ count: Int) -> [Stage] {
    let stateful = "default: drop\nstateful: true\nessential: []\n"
    let packets = segments(count), word = count == 10_000 ? "10,000" : "100,000"
    return [
        Stage(
            name: "reply, \(word) connections", frames: packets.map { $0.frame() },
            with: ("filter-set", stateful), without: ("filter-set", bare), connections: packets),
        Stage(
            name: "egress, \(word) connections", frames: packets.map { $0.reversed.frame() },
            with: ("outbound-set", stateful), without: ("nothing-set", bare), connections: packets),
    ]
}

/// Prints a line for each stage: the median over rounds of the difference.
/// - Parameter folder: has the compiled programs nothing.o, headers.o, filter.o, uninspected.o, flood.o,
///   line.o and exchange.o, and with room for more frames nothing-set.o, filter-set.o, outbound-set.o,
///   lines-set.o and wide-set.o.
/// - Parameter words: measures stages alone whose names begin with one of these; none: all.
func measureStages(_ folder: String, rounds: Int, named words: ArraySlice<String> = []) throws {
    for stage in stages() where words.isEmpty || words.contains(where: stage.name.hasPrefix) {
        let timers = try [stage.with, stage.without].map { try timer($0, folder, stage.frames) }
        try timers[0].open(stage.connections)
        if let scope = stage.scope {
            let seed = timers[0].inspectorsSeed
            try timers[0].tell([SampleScope(scope, inspectorsSeed: seed).bytes])
        }
        _ = try timers.map { try $0.nanoseconds(repeats: 200_000) }
        let pairs = try (0..<rounds).map { _ in
            if stage.repeats < 400_000 { try timers[0].drain() }
            return try timers.map { try $0.nanoseconds(repeats: stage.repeats) }
        }
        let net = median(pairs.map { $0[0] - $0[1] })
        print("{\"stage\":\"\(stage.name)\",\"ns\":\(net),\"of\":\(median(pairs.map { $0[0] }))}")
    }
}

private func timer(
    _ program: (mode: String, policy: String), _ folder: String, _ frames: [[UInt8]]
) throws -> ProgramTimer {
    let path = URL(filePath: folder).appending(path: "policy.conf").path()
    try program.policy.write(toFile: path, atomically: true, encoding: .utf8)
    return try timer(try runnablePolicy(path), program: "\(folder)/\(program.mode).o", frames)
}

/// A build of xdp/bench loaded for a policy, as `apply` would load it.
/// - Parameter program: the path of the compiled program.
func timer(
    _ policy: CheckedPolicy, program: String, _ frames: [[UInt8]], _ classifier: ClassifierChoice = .automatic
) throws -> ProgramTimer {
    var target = CompileTarget()
    target.classifier = classifier
    for (slot, rule) in policy.rules.enumerated() { target.slots[rule.name] = UInt32(slot) }
    let image = try compile(policy, for: target)
    return try ProgramTimer(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []),
        elf: try Data(contentsOf: URL(filePath: program)), frames: frames, slots: policy.rules.count)
}
