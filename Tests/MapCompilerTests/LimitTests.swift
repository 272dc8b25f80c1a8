// SPDX-License-Identifier: Apache-2.0
// What the datapath can hold: one less compiles, one more is an error with the limit and the policy's line.
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Testing

private let text = SourceText(path: "policy.conf", text: "first\nsecond\nlast\n")
private let first = SourceRange(text, 0, 5)
private let last = SourceRange(text, 13, 17)

private func rule(_ name: String, at range: SourceRange = last) -> Rule {
    Rule(name: name, action: .drop, range: range)
}

private func refusal(_ policy: CheckedPolicy, _ target: CompileTarget = CompileTarget()) -> Diagnostic? {
    do {
        _ = try compile(policy, for: target)
        return nil
    } catch {
        return error.diagnostics.first
    }
}

@Test func `the 4097th rule is one too many for bit vectors, and shown`() {
    var policy = CheckedPolicy(name: "big")
    var target = CompileTarget()
    target.classifier = .bitVectors
    policy.rules = (0..<Int(GUARD_ROW_BITS_MAX)).map { rule("r\($0)", at: first) }
    #expect(refusal(policy, target) == nil)
    policy.rules.append(rule("over"))
    let found = refusal(policy, target)
    #expect(found?.message == "the policy has 4097 rules, but bit vectors hold at most 4096")
    #expect(found?.range.line == 3 && found?.id == "datapath-limit")
}

@Test func `failsafe entries and their replies share 62 matches`() {
    var policy = CheckedPolicy(name: "safe")
    let ssh = ServiceSet(
        others: false, exceptions: [.tcp: .init(values: IntervalSet(22...22), unread: false)])
    policy.failsafe = (0..<31).map { _ in FailsafeEntry(source: nil, service: ssh, range: first) }
    #expect(refusal(policy) == nil)
    policy.failsafe.append(FailsafeEntry(source: nil, service: ssh, range: last))
    let found = refusal(policy)
    #expect(found?.message.contains("need 64 matches") == true, "\(found?.message ?? "compiled")")
    #expect(found?.message.contains("at most 62") == true && found?.range.line == 3)
}

@Test func `the 17th payload pattern of a rule is one too many`() {
    var policy = CheckedPolicy(name: "patterns")
    policy.rules = [rule("few", at: first), rule("many")]
    func patterns(_ count: Int) -> [PayloadPattern] {
        (0..<count).map { PayloadPattern(offset: $0, bytes: [UInt8($0)], mask: [0xff]) }
    }
    policy.rules[0].match.payload = patterns(16)
    policy.rules[1].match.payload = patterns(16)
    #expect(refusal(policy) == nil)
    policy.rules[1].match.payload = patterns(17)
    let found = refusal(policy)
    #expect(found?.message.contains("rule 'many' has 17 payload patterns") == true)
    #expect(found?.message.contains("at most 16") == true && found?.range.line == 3)
}

@Test func `the 65th interface is one too many, with rules and without`() {
    var target = CompileTarget()
    target.interfaces = (1...65).map { .init(name: "port\($0)", index: $0) }
    var policy = CheckedPolicy(name: "ports")
    policy.rules = [rule("any")]
    #expect(refusal(policy, target)?.message == "65 interfaces, but at most 64 are possible")
    policy.rules = []
    let found = refusal(policy, target)
    #expect(found?.rendered().hasPrefix("ports: error: 65 interfaces, but at most 64") == true)
    target.interfaces.removeLast()
    #expect(refusal(policy, target) == nil)
}

/// 17 rules, of which rule n holds for every second run of 2^n addresses: each address is a class.
@Test func `more than 65,536 classes of addresses are an error that names the key`() {
    var policy = CheckedPolicy(name: "classes")
    policy.rules = (0..<17).map { bit in
        let run = UInt32(1) << UInt32(bit)
        var ranges: [ClosedRange<UInt32>] = []
        for start in stride(from: run, to: 1 << 17, by: Int(2 * run)) {
            ranges.append(start...start + run - 1)
        }
        var made = rule("bit \(bit)")
        made.match.source = AddressSet(v4: IntervalSet(ranges))
        return made
    }
    let found = refusal(policy)
    #expect(found?.message.contains("makes one class of IPv4 source addresses too many") == true)
    #expect(found?.message.contains("at most 65536") == true && found?.range.line == 3)
}
