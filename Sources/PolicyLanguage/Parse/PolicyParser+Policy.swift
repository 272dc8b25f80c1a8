// SPDX-License-Identifier: Apache-2.0
// The top keys of a policy, each with the function that reads it.
import Diagnostics
import NetworkTypes

extension PolicyAST {
    static let table = KeyTable<PolicyAST>(
        "a policy",
        [
            "policy": { $2.name = $0.value($1, parseName) },
            "interfaces": { $2.interfaces = $0.texts($1, parseAttachedInterface) },
            "mode": { $2.mode = $0.word($1, PolicyMode.self) },
            "default": { $2.defaultVerdict = $0.word($1, PassOrDrop.self) },
            "stateful": { $2.stateful = $0.value($1, parseBool) },
            "malformed": { $2.malformed = $0.word($1, PassOrDrop.self) },
            "spoofed": { $2.spoofed = $0.word($1, PassOrDrop.self) },
            "fragments": { $2.fragments = $0.word($1, FragmentHandling.self) },
            "essential": { $2.essential = $0.words($1, EssentialTraffic.self) },
            "decapsulate": { $2.decapsulate = $0.words($1, Encapsulation.self) },
            "failsafe": { $0.failsafe($1, &$2) },
            "never-ban": { $2.neverBan = $0.addresses($1, mayBeEmpty: true) },
            "include": { $2.includes = $0.includes($1) },
            "sets": { $0.sets($1, &$2) },
            "services": { $0.services($1, &$2) },
            "limits": { $0.limits($1, &$2) },
            "inspectors": { $0.inspectors($1, &$2) },
            "rules": { $2.rules = $1 },
            "tests": { $0.tests($1, &$2) },
        ])
}

extension PolicyParser {
    /// - Parameter mayBeEmpty: `[]` means no address; in a match key it is an error.
    mutating func addresses(_ node: Node, mayBeEmpty: Bool = false) -> ItemList<AddressTerm>? {
        if mayBeEmpty, case .sequence(let items) = node.kind, items.isEmpty {
            return ItemList(items: [], range: node.range)
        }
        return list(node, parseAddressTerm)
    }

    mutating func includes(_ node: Node) -> [Positioned<String>] {
        isMissing(node) ? [] : texts(node, parsePath)
    }

    mutating func failsafe(_ node: Node, _ ast: inout PolicyAST) {
        for item in blockElements(node) {
            var entry = FailsafeAST(range: item.range)
            guard let keys = read(item, FailsafeAST.table, into: &entry) else { continue }
            if keys.isEmpty {
                report(
                    "missing-key", "a failsafe entry without 'source' and 'service' would pass everything",
                    item.range, help: "name a source, a service, or both")
                continue
            }
            let isWhole =
                keys.contains("source") == (entry.source != nil)
                && keys.contains("service") == (entry.service != nil)
            entry.isBroken = !isWhole
            ast.failsafe.append(entry)
        }
    }

    mutating func sets(_ node: Node, _ ast: inout PolicyAST) {
        for (name, value) in definitions(node, of: "sets") {
            guard let source = setSource(value) else {
                broken.insert(name.value)
                continue
            }
            ast.sets.append(SetAST(name: name, source: source))
        }
    }

    private mutating func setSource(_ node: Node) -> SetAST.Source? {
        guard case .mapping = node.kind else { return addresses(node, mayBeEmpty: true).map { .items($0) } }
        var file = SetFileKeys()
        guard let keys = read(node, SetFileKeys.table, into: &file) else { return nil }
        if !keys.contains("file") {
            report(
                "missing-key", "the set names no file", node.range, help: "write { file: lists/name.netset }")
        }
        return file.file.map { .file($0, refresh: file.refresh?.value) }
    }

    mutating func services(_ node: Node, _ ast: inout PolicyAST) {
        for (name, value) in definitions(node, of: "services") {
            if case .sequence(let items) = value.kind, items.isEmpty {
                ast.services.append(ServiceAST(name: name, items: ItemList(items: [], range: value.range)))
            } else if let items = list(value, parseServiceTerm) {
                ast.services.append(ServiceAST(name: name, items: items))
            } else {
                broken.insert(name.value)
            }
        }
    }

    /// The names and values of a block of definitions. A name that cannot be one is told, and left out.
    mutating func definitions(_ node: Node, of block: String) -> [(name: Positioned<String>, value: Node)] {
        if isMissing(node) { return [] }
        guard case .mapping(let entries) = node.kind else {
            report(
                "wrong-kind", "'\(block)' is \(describe(node)), not a mapping", node.range,
                help: "write each as 'name: value'")
            return []
        }
        return entries.compactMap { entry in
            key = entry.key.text ?? ""
            guard let name = value(entry.key, parseDefinitionName) else {
                broken.insert(key)
                return nil
            }
            return (name, entry.value)
        }
    }
}

extension FailsafeAST {
    static let table = KeyTable<FailsafeAST>(
        "a failsafe entry",
        [
            "source": { $2.source = $0.addresses($1) },
            "service": { $2.service = $0.list($1, parseServiceTerm) },
        ])
}

/// A set's mapping form.
struct SetFileKeys: Sendable {
    var file: Positioned<String>?
    var refresh: Positioned<Int64>?
}

extension SetFileKeys {
    static let table = KeyTable<SetFileKeys>(
        "a set read from a file",
        [
            "file": { $2.file = $0.value($1, parsePath) },
            "refresh": { $2.refresh = $0.value($1, parseDuration) },
        ])
}
