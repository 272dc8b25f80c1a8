// SPDX-License-Identifier: Apache-2.0
// A policy as text with a structure: random policies are made so, and a failing one can lose parts and still
// be text that loads.
import Diagnostics
import PolicyLanguage

/// A policy's document in parts.
public struct PolicyDraft: Sendable, Hashable {
    /// A key with its values, each as it stands in YAML; printed as a list where `isList` or several.
    public struct Entry: Sendable, Hashable {
        public var key: String
        public var values: [String]
        public var isList = false

        public init(_ key: String, _ values: [String], isList: Bool = false) {
            (self.key, self.values, self.isList) = (key, values, isList)
        }

        public init(_ key: String, _ value: String) { self.init(key, [value]) }

        var text: String {
            let isOne = values.count == 1 && !isList
            return "\(key): " + (isOne ? values[0] : "[" + values.joined(separator: ", ") + "]")
        }
    }

    /// Keys on the top level, `default` among them.
    public var header: [Entry] = []
    public var sets: [Entry] = []
    public var services: [Entry] = []
    public var limits: [Entry] = []
    public var inspectors: [Entry] = []
    public var failsafe: [[Entry]] = []
    /// Each with `name` first and `action` last.
    public var rules: [[Entry]] = []

    public init() {}

    /// The policy's document.
    public var text: String {
        var lines = header.map(\.text)
        let definitions = [
            ("sets", sets), ("services", services), ("limits", limits), ("inspectors", inspectors),
        ]
        for (name, entries) in definitions where !entries.isEmpty {
            lines.append("\(name):")
            lines += entries.map { "  " + $0.text }
        }
        for (name, blocks) in [("failsafe", failsafe), ("rules", rules)] where !blocks.isEmpty {
            lines.append("\(name):")
            lines += blocks.map { "  - { " + $0.map(\.text).joined(separator: ", ") + " }" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The policy that the text means, at the beginning of time, so that `expires` is never past.
    public func load() throws(DraftError) -> CheckedPolicy {
        let report = loadPolicy(path: "random.conf", reader: TextReader(text: text), now: -1)
        guard let policy = report.policy else {
            throw DraftError(description: "a random policy does not load:\n\(report.rendered())\(text)")
        }
        return policy
    }
}

/// A draft that the language does not take.
public struct DraftError: Error, CustomStringConvertible {
    public var description: String
}

/// Serves one text as every file.
struct TextReader: FileReader {
    var text: String
    func read(_ path: String) throws(FileReadError) -> [UInt8] { Array(text.utf8) }
}

/// What the language takes today of what it is to take: random policies use it as soon as it does.
enum Vocabulary {
    static let fragments = ["track", "pass", "drop"].filter { accepts("fragments: \($0)") }
    static let decapsulate = Encapsulation.allCases.map(\.rawValue).filter { accepts("decapsulate: [\($0)]") }
    static let actions = ["pass", "pass", "drop", "drop", "reject"].filter {
        accepts("rules: [{ name: r, action: \($0) }]")
    }

    private static func accepts(_ line: String) -> Bool {
        let text = "default: drop\nstateful: false\n\(line)\n"
        let report = loadPolicy(path: "probe.conf", reader: TextReader(text: text), now: 0)
        return report.policy != nil
    }
}
