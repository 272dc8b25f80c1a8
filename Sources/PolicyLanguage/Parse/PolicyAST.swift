// SPDX-License-Identifier: Apache-2.0
// Step "parse", what comes out: one file's blocks as they are written, values read, names not yet resolved.
import Diagnostics
import NetworkTypes

/// A value and where it stands.
struct Positioned<Value: Sendable>: Sendable {
    let value: Value
    let range: SourceRange

    init(_ value: Value, _ range: SourceRange) {
        self.value = value
        self.range = range
    }
}

/// One item of an "any of" list; `negated`: it was written with "!" and takes out of what the others give.
struct ListItem<Value: Sendable>: Sendable {
    let value: Value
    let negated: Bool
    let range: SourceRange
}

/// A whole list and where it stands; a match key's is not empty, but for items that could not be read.
struct ItemList<Value: Sendable>: Sendable {
    var items: [ListItem<Value>]
    let range: SourceRange
    /// Items are missing that could not be read: what the list comes to is not known.
    var isPartial = false
}

/// What a list of addresses (services) can hold: values, and names written with "$".
enum AddressTerm: Sendable {
    case literal(AddressSet)
    case named(String)
}

enum ServiceTerm: Sendable {
    case literal(ServiceSet)
    case named(String)
}

/// A policy file or an included one. A nil key does not stand in the file.
struct PolicyAST: Sendable {
    var name: Positioned<String>?
    var interfaces: [Positioned<String>] = []
    var mode: Positioned<PolicyMode>?
    var defaultVerdict: Positioned<PassOrDrop>?
    var stateful: Positioned<Bool>?
    var malformed: Positioned<PassOrDrop>?
    var spoofed: Positioned<PassOrDrop>?
    var fragments: Positioned<FragmentHandling>?
    var essential: [Positioned<EssentialTraffic>]?
    var decapsulate: [Positioned<Encapsulation>] = []
    var failsafe: [FailsafeAST] = []
    var neverBan: ItemList<AddressTerm>?
    var includes: [Positioned<String>] = []
    var sets: [SetAST] = []
    var services: [ServiceAST] = []
    var limits: [LimitAST] = []
    var inspectors: [InspectorAST] = []
    /// The rules' nodes: each is parsed when it is checked, since all together take more memory than the
    /// rest of a large policy. Nil: none.
    var rules: Node?
    /// Where the reader found something wrong with the text: that value needs no second word.
    var spokenOf: Set<Int> = []
    var tests: [TestAST] = []
    /// Whether the file was named by an `include:`.
    var isIncluded = false
    /// Keys that stand in the file although their values could not be read.
    var keys = KeySet()
    /// Definitions whose values could not be read: using them is no further error.
    var broken: Set<String> = []
    /// The whole document's; nil where it is no mapping.
    var range: SourceRange?
}

extension PolicyAST {
    /// Without what is said of values that the reader spoke of already.
    func unspoken(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
        spokenOf.isEmpty ? diagnostics : diagnostics.filter { !spokenOf.contains($0.range.start) }
    }
}
