// SPDX-License-Identifier: Apache-2.0
// The policy's own keys: what holds for all packets, before any rule.
import Diagnostics
import NetworkTypes

extension PolicyChecker {
    mutating func checkHeader() {
        let stem = printable(fileStem(policyPath))
        policy.name = main.name?.value ?? ((try? parseName(stem)) ?? "policy")
        policy.interfaces = main.interfaces.map(\.value)
        policy.mode = main.mode?.value ?? .enforce
        policy.malformed = main.malformed?.value ?? .drop
        policy.spoofed = main.spoofed?.value ?? .drop
        if let names = main.essential { policy.essential = Set(names.map(\.value)) }
        policy.decapsulate = Set(main.decapsulate.map(\.value))
        checkDefault()
        checkState()
        if let neverBan = main.neverBan { policy.neverBan = addresses(neverBan) }
        policy.neverBanExpression = expression(main.neverBan)
        for entry in main.failsafe { checkFailsafe(entry) }
    }

    private mutating func checkDefault() {
        if let verdict = main.defaultVerdict {
            policy.defaultVerdict = verdict.value
        } else if !main.keys.contains("default"), let range = main.range {
            error(
                "missing-key", "the policy has no 'default'",
                SourceRange(range.source, range.start, range.start + 1),
                help: "write default: drop or default: pass, for packets that no rule decides")
        }
    }

    /// Connections are not followed yet: written out it is refused, left out it is off.
    private mutating func checkState() {
        policy.stateful = main.stateful?.value ?? false
        policy.fragments = main.fragments?.value ?? .track
        if let stateful = main.stateful, stateful.value { notYet("stateful", stateful.range) }
    }

    mutating func noteDefaults() {
        if !main.keys.contains("stateful") {
            noteDefault(
                "connections are not followed yet: replies to this host's own need rules",
                help: "write stateful: false to say that this is meant")
        }
    }

    private mutating func noteDefault(_ message: String, help: String) {
        guard let source = main.range?.source else { return }
        note(
            Diagnostic(
                .note, id: "default-not-yet-supported", message, at: SourceRange(source, 0, 0), help: help,
                isOfWholeFile: true))
    }

    private mutating func checkFailsafe(_ entry: FailsafeAST) {
        var checked = FailsafeEntry(
            source: entry.source.map { addresses($0) }, service: entry.service.map { service($0) },
            range: entry.range)
        checked.sourceExpression = expression(entry.source)
        if entry.isBroken { hasErrors = true }
        policy.failsafe.append(checked)
    }
}
