// SPDX-License-Identifier: Apache-2.0
// Suricata's threshold.config: rates and exceptions of signatures, kept outside of their texts. In: the
// file's text. Out: one entry a line, and what is wrong with the others.
import Diagnostics
import NetworkTypes

/// Which signatures an entry is about; 0 stands for all.
struct SignatureSelector: Hashable, Sendable {
    var generator: UInt32
    var sid: UInt32

    func selects(_ signature: SignatureID) -> Bool {
        (generator == 0 || generator == signature.generator) && (sid == 0 || sid == signature.sid)
    }
}

/// Whose matches are counted together.
enum ThresholdTracking: String, Sendable, CaseIterable {
    case bySource = "by_src"
    case byDestination = "by_dst"
    case byEither = "by_either"
    case byBoth = "by_both"
    case byRule = "by_rule"
    case byFlow = "by_flow"
}

/// A line of threshold.config.
enum ThresholdEntry: Sendable {
    /// No alert where this side is one of the addresses; nil: no alert at all.
    case suppress(SignatureSelector, ThresholdTracking, AddressSet?)
    case rate(SignatureSelector, EventRate)
    case action(SignatureSelector, ActionRate)
}

/// How often a signature alerts (`threshold`, `event_filter`).
struct EventRate: Hashable, Sendable {
    enum Kind: String, Sendable, CaseIterable { case limit, threshold, both }

    var kind: Kind
    var tracking: ThresholdTracking
    var count: UInt32
    var seconds: UInt32
}

/// What else a signature does once it matches more often (`rate_filter`).
struct ActionRate: Hashable, Sendable {
    enum NewAction: String, Sendable, CaseIterable { case alert, drop, pass, reject }

    var tracking: ThresholdTracking
    var count: UInt32
    var seconds: UInt32
    var newAction: NewAction
    /// Seconds for which the new action holds.
    var timeout: UInt32
}

/// The entries of threshold files.
public struct ThresholdFile: Sendable {
    private(set) var entries: [ThresholdEntry] = []
    public private(set) var diagnostics: [Diagnostic] = []

    /// Entries that are taken; further lines are errors.
    static let mostEntries = 100_000

    /// - Parameters:
    ///   - source: the file's text.
    ///   - variables: address variables that entries may name, without `$`.
    public init(_ source: SourceText, variables: [String: AddressSet] = [:]) {
        var start = 0
        let bytes = source.bytes
        // An entry whose lines end in a backslash each but the last; it is told by its first one.
        var entry: [UInt8] = []
        var first = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0a) ?? bytes.count
            if entry.isEmpty { first = start }
            let line = bytes[start..<end]
            let part = Self.continued(line)
            // Without blanks in front, so that one look tells a comment, which goes on nowhere.
            entry += entry.isEmpty ? (part ?? line).drop(while: Self.isBlank) : part ?? line
            start = end + 1
            guard part == nil || start >= bytes.count || entry.first == UInt8(ascii: "#") else { continue }
            take(entry, SourceRange(source, first, end), variables)
            entry.removeAll(keepingCapacity: true)
        }
    }

    /// What stands before the backslash at a line's end, behind which blanks count for nothing; nil: the line
    /// ends here.
    private static func continued(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let last = line.lastIndex(where: { !isBlank($0) }), line[last] == UInt8(ascii: "\\") else {
            return nil
        }
        return line[..<last]
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }

    /// - Parameter line: where the entry stands.
    private mutating func take(
        _ entry: [UInt8], _ line: SourceRange, _ variables: [String: AddressSet]
    ) {
        let text = String(decoding: entry, as: UTF8.self)
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
        guard let kind = words.first, !kind.hasPrefix("#") else { return }
        guard entries.count < Self.mostEntries else {
            return report("the file has more than \(Self.mostEntries) entries", line, help: "split it")
        }
        let rest = words.dropFirst().joined(separator: " ")
        do throws(ThresholdProblem) {
            var options = try ThresholdOptions(rest)
            let entry = try options.entry(String(kind), variables)
            try options.requireAllRead()
            entries.append(entry)
        } catch {
            report(error.message, line, help: error.help)
        }
    }

    private mutating func report(_ message: String, _ line: SourceRange, help: String) {
        guard diagnostics.count < 1_000 else { return }
        diagnostics.append(Diagnostic(id: "threshold-syntax", message, at: line, help: help))
    }
}

/// Why a line is no entry.
struct ThresholdProblem: Error {
    var message: String
    var help: String
}
