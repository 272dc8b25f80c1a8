// SPDX-License-Identifier: Apache-2.0
// The keys of one kind of mapping, each with the function that reads its value.
import Diagnostics

struct KeyTable<Target>: Sendable {
    typealias Read = @Sendable (inout PolicyParser, Node, inout Target) -> Void

    /// In messages, as in "a rule".
    let owner: String
    /// In the order of the documentation.
    let names: [String]
    let readers: [Read]
    private let positions: [String: Int]

    init(_ owner: String, _ keys: KeyValuePairs<String, Read>) {
        self.owner = owner
        names = keys.map(\.key)
        readers = keys.map(\.value)
        positions = Dictionary(zip(names, 0...), uniquingKeysWith: { first, _ in first })
    }

    /// Where a key stands in `names`; nil for an unknown one.
    func position(of key: String) -> Int? { positions[key] }
}

/// The keys of a table that stand in a mapping. A bit each: a set of strings for each of 100,000 rules takes
/// longer than all the rest of their parsing.
struct KeySet: Sendable {
    private var bits: UInt64 = 0
    private let names: [String]

    /// - Parameter names: at most 64.
    init(among names: [String] = []) { self.names = names }

    var isEmpty: Bool { bits == 0 }

    func contains(_ name: String) -> Bool {
        guard let position = names.firstIndex(of: name) else { return false }
        return bits & 1 << UInt64(position) != 0
    }

    mutating func insert(position: Int) { bits |= 1 << UInt64(position) }

    mutating func insert(_ name: String) {
        if let position = names.firstIndex(of: name) { insert(position: position) }
    }

    /// In the order of the table.
    var present: [String] { names.filter(contains) }
}

extension PolicyParser {
    /// Reads a mapping's entries into `target`; a value that is no mapping and unknown keys are errors.
    /// - Returns: the keys that stand there, misspelt ones as they were meant; nil where it is no mapping.
    mutating func read<Target>(
        _ node: Node, _ table: KeyTable<Target>, into target: inout Target
    ) -> KeySet? {
        guard case .mapping(let entries) = node.kind else {
            report(
                "wrong-kind", "\(table.owner) is \(describe(node)), not a mapping", node.range,
                help: "write it as 'key: value' with keys from: \(table.names.joined(separator: ", "))")
            return nil
        }
        var found = KeySet(among: table.names)
        for entry in entries {
            guard let key = entry.key.text else { continue }
            guard let position = table.position(of: key) else {
                // Counts as the key that was meant, so that nobody is also told that this one is missing.
                if let meant = unknownKey(key, entry.key.range, of: table.owner, among: table.names) {
                    found.insert(meant)
                }
                continue
            }
            found.insert(position: position)
            self.key = key
            table.readers[position](&self, entry.value, &target)
        }
        return found
    }

    /// - Returns: the key that was meant, if one is near.
    private mutating func unknownKey(
        _ key: String, _ range: SourceRange, of owner: String, among names: [String]
    ) -> String? {
        let meant = nearestKey(to: key, of: owner, among: names)
        let expected = "the keys of \(owner) are \(names.joined(separator: ", "))"
        report(
            "unknown-key", "unknown key '\(key)' in \(owner)", range,
            help: meant.map { "did you mean '\($0)'?" } ?? expected)
        return meant
    }

    /// Generated policies repeat their mistakes: each is compared once, and not more than a thousand.
    private mutating func nearestKey(to key: String, of owner: String, among names: [String]) -> String? {
        let place = owner + "." + key
        if let known = meantKeys[place] { return known }
        guard meantKeys.count < 1000 else { return nil }
        let meant = nearest(to: key, among: names)
        meantKeys[place] = .some(meant)
        return meant
    }

    /// What a node is, in words.
    func describe(_ node: Node) -> String {
        switch node.kind {
        case .scalar(let text, let quoted): text.isEmpty && !quoted ? "empty" : "'\(text)'"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
