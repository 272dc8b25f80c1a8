// SPDX-License-Identifier: Apache-2.0
// Step "parse": one document's nodes in, its PolicyAST and everything wrong with single values out. Names
// are resolved by the next step, "check".
import Diagnostics
import NetworkTypes

struct PolicyParser {
    private(set) var diagnostics: [Diagnostic] = []
    /// Names of definitions whose values could not be read.
    var broken: Set<String> = []
    /// Unknown keys that were told before, and what was meant by them.
    var meantKeys: [String: String?] = [:]
    let serviceMemo = ServiceMemo()
    /// The key whose value is being read, for messages.
    var key = ""

    /// - Parameter isIncluded: the file was named by an `include:` and may hold definitions and rules only.
    /// Rules are left as nodes, see `PolicyAST.rules`.
    static func parse(_ root: Node, isIncluded: Bool) -> (ast: PolicyAST, diagnostics: [Diagnostic]) {
        var parser = PolicyParser()
        var ast = PolicyAST()
        ast.isIncluded = isIncluded
        if isIncluded { parser.refuseKeysOfPolicies(root) }
        if let keys = parser.read(root, PolicyAST.table, into: &ast) {
            ast.keys = keys
            ast.range = root.range
        }
        ast.broken = parser.broken
        return (ast, parser.diagnostics)
    }

    mutating func report(_ id: String, _ message: String, _ range: SourceRange, help: String? = nil) {
        diagnostics.append(Diagnostic(id: id, message, at: range, help: help))
    }

    mutating func warn(_ id: String, _ message: String, _ range: SourceRange, help: String? = nil) {
        diagnostics.append(Diagnostic(.warning, id: id, message, at: range, help: help))
    }

    mutating func note(_ diagnostic: Diagnostic) { diagnostics.append(diagnostic) }

    private mutating func refuseKeysOfPolicies(_ root: Node) {
        guard case .mapping(let entries) = root.kind else { return }
        for entry in entries {
            guard let key = entry.key.text, PolicyAST.table.position(of: key) != nil,
                !Self.keysOfIncludes.contains(key)
            else { continue }
            report(
                "not-in-include", "'\(key)' cannot stand in an included file", entry.key.range,
                help: "move it to the policy; an included file has "
                    + Self.keysOfIncludes.joined(separator: ", "))
        }
    }

    private static let keysOfIncludes = ["include", "sets", "services", "limits", "inspectors", "rules"]
}

// Values.
extension PolicyParser {
    /// The scalar's text; anything else is an error.
    mutating func scalar(_ node: Node) -> String? {
        guard let text = node.text else {
            report(
                "wrong-kind", "'\(key)' is \(describe(node)), not a single value", node.range,
                help: "write plain text here")
            return nil
        }
        if isMissing(node) {
            report("missing-value", "'\(key)' has no value", node.range, help: "write a value behind it")
            return nil
        }
        return text
    }

    func isMissing(_ node: Node) -> Bool { node.isMissing }

    /// A scalar read by a value parser, its error told where the scalar stands.
    mutating func value<Value>(
        _ node: Node, _ parse: (String) throws(ValueError) -> Value
    ) -> Positioned<Value>? {
        guard let text = scalar(node) else { return nil }
        do throws(ValueError) {
            return Positioned(try parse(text), node.range)
        } catch {
            report(error.id, error.message, node.range, help: error.help)
            return nil
        }
    }

    mutating func word<Word: WordValue>(_ node: Node, _ type: Word.Type) -> Positioned<Word>? {
        let name = key
        return value(node) { text throws(ValueError) in try parseWord(text, named: name) }
    }

    /// Items of a list; a scalar or mapping is a list of one, a missing value an error.
    mutating func elements(_ node: Node) -> [Node] {
        if case .sequence(let items) = node.kind { return Array(items) }
        if isMissing(node) {
            report("missing-value", "'\(key)' has no value", node.range, help: "write a value behind it")
            return []
        }
        return [node]
    }

    /// As `elements`, for blocks that may be left empty: `rules:` with all its rules commented out.
    mutating func blockElements(_ node: Node) -> [Node] { isMissing(node) ? [] : elements(node) }

    /// An "any of" list whose items may be negated; nil (told) where it has none.
    mutating func list<Value>(
        _ node: Node, _ parse: (String) throws(ValueError) -> Value
    ) -> ItemList<Value>? {
        var list = ItemList<Value>(items: [], range: node.range)
        guard case .sequence(let nodes) = node.kind else {
            if isMissing(node), elements(node).isEmpty { return nil }
            item(node, parse, &list)
            return list
        }
        if nodes.isEmpty {
            report(
                "empty-value", "'\(key)' names nothing", node.range,
                help: "leave the key out, or name something")
            return nil
        }
        list.items.reserveCapacity(nodes.count)
        for node in nodes { item(node, parse, &list) }
        return list
    }

    private mutating func item<Value>(
        _ node: Node, _ parse: (String) throws(ValueError) -> Value, _ list: inout ItemList<Value>
    ) {
        guard let text = scalar(node) else { return list.isPartial = true }
        let negated = text.utf8.first == UInt8(ascii: "!")
        do throws(ValueError) {
            let value = try parse(negated ? String(text.dropFirst()) : text)
            list.items.append(ListItem(value: value, negated: negated, range: node.range))
        } catch {
            list.isPartial = true
            report(error.id, error.message, node.range, help: negated ? negatedHelp(error.help) : error.help)
        }
    }

    private func negatedHelp(_ help: String?) -> String? { help.map { "behind the '!': " + $0 } }

    /// A list of plain words without "!".
    mutating func words<Word: WordValue>(_ node: Node, _ type: Word.Type) -> [Positioned<Word>] {
        elements(node).compactMap { word($0, type) }
    }

    /// A list of texts without "!".
    mutating func texts(
        _ node: Node, _ parse: (String) throws(ValueError) -> String
    ) -> [Positioned<String>] {
        elements(node).compactMap { value($0, parse) }
    }
}

/// Values that are one of a few words.
typealias WordValue = RawRepresentable<String> & CaseIterable & Sendable

func parseWord<Word: WordValue>(_ text: String, named name: String) throws(ValueError) -> Word {
    if let word = Word(rawValue: text) { return word }
    let words = Word.allCases.map(\.rawValue)
    throw ValueError(
        id: "unknown-word", "'\(text)' is no value of '\(name)'",
        help: suggestion(for: text, among: words, expected: "use \(words.joined(separator: ", "))"))
}
