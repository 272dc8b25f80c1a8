// SPDX-License-Identifier: Apache-2.0
// A situation as a folder of Tests/ReplayTests/cases: policy.conf, frames.txt, expected.jsonl.
import Capture
import Glibc
import Replay
import TestSupport

/// The texts of a replay case's files.
struct CaseFolder {
    var policy: String
    var frames: String
    var expected: String

    /// - Parameter title: what the case shows; it stands in the files' first lines.
    init(_ situation: RandomSituation, title: String) throws {
        guard situation.sampleScopes.isEmpty else {
            throw DifferentialError(
                description: "a replay case says nothing of header conditions: make a test of its own")
        }
        let licence = "# SPDX-License-Identifier: Apache-2.0\n# \(title)\n"
        policy = licence + situation.draft.text
        frames = "# \(title)\n" + Self.frames(situation)
        expected = try Self.expected(situation)
    }

    /// Makes the folder where it is not there, and replaces its files.
    func write(to folder: String) throws(CaseFolderError) {
        if mkdir(folder, 0o755) != 0, errno != EEXIST { throw CaseFolderError(folder, errno) }
        for (name, text) in [("policy.conf", policy), ("frames.txt", frames), ("expected.jsonl", expected)] {
            let path = "\(folder)/\(name)"
            guard let file = fopen(path, "w") else { throw CaseFolderError(path, errno) }
            let isWritten = fputs(text, file) >= 0
            guard fclose(file) == 0, isWritten else { throw CaseFolderError(path, errno) }
        }
    }

    /// Options, then frames, with the clock and the interface where they change.
    private static func frames(_ situation: RandomSituation) -> String {
        var lines = situation.bans.map { "--ban \($0)" } + situation.ownAddresses.map { "--own \($0)" }
        if situation.bucketLines != 1 << 18 { lines.append("--bucket-lines \(situation.bucketLines)") }
        if situation.sampleLines != 1 << 16 { lines.append("--sample-lines \(situation.sampleLines)") }
        var (time, interface): (Int64, String?) = (0, nil)
        for frame in situation.frames {
            if frame.timeNanoseconds != time { lines.append("at " + seconds(frame.timeNanoseconds)) }
            if frame.interface != interface { lines.append("on \(frame.interface ?? "-")") }
            (time, interface) = (frame.timeNanoseconds, frame.interface)
            lines.append((frame.isSent ? "sent " : "hex ") + hex(frame.bytes))
            if let order = frame.order { lines.append(text(of: order)) }
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private static func text(of order: FlowOrder) -> String {
        func time(_ nanoseconds: UInt64?) -> String {
            nanoseconds.map { seconds(Int64(clamping: $0)) } ?? "ever"
        }
        switch order {
        case .drop(let duration): return "then drop \(time(duration))"
        case .ban(let duration): return "then ban \(time(duration))"
        }
    }

    /// What the model prints.
    private static func expected(_ situation: RandomSituation) throws -> String {
        var options = EngineOptions()
        options.bucketLines = situation.bucketLines
        options.sampleLines = situation.sampleLines
        let engine = ModelReplayEngine(
            policy: try situation.draft.load(), bans: situation.bans, ownAddresses: situation.ownAddresses,
            options: options)
        var run = ReplayRun(engine: engine)
        var lines = ""
        for (index, frame) in situation.frames.enumerated() {
            let packet = try frame.bytes.withUnsafeBytes {
                try run.judge(
                    CapturedFrame(
                        bytes: $0, originalLength: frame.bytes.count, timeNanoseconds: frame.timeNanoseconds,
                        interface: frame.interface, number: index + 1), isSent: frame.isSent)
            }
            lines += packet.json.text + "\n"
            try frame.bytes.withUnsafeBytes { try frame.order?.carryOut(for: $0, by: &run) }
        }
        return lines + run.summary.json.text + "\n"
    }
}

/// A file that cannot be written.
struct CaseFolderError: Error, CustomStringConvertible {
    var description: String

    init(_ path: String, _ code: Int32) {
        description = "cannot write '\(path)': \(String(cString: strerror(code)))"
    }
}

/// Seconds with as many decimals as it takes.
func seconds(_ nanoseconds: Int64) -> String {
    let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    guard rest != 0 else { return "\(whole)" }
    var decimals = String(1_000_000_000 + rest).dropFirst()
    while decimals.last == "0" { decimals.removeLast() }
    return "\(whole).\(decimals)"
}

/// Two digits for each byte.
func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
}
