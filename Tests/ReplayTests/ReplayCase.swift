// SPDX-License-Identifier: Apache-2.0
// A replay case: a folder with a policy, frames in text and the lines that `replay --output json` must print.
// In: the folder. Out: the policy, frames and options; and what an engine prints for them.
//
// frames.txt, line by line: `# comment`; `--host`, `--ban`, `--dev` with a value, as on the command line,
// `--own ADDRESS`, one of the host's own, `--bucket-lines N` of token buckets and `--sample-lines N` of
// flows' budgets; `at SECONDS`, the capture's clock from here on; `on NAME`, the interface of frames in bytes
// from here on (`-`: none); `hex BYTES`, a frame as it is, `sent BYTES`, one that this host sends; else a
// packet in text, with `N x` before it so many, which changes behind `|` may break: `tag CONTROL [ETHERTYPE]`
// (an outermost tag), `options BYTES` (of IPv4), `byte OFFSET VALUE` (offset decimal, the rest hexadecimal),
// `cut LENGTH`; `then drop|ban SECONDS`, done to the flow or the source of the frame before it (`ever`:
// without end).
import Capture
import Foundation
import JSONOutput
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport

@testable import differential

struct ReplayCase {
    struct Frame {
        var bytes: [UInt8]
        var timeNanoseconds: Int64
        var interface: String?
        var isSent = false
        var order: FlowOrder?
    }

    /// What is wrong with a case's own files.
    struct Mistake: Error, CustomStringConvertible { var description: String }

    let name: String
    let policy: CheckedPolicy
    private(set) var frames: [Frame] = []
    private(set) var hosts: [Prefix] = []
    private(set) var bans: [Prefix] = []
    private(set) var ownAddresses: [IPAddress] = []
    private(set) var device: String?
    private(set) var options = EngineOptions()
    let expectedFile: URL
    private var clock: Int64 = 0
    private var interface: String?

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "cases")

    static var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []).sorted()
    }

    init(_ name: String) throws { try self.init(folder: Self.folder.appending(path: name)) }

    init(folder: URL) throws {
        name = folder.lastPathComponent
        expectedFile = folder.appending(path: "expected.jsonl")
        let report = loadPolicy(path: folder.appending(path: "policy.conf").path(), now: 0)
        guard let policy = report.policy else { throw Mistake(description: report.rendered()) }
        self.policy = policy
        let text = try String(contentsOf: folder.appending(path: "frames.txt"), encoding: .utf8)
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            do { try read(line) } catch {
                throw Mistake(description: "\(name)/frames.txt:\(number + 1): \(line): \(error)")
            }
        }
    }

    /// All lines that `replay --output json` prints with this engine.
    func output(of engine: some ReplayEngine) throws -> String {
        var run = ReplayRun(engine: engine, hosts: hosts, device: device)
        var lines: [String] = []
        for (index, frame) in frames.enumerated() {
            let packet = try frame.bytes.withUnsafeBytes {
                try run.judge(
                    CapturedFrame(
                        bytes: $0, originalLength: frame.bytes.count, timeNanoseconds: frame.timeNanoseconds,
                        interface: frame.interface, number: index + 1), isSent: frame.isSent)
            }
            lines.append(packet.json.text)
            try frame.bytes.withUnsafeBytes { try frame.order?.carryOut(for: $0, by: &run) }
        }
        return (lines + [run.summary.json.text, ""]).joined(separator: "\n")
    }
}

