// SPDX-License-Identifier: Apache-2.0
// Inspectors in the image: their records, the rules that ask for them, and what stands for all of them.
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Testing

private let nowhere = SourceRange(SourceText(path: "policy.conf", text: "first\nlast\n"), 6, 10)

/// A policy with a rule for each of these inspectors; nil: a rule without.
private func policy(_ inspectors: [Inspector], rules: [String?]) -> CheckedPolicy {
    var policy = CheckedPolicy(name: "inspect")
    policy.inspectors = inspectors
    policy.rules = rules.enumerated().map { number, inspector in
        var rule = Rule(name: "r\(number)", action: .pass, range: nowhere)
        rule.inspect = inspector
        return rule
    }
    return policy
}

private func inspector(
    _ name: String, packets: UInt32? = nil, bytes: UInt64? = nil, every: UInt32 = 1
) -> Inspector {
    var inspector = Inspector(name: name, range: nowhere)
    (inspector.samplePackets, inspector.sampleBytes, inspector.everyFlow) = (packets, bytes, every)
    return inspector
}

private func record<Record>(_ number: Int, at offset: UInt32, of image: MapImage, as type: Record.Type)
    -> Record
{
    image.tables.withUnsafeBytes {
        $0.loadUnaligned(
            fromByteOffset: Int(offset) + number * MemoryLayout<Record>.stride, as: Record.self)
    }
}

@Test func `a rule has its inspector's number, which has its record`() throws {
    var two = [inspector("a", packets: 16, every: 8), inspector("b", bytes: 1 << 40)]
    two[1].onOverload = .drop
    let image = try compile(policy(two, rules: ["b", nil, "a"]), for: CompileTarget())
    let rules = (0..<3).map { record($0, at: image.config.rules, of: image, as: guard_rule.self).inspector }
    #expect(rules == [1, UInt16(GUARD_NO_INSPECTOR), 0])
    let records = (0..<2).map {
        record($0, at: image.config.inspectors, of: image, as: guard_inspector.self)
    }
    #expect(records.map(\.packets) == [16, 0] && records.map(\.bytes) == [0, 1 << 40])
    #expect(records.map(\.every) == [8, 1])
    #expect(records.map(\.flags) == [0, GUARD_INSPECTOR_DROP.rawValue])
    #expect(image.config.inspector_count == 2 && image.config.flags & GUARD_CFG_INSPECT.rawValue != 0)
    #expect(image.config.sample_lines == UInt32(GUARD_SAMPLE_LINES))
    #expect(image.config.sample_bytes == UInt32(GUARD_SAMPLE_RING))
}

@Test func `a policy whose rules inspect nothing pays for nothing`() throws {
    let image = try compile(policy([inspector("unused")], rules: [nil]), for: CompileTarget())
    #expect(image.config.flags & GUARD_CFG_INSPECT.rawValue == 0)
    #expect(image.config.inspector_count == 0 && image.config.sample_lines == 0)
    #expect(image.config.sample_bytes == 0 && image.config.inspectors_seed == 0)
}

@Test func `a replay needs no ring`() throws {
    var target = CompileTarget()
    target.isReplay = true
    let image = try compile(policy([inspector("a")], rules: ["a"]), for: target)
    #expect(image.config.sample_bytes == UInt32(GUARD_SAMPLE_RING_MIN))
}

@Test func `what an inspector wants of flows changes what stands for all, what it does with them does not`() {
    let base = policy([inspector("a", packets: 1), inspector("b")], rules: ["a"])
    var same = base
    same.inspectors[0].onMatch = .dropFlow
    same.inspectors[0].signatures = ["x.rules"]
    #expect(same.inspectorsSeed == base.inspectorsSeed)
    let others = [
        [inspector("a", packets: 2), inspector("b")], [inspector("b"), inspector("a", packets: 1)],
        [inspector("a", packets: 1, bytes: 1), inspector("b")],
        [inspector("a", packets: 1), inspector("b", every: 2)], [inspector("a", packets: 1)],
        [inspector("c", packets: 1), inspector("b")],
    ]
    let seeds = others.map { policy($0, rules: []).inspectorsSeed } + [base.inspectorsSeed]
    #expect(Set(seeds).count == others.count + 1)
}

@Test func `the 4097th inspector is one too many, and shown`() throws {
    var many = (0..<Int(GUARD_INSPECTORS)).map { inspector("i\($0)") }
    _ = try compile(policy(many, rules: ["i4095"]), for: CompileTarget())
    many.append(inspector("over"))
    let error = #expect(throws: CompileError.self) {
        try compile(policy(many, rules: ["over"]), for: CompileTarget())
    }
    let found = error?.diagnostics.first
    #expect(found?.message == "the policy has 4097 inspectors, but at most 4096 are possible")
    #expect(found?.range.line == 2)
}

@Test func `an open scope is wider than any other in each of its words`() {
    let some = FlowScope(
        protocols: IntervalSet([6...6, 200...255]), tcpPorts: IntervalSet([80...81, 65_535...65_535]),
        udpPorts: .all, addresses: AddressSet(v4: IntervalSet(5...9)))
    let (open, narrow) = (
        SampleScope(nil, inspectorsSeed: 7).bytes, SampleScope(some, inspectorsSeed: 7).bytes
    )
    let ranges = 72..<72 + 512
    for index in narrow.indices where !ranges.contains(index) && index < narrow.count - 8 {
        #expect(open[index] | narrow[index] == open[index], "byte \(index)")
    }
    open.withUnsafeBytes { open in
        let ranges = open.baseAddress.map { $0 + 72 }?.assumingMemoryBound(to: guard_scope_range.self)
        for place in 0..<2 * Int(GUARD_SCOPE_RANGES) {
            guard let range = ranges?[place] else { continue }
            #expect(range.first.high == 0 && range.first.low == 0)
            #expect(range.last.high == .max && range.last.low == .max)
        }
    }
}
