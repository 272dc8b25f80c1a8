// SPDX-License-Identifier: Apache-2.0
// ClassBench sets: rule files and traces of headers in, what a packet's classification costs out, as the
// difference to the same program under a policy without rules.
import Capture
import Dataplane
import Diagnostics
import Foundation
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Replay

/// A set as a policy, and the headers to judge.
private struct ClassBench {
    var policy: CheckedPolicy
    var frames: [[UInt8]]

    init(rules: String, headers: String) throws {
        policy = ClassBench.bare()
        let range = SourceRange(SourceText(path: rules, text: "\n"), 0, 0)
        for (number, line) in try ClassBench.lines(rules).enumerated() {
            guard let match = ClassBench.match(line) else { fail("\(rules):\(number + 1): no rule", 65) }
            var rule = Rule(name: "r\(number)", action: number % 2 == 0 ? .pass : .drop, range: range)
            rule.match = match
            policy.rules.append(rule)
        }
        frames = try ClassBench.lines(headers).map { try ClassBench.frame($0) }
    }

    static func bare() -> CheckedPolicy {
        var policy = CheckedPolicy(name: "classbench")
        policy.malformed = .pass
        policy.spoofed = .pass
        policy.fragments = .pass
        policy.essential = []
        return policy
    }

    private static func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }

    /// `@192.0.2.0/24 198.51.100.0/24 0 : 65535 80 : 80 0x06/0xFF 0x0000/0x0000`
    private static func match(_ line: Substring) -> RuleMatch? {
        let words = line.dropFirst().split { $0 == "\t" || $0 == " " }
        guard words.count >= 9, let source = prefix(words[0]), let destination = prefix(words[1]),
            let fromLow = UInt16(words[2]), let fromHigh = UInt16(words[4]), let toLow = UInt16(words[5]),
            let toHigh = UInt16(words[7]), fromLow <= fromHigh, toLow <= toHigh
        else { return nil }
        var match = RuleMatch()
        match.source = set(source)
        match.destination = set(destination)
        let proto = words[8].split(separator: "/").map { UInt8($0.dropFirst(2), radix: 16) ?? 0 }
        if fromLow != 0 || fromHigh != .max { match.sourcePort = IntervalSet(fromLow...fromHigh) }
        guard proto.last != 0, let number = proto.first else { return match }
        let ports = ServiceSet.Keys(values: IntervalSet(toLow...toHigh), unread: false)
        match.service = ServiceSet(
            others: false,
            exceptions: [IPProtocol(rawValue: number): toLow == 0 && toHigh == .max ? .all : ports])
        return match
    }

    private static func prefix(_ word: Substring) -> Prefix? {
        let parts = word.split(separator: "/")
        guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]) else { return nil }
        return Prefix(masking: address, length: length)
    }

    private static func set(_ prefix: Prefix) -> AddressSet {
        let bounds = prefix.bounds
        guard prefix.address.family == .ipv4 else { return AddressSet(v6: IntervalSet(bounds)) }
        return AddressSet(
            v4: IntervalSet(
                UInt32(truncatingIfNeeded: bounds.lowerBound)...UInt32(truncatingIfNeeded: bounds.upperBound)))
    }

    /// Source, destination, ports and protocol; IPv4 addresses as numbers.
    private static func frame(_ line: Substring) throws -> [UInt8] {
        let words = line.split { $0 == "\t" || $0 == " " }
        guard words.count >= 5, let source = address(words[0]), let destination = address(words[1]),
            let number = UInt8(words[4])
        else { fail("no header: \(line)", 65) }
        let proto = IPProtocol(rawValue: number)
        var packet = PacketDescription(proto: proto, source: source, destination: destination)
        if proto.hasPorts {
            packet.sourcePort = UInt16(words[2])
            packet.destinationPort = UInt16(words[3])
        } else if proto.hasTypes {
            packet.icmpType = 0
        }
        if proto == .tcp { packet.tcpFlags = .ack }
        return packet.frame()
    }

    private static func address(_ word: Substring) -> IPAddress? {
        UInt32(word).map { IPAddress(v4: $0) } ?? IPAddress(String(word))
    }
}

/// Prints the engines' sizes and the median over rounds of the difference.
/// - Parameters:
///   - folder: has the compiled program filter.o.
///   - choice: the engine to force.
func measureClassBench(_ folder: String, _ rules: String, _ headers: String, _ choice: ClassifierChoice) throws {
    let set = try ClassBench(rules: rules, headers: headers)
    let begin = ContinuousClock.now
    let image = try compiled(set.policy, choice)
    let milliseconds = (ContinuousClock.now - begin) / .milliseconds(1)
    let bare = try compiled(ClassBench.bare(), choice)
    let elf = try Data(contentsOf: URL(filePath: folder).appending(path: "filter.o"))
    let templates = (0..<32768).map { number -> [UInt8] in
        let frame = set.frames[number % set.frames.count].prefix(128)
        return frame + [UInt8](repeating: 0, count: 128 - frame.count)
    }
    let timers = try [image, bare].map {
        try ProgramTimer(
            GenerationImage(config: $0.config, tables: $0.tables, info: []), elf: elf, templates: templates)
    }
    _ = try timers.map { try $0.nanoseconds(repeats: 200_000) }
    // The least of many short runs: what other work on the machine adds is no cost of the program.
    let pairs = try (0..<40).map { _ in try timers.map { try $0.nanoseconds(repeats: 65536) } }
    let least = [0, 1].map { number in pairs.map { $0[number] }.min() ?? 0 }
    print(
        "{\"set\":\"\(rules)\",\"ns\":\(least[0] - least[1]),\"of\":\(least[0]),"
            + "\"median_ns\":\(median(pairs.map { $0[0] - $0[1] })),"
            + "\"compile_ms\":\(milliseconds),\"bytes\":\(image.tables.count),\"wrong\":\(try wrong(set, headers, choice))}")
    print(image.classifiers.map { "  \($0)" }.joined(separator: "\n"))
}

private func compiled(_ policy: CheckedPolicy, _ choice: ClassifierChoice) throws -> MapImage {
    var target = CompileTarget()
    target.classifier = choice
    return try compile(policy, for: target)
}

/// Headers for which the native engine names another rule than the set's right answers.
private func wrong(_ set: ClassBench, _ headers: String, _ choice: ClassifierChoice) throws -> Int {
    let answers = headers.replacingOccurrences(of: ".v6", with: "").replacingOccurrences(of: ".headers", with: ".firstmatch")
    guard let text = try? String(contentsOfFile: answers, encoding: .utf8) else { return -1 }
    var engine = try NativeReplayEngine(
        policy: set.policy, bans: [], options: EngineOptions(classifier: choice))
    var wrong = 0
    for (frame, answer) in zip(set.frames, text.split(separator: "\n")) {
        let judgement = try frame.withUnsafeBytes { bytes in
            try engine.judge(
                CapturedFrame(
                    bytes: bytes, originalLength: bytes.count, timeNanoseconds: 0, interface: nil, number: 1))
        }
        if judgement.rule ?? "r-1" != "r\(answer)" { wrong += 1 }
    }
    return wrong
}
