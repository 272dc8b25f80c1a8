// SPDX-License-Identifier: Apache-2.0
// Step "check": the ASTs of a policy and its included files in, the checked policy and everything wrong
// with it as a whole out. Each definition is resolved once, whoever uses it.
import Diagnostics
import NetworkTypes

struct PolicyChecker {
    /// How far a definition's resolving has come.
    enum Progress<Value: Sendable>: Sendable {
        case awaited, underWay
        case done(Value)
    }

    var diagnostics: [Diagnostic] = []
    /// What is wrong with single values of rules.
    var ruleDiagnostics: [Diagnostic] = []
    /// Positions in `diagnostics` of what is only worth saying of a policy whose values could all be read.
    private var provisional: [Int] = []
    /// An error was found before: what is unused then says nothing.
    var hasErrors = false
    let main: PolicyAST
    let files: [PolicyAST]
    let reader: any FileReader
    /// Seconds since 1970-01-01T00:00Z.
    let now: Int64
    var policy: CheckedPolicy

    var sets = DefinitionTable<SetAST>(kind: "set")
    var services = DefinitionTable<ServiceAST>(kind: "service")
    var limits = DefinitionTable<LimitAST>(kind: "limit")
    var inspectors = DefinitionTable<InspectorAST>(kind: "inspector")
    var resolvedSets: [Progress<AddressSet>] = []
    var resolvedServices: [Progress<ServiceSet>] = []
    /// Definitions that are being resolved, each named by the one before it.
    var chain: [Int] = []
    /// Names whose definitions could not be read: using them is no further error.
    private var broken: Set<String> = []
    /// Comparing a misspelt name with all others takes long where there are many of both.
    private var suggestionsLeft = 50

    init(_ main: PolicyAST, including included: [PolicyAST], reader: any FileReader, now: Int64) {
        self.main = main
        self.reader = reader
        self.now = now
        files = included + [main]
        policy = CheckedPolicy(name: "")
    }

    mutating func check() -> CheckedPolicy {
        collectDefinitions()
        checkHeader()
        checkDefinitions()
        checkRules()
        checkTests()
        warnOfUnused()
        return policy
    }

    private mutating func collectDefinitions() {
        for file in files {
            broken.formUnion(file.broken)
            for set in file.sets {
                if set.name.value == Bogons.name { refuseBogons(set.name) }
                note(sets.add(set, set.name))
            }
            for service in file.services { note(services.add(service, service.name)) }
            for limit in file.limits { note(limits.add(limit, limit.name)) }
            for inspector in file.inspectors { note(inspectors.add(inspector, inspector.name)) }
        }
        resolvedSets = Array(repeating: .awaited, count: sets.definitions.count)
        resolvedServices = Array(repeating: .awaited, count: services.definitions.count)
    }

    private mutating func refuseBogons(_ name: Positioned<String>) {
        error(
            "reserved-name", "'bogons' is a built-in set", name.range,
            help: "give the set another name; $bogons needs no definition")
    }

    private mutating func checkDefinitions() {
        for index in sets.definitions.indices {
            let (definition, addresses) = (sets.definitions[index], resolveSet(index))
            var named = NamedSet(
                name: definition.name.value, addresses: addresses, range: definition.name.range)
            switch definition.source {
            case .file(let path, let refresh):
                named.file = resolvePath(path.value, in: path.range.source.path)
                named.refresh = refresh
            case .items(let items):
                named.expression = expression(items)
                named.items = setItems(items)
            }
            policy.sets.append(named)
        }
        for index in services.definitions.indices { _ = resolveService(index) }
        for limit in limits.definitions { checkLimit(limit) }
        policy.inspectors = inspectors.definitions.map(\.inspector)
    }

    /// A definition that only included files have may be there for other policies: no more than a note.
    private mutating func warnOfUnused() {
        guard !hasErrors else { return }
        markSignatureVariables()
        warnOfUnused(in: sets, how: "refer to it as $NAME, or remove it")
        warnOfUnused(in: services, how: "refer to it as $NAME, or remove it")
        warnOfUnused(in: limits, how: "give a rule 'limit: NAME', or remove it")
        warnOfUnused(in: inspectors, how: "give a rule 'inspect: NAME', or remove it")
    }

    /// Signature files name sets by the words that they have for networks: `HOME_NET`.
    private mutating func markSignatureVariables() {
        guard policy.inspectors.contains(where: { !$0.signatures.isEmpty }) else { return }
        for (index, name) in sets.names.enumerated() where name.value == name.value.uppercased() {
            sets.isUsed[index] = true
        }
    }

    private mutating func warnOfUnused<Definition>(in table: DefinitionTable<Definition>, how: String) {
        for (name, isUsed) in zip(table.names, table.isUsed) where !isUsed {
            let isMain = name.range.source.path == policyPath
            diagnostics.append(
                Diagnostic(
                    isMain ? .warning : .note, id: "unused-\(table.kind)",
                    "\(table.kind) '\(name.value)' is never used", at: name.range,
                    help: how.replacing("NAME", with: name.value)))
        }
    }

    var policyPath: String { main.range?.source.path ?? "" }
}

// Saying what is wrong.
extension PolicyChecker {
    mutating func error(
        _ id: String, _ message: String, _ range: SourceRange, help: String? = nil
    ) {
        note(Diagnostic(id: id, message, at: range, help: help))
    }

    mutating func warn(_ id: String, _ message: String, _ range: SourceRange, help: String? = nil) {
        note(Diagnostic(.warning, id: id, message, at: range, help: help))
    }

    /// A warning that may follow from an error elsewhere: not told once there is one.
    mutating func warnUnlessWrong(
        _ id: String, _ message: String, _ range: SourceRange, help: String? = nil
    ) {
        guard !hasErrors else { return }
        provisional.append(diagnostics.count)
        warn(id, message, range, help: help)
    }

    /// Values of rules could not be read, which is known last.
    mutating func dropProvisional() {
        for index in provisional.reversed() { diagnostics.remove(at: index) }
        provisional = []
        hasErrors = true
    }

    mutating func note(_ diagnostic: Diagnostic?) {
        guard let diagnostic else { return }
        if diagnostic.severity == .error { hasErrors = true }
        diagnostics.append(diagnostic)
    }

    /// A name that nothing defines. `elsewhere`: what else is so named.
    mutating func undefined(
        _ kind: String, _ name: Positioned<String>, among names: [Positioned<String>],
        elsewhere: String? = nil
    ) {
        guard !broken.contains(name.value) else { return hasErrors = true }
        var help = "define it under '\(kind)s:'"
        if let elsewhere {
            help = elsewhere
        } else if suggestionsLeft > 0 {
            suggestionsLeft -= 1
            help = suggestion(for: name.value, among: names.map(\.value), expected: help)
        }
        error("undefined-\(kind)", "\(kind) '\(name.value)' is not defined", name.range, help: help)
    }
}