// Reading frames.txt.
extension ReplayCase {
    private mutating func read(_ line: Substring) throws {
        let words = line.split(separator: " ")
        guard let first = words.first, !first.hasPrefix("#") else { return }
        switch first {
        case "--host": hosts.append(try Self.prefix(words.last ?? ""))
        case "--ban": bans.append(try Self.prefix(words.last ?? ""))
        case "--dev": device = words.last.map(String.init)
        case "--own":
            guard let address = IPAddress(words.last ?? "") else { throw Mistake(description: "no address") }
            ownAddresses.append(address)
        case "--bucket-lines":
            options.bucketLines = UInt32(clamping: try Self.number(words.last ?? "", radix: 10))
        case "--sample-lines":
            options.sampleLines = UInt32(clamping: try Self.number(words.last ?? "", radix: 10))
        case "then":
            guard !frames.isEmpty else { throw Mistake(description: "no frame before it") }
            frames[frames.count - 1].order = try Self.order(words)
        case "at": clock = try Self.nanoseconds(words.last ?? "")
        case "on": interface = words.last == "-" ? nil : words.last.map(String.init)
        case "hex", "sent":
            let bytes = try Self.bytes(words.dropFirst().joined())
            frames.append(
                Frame(
                    bytes: bytes, timeNanoseconds: clock, interface: interface, isSent: first == "sent"))
        default:
            let isMany = words.count > 2 && words[1] == "x"
            let count = isMany ? Int(try Self.number(first, radix: 10)) : 1
            let one = try frame(isMany ? words.dropFirst(2).joined(separator: " ")[...] : line)
            frames += [Frame](repeating: one, count: count)
        }
    }

    private func frame(_ line: Substring) throws -> Frame {
        let parts = line.split(separator: "|")
        let packet = try PacketDescription(parsing: String(parts[0]))
        var builder = PacketBuilder(packet)
        var bytes: [(offset: Int, value: UInt8)] = []
        for change in parts.dropFirst() {
            let words = change.split(separator: " ")
            switch (words.first, words.count) {
            case ("tag", 2...3):
                let ethertype = try words.count > 2 ? Self.number(words[2], radix: 16) : 0x8100
                let control = UInt16(truncatingIfNeeded: try Self.number(words[1], radix: 16))
                builder.tags.insert(.init(control, ethertype: UInt16(truncatingIfNeeded: ethertype)), at: 0)
            case ("options", 2): builder.ipOptions = try Self.bytes(String(words[1]))
            case ("cut", 2): builder.cut = Int(try Self.number(words[1], radix: 10))
            case ("byte", 3):
                let value = UInt8(truncatingIfNeeded: try Self.number(words[2], radix: 16))
                bytes.append((Int(try Self.number(words[1], radix: 10)), value))
            default: throw Mistake(description: "unknown change '\(change)'")
            }
        }
        var frame = builder.bytes
        for byte in bytes {
            guard frame.indices.contains(byte.offset) else { throw Mistake(description: "no such byte") }
            frame[byte.offset] = byte.value
        }
        return Frame(bytes: frame, timeNanoseconds: clock, interface: packet.interface)
    }

    private static func order(_ words: [Substring]) throws -> FlowOrder {
        guard words.count == 3 else { throw Mistake(description: "then drop|ban SECONDS") }
        let duration = words[2] == "ever" ? nil : UInt64(try nanoseconds(words[2]))
        switch words[1] {
        case "drop": return .drop(nanoseconds: duration)
        case "ban": return .ban(nanoseconds: duration)
        default: throw Mistake(description: "unknown order '\(words[1])'")
        }
    }

    private static func prefix(_ text: Substring) throws -> Prefix {
        let parts = text.split(separator: "/")
        guard let address = parts.first.flatMap({ IPAddress($0) }),
            let prefix = Prefix(
                masking: address, length: parts.count > 1 ? Int(parts[1]) ?? -1 : address.family.bitWidth)
        else { throw Mistake(description: "'\(text)' is no prefix") }
        return prefix
    }

    /// Of seconds with up to nine decimals.
    private static func nanoseconds(_ text: Substring) throws -> Int64 {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let decimals = parts.count > 1 ? String(parts[1]) : ""
        let padded = decimals + String(repeating: "0", count: max(0, 9 - decimals.count))
        return try number(parts[0], radix: 10) * 1_000_000_000 + number(padded, radix: 10)
    }

    private static func number(_ text: some StringProtocol, radix: Int) throws -> Int64 {
        guard let number = Int64(text, radix: radix) else {
            throw Mistake(description: "'\(text)' is no number")
        }
        return number
    }

    private static func bytes(_ text: String) throws -> [UInt8] {
        let digits = Array(text)
        return try stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(truncatingIfNeeded: try number(String(digits[$0...$0 + 1]), radix: 16))
        }
    }
}
