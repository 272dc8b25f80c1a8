// SPDX-License-Identifier: Apache-2.0
// Definitions of one kind by their names: which exist, which are named twice, which nobody uses.
import Diagnostics

/// Sets, services, limits or inspectors of all files.
struct DefinitionTable<Definition: Sendable>: Sendable {
    /// In messages, as in "set".
    let kind: String
    private(set) var definitions: [Definition] = []
    private(set) var names: [Positioned<String>] = []
    /// Whether anything refers to it.
    var isUsed: [Bool] = []
    private var indices: [String: Int] = [:]

    init(kind: String) { self.kind = kind }

    /// - Returns: the error where the name is taken.
    mutating func add(_ definition: Definition, _ name: Positioned<String>) -> Diagnostic? {
        if let index = indices[name.value] { return duplicateName(kind, name, first: names[index].range) }
        indices[name.value] = definitions.count
        definitions.append(definition)
        names.append(name)
        isUsed.append(false)
        return nil
    }

    func index(of name: String) -> Int? { indices[name] }
}

func duplicateName(_ kind: String, _ name: Positioned<String>, first: SourceRange) -> Diagnostic {
    Diagnostic(
        id: "duplicate-name", "\(kind) '\(name.value)' is named twice", at: name.range,
        related: [.init(first, "the first one")], help: "give one of them another name")
}
