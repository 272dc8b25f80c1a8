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

    private mutating func checkState() {
        policy.stateful = main.stateful?.value ?? true
        policy.fragments = main.fragments?.value ?? .track
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
