// SPDX-License-Identifier: Apache-2.0
// Classes of values against asking every constraint for every value; images and limits.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import MapCompiler

private let place = SourceRange(SourceText(path: "policy.conf", text: "rules\n"), 0, 5)

private func rule(_ name: String, _ action: RuleAction = .drop) -> Rule {
    Rule(name: name, action: action, range: place)
}

@Test func `every value's class has the bits of the constraints that hold it`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
        var base = Row(words: 3)
        base[130] = true
        let constraints = (0..<Int.random(in: 0...6, using: &random)).map { bit in
            let ranges = (0..<Int.random(in: 0...4, using: &random)).map { _ -> ClosedRange<UInt8> in
                let (a, b) = (
                    UInt8.random(in: 0...255, using: &random), UInt8.random(in: 0...255, using: &random)
                )
                return min(a, b)...max(a, b)
            }
            return Constraint(bit: bit * 20, values: IntervalSet(ranges))
        }
        let classes = Classes(base: base, constraints: constraints)
        #expect(classes.starts.first == 0 && Set(classes.rows).count == classes.rows.count, "seed \(seed)")
        for value in UInt8.min...UInt8.max {
            let position = classes.starts.lastIndex { $0 <= value } ?? 0
            var expected = base
            for constraint in constraints where constraint.values.contains(value) {
                expected[constraint.bit] = true
            }
            #expect(classes.rows[classes.classes[position]] == expected, "seed \(seed) value \(value)")
        }
    }
}

@Test func `the same policy compiles to the same bytes`() throws {
    var policy = CheckedPolicy(name: "same")
    let services = ServiceSet(
        others: false,
        exceptions: [
            .tcp: .init(values: IntervalSet(22...22), unread: false), .udp: .all,
            .icmp: .init(values: IntervalSet(8...8), unread: false),
        ])
    policy.failsafe = [FailsafeEntry(source: nil, service: services, range: place)]
    var web = rule("web")
    web.match.service = services
    policy.rules = [web]
    let first = try compile(policy, for: CompileTarget())
    for _ in 0..<5 { #expect(try compile(policy, for: CompileTarget()).tables == first.tables) }
}

@Test func `a policy beyond a limit is an error that names the limit and a place`() {
    var policy = CheckedPolicy(name: "big")
    policy.rules = (0...Int(GUARD_ROW_BITS_MAX)).map { rule("r\($0)") }
    var target = CompileTarget()
    target.classifier = .bitVectors
    #expect {
        try compile(policy, for: target)
    } throws: { error in
        let found = (error as? CompileError)?.diagnostics.first
        return found?.message.contains("at most 4096") == true && found?.range == place
    }
}

/// End in seconds, what the clock lags, the end on the clock.
private let ends: [(Int64, Int64, UInt64)] = [
    (1000, 0, 1_000_000_000_000), (1000, 400_000_000_000, 600_000_000_000), (1000, 2_000_000_000_000, 0),
    (Int64.max, 0, UInt64.max), (Int64.min, 0, 0),
]

@Test(arguments: ends)
func `an end time is told on the program's clock`(seconds: Int64, offset: Int64, expected: UInt64) throws {
    var policy = CheckedPolicy(name: "ends")
    var ending = rule("ending")
    ending.expires = seconds
    policy.rules = [ending]
    var target = CompileTarget()
    target.clockOffsetNanoseconds = offset
    let image = try compile(policy, for: target)
    let entry = image.tables.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: Int(image.config.rules), as: guard_rule.self)
    }
    #expect(entry.expires_ns == expected && entry.flags == UInt8(GUARD_RULE_EXPIRES))
}
