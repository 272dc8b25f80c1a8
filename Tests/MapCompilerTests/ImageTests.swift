// SPDX-License-Identifier: Apache-2.0
// Images of small policies, field by field: flags, rule entries, patterns, interfaces, own addresses.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import MapCompiler

/// A change to an otherwise empty policy and the flags that it turns on or off.
struct FlagCase: CustomTestStringConvertible {
    var testDescription: String
    var flags: [guard_config_flags]
    var change: @Sendable (inout CheckedPolicy) -> Void

    init(
        _ name: String, _ flags: [guard_config_flags],
        _ change: @escaping @Sendable (inout CheckedPolicy) -> Void
    ) {
        (testDescription, self.flags, self.change) = (name, flags, change)
    }
}

private let flagCases: [FlagCase] = [
    FlagCase("nothing", []) { _ in },
    FlagCase("monitor", [GUARD_CFG_MONITOR]) { $0.mode = .monitor },
    FlagCase("malformed", [GUARD_CFG_MALFORMED_PASS]) { $0.malformed = .pass },
    FlagCase("spoofed", [GUARD_CFG_SPOOFED_PASS]) { $0.spoofed = .pass },
    FlagCase("fragments", [GUARD_CFG_FRAGMENTS_PASS]) { $0.fragments = .pass },
    FlagCase("tracked fragments", [GUARD_CFG_FRAGMENTS_TRACK]) { $0.fragments = .track },
    FlagCase("default", [GUARD_CFG_DEFAULT_DROP]) { $0.defaultVerdict = .drop },
    FlagCase("nd", [GUARD_CFG_ESSENTIAL_ND]) { $0.essential = [.nd] },
    FlagCase("ra", [GUARD_CFG_ESSENTIAL_RA]) { $0.essential = [.ra] },
    FlagCase("pmtu", [GUARD_CFG_ESSENTIAL_PMTU]) { $0.essential = [.pmtu] },
    FlagCase("dhcp", [GUARD_CFG_ESSENTIAL_DHCP]) { $0.essential = [.dhcp] },
    FlagCase("never-ban", [GUARD_CFG_NEVER_BAN, GUARD_CFG_ADDRESSES]) {
        $0.neverBan = AddressSet(v4: .init(1...1))
    },
    FlagCase("failsafe", [GUARD_CFG_FAILSAFE, GUARD_CFG_ADDRESSES]) {
        $0.failsafe = [FailsafeEntry(source: nil, service: nil, range: World.range)]
    },
    FlagCase("payload", [GUARD_CFG_PAYLOAD, GUARD_CFG_ADDRESSES]) {
        var rule = Rule(name: "r", action: .drop, range: World.range)
        rule.match.payload = [PayloadPattern(offset: 0, bytes: [1], mask: [0xff])]
        $0.rules = [rule]
    },
]

private func empty() -> CheckedPolicy {
    var policy = CheckedPolicy(name: "empty")
    (policy.defaultVerdict, policy.essential, policy.fragments) = (.pass, [], .drop)
    policy.stateful = false
    return policy
}

@Test(arguments: flagCases)
func `a policy's key sets its flag and no other`(_ flag: FlagCase) throws {
    var policy = empty()
    flag.change(&policy)
    let image = try compile(policy, for: CompileTarget())
    #expect(image.config.flags == flag.flags.reduce(0) { $0 | UInt32($1.rawValue) })
    #expect(image.config.abi_version == UInt32(GUARD_ABI_VERSION))
    #expect(Int(image.config.tables_size) == image.tables.count && !image.tables.isEmpty)
}

@Test func `a replay has the capture's clock, and own addresses are told`() throws {
    var target = testTarget()
    target.ownAddresses = [IPAddress(v4: 0xc000_0201), IPAddress(v6: UInt128(0x2001_0db8) << 96 | 1)]
    let config = try compile(empty(), for: target).config
    #expect(config.flags == UInt32((GUARD_CFG_VIRTUAL_CLOCK.rawValue | GUARD_CFG_OWN_ADDRESSES.rawValue)))
    #expect(config.own_count == 2)
}

private struct OneFile: FileReader {
    var text: String
    func read(_ path: String) throws(FileReadError) -> [UInt8] { Array(text.utf8) }
}

private struct ConnectionCase: Sendable {
    var keys: String
    var live: UInt32
    var replay: UInt32
}

/// Where the tables of connections are needed: live only where something could drop replies.
private let connectionCases: [ConnectionCase] = {
    let (opened, state) = (UInt32(GUARD_CFG_OPENED.rawValue), UInt32(GUARD_CFG_STATE.rawValue))
    return [
        .init(keys: "default: pass", live: 0, replay: opened),
        .init(keys: "default: drop", live: opened, replay: opened),
        .init(keys: "default: drop\nstateful: false", live: 0, replay: 0),
        .init(
            keys: "default: pass\nrules: [{ name: r, service: tcp/1, action: drop }]", live: opened,
            replay: opened),
        .init(
            keys: "default: pass\nrules: [{ name: r, state: new, action: pass }]", live: state,
            replay: opened | state),
        .init(
            keys: "default: pass\nrules: [{ name: r, state: [new, established], action: pass }]", live: 0,
            replay: opened),
        .init(
            keys: "default: drop\nstateful: false\nrules: [{ name: r, state: established, action: pass }]",
            live: state, replay: state),
    ]
}()

@Test(arguments: connectionCases.indices)
func `connections are followed where replies could be dropped or a rule asks`(index: Int) throws {
    let sample = connectionCases[index]
    let policy = try #require(loadPolicy(path: "p.conf", reader: OneFile(text: sample.keys), now: 0).policy)
    let mask = UInt32(GUARD_CFG_OPENED.rawValue | GUARD_CFG_STATE.rawValue)
    let live = try compile(policy, for: CompileTarget()).config
    #expect(live.flags & mask == sample.live && live.flow_count == UInt32(GUARD_FLOWS))
    #expect(try compile(policy, for: testTarget()).config.flags & mask == sample.replay)
}

@Test(arguments: [(1, 1), (8, 8), (1024, 1024), (1025, 2048), (250_000, 1 << 18), (16_777_215, 1 << 24)])
func `a table of connections has a power of two, at least what was asked for`(asked: UInt32, had: UInt32)
    throws
{
    var target = CompileTarget()
    target.flowCount = asked
    #expect(try compile(empty(), for: target).config.flow_count == had)
}

@Test func `each tunnel has a bit of its own`() throws {
    var policy = empty()
    var bits: [UInt32] = []
    for tunnel in Encapsulation.allCases {
        policy.decapsulate = [tunnel]
        bits.append(try compile(policy, for: CompileTarget()).config.decapsulate)
    }
    #expect(bits.allSatisfy { $0.nonzeroBitCount == 1 } && Set(bits).count == Encapsulation.allCases.count)
    policy.decapsulate = Set(Encapsulation.allCases)
    #expect(try compile(policy, for: CompileTarget()).config.decapsulate == bits.reduce(0, |))
}

@Test func `interfaces stand in the target's order, loopback apart`() throws {
    let config = try compile(empty(), for: testTarget()).config
    #expect(config.interface_count == 4 && config.loopback == 103)
    let indexes = withUnsafeBytes(of: config.interfaces) { Array($0.bindMemory(to: UInt32.self).prefix(5)) }
    #expect(indexes == [101, 102, 103, 104, 0])
}

@Test func `a rule's entry has its slot, action, log, mode and patterns`() throws {
    var policy = empty()
    policy.rules = RuleAction.allCases.map { Rule(name: $0.rawValue, action: $0, range: World.range) }
    policy.rules[1].monitor = true
    policy.rules[2].logEvery = 10
    policy.rules[1].match.payload = [
        PayloadPattern(offset: 3, bytes: [0xab, 0xcd], mask: [0x0f, 0xff]),
        PayloadPattern(offset: 48, bytes: [UInt8](1...16), mask: [UInt8](repeating: 0xff, count: 16)),
    ]
    policy.rules[3].match.payload = [PayloadPattern(offset: 0, bytes: [7], mask: [7])]
    let image = try compile(policy, for: testTarget(rules: ["pass", "drop", "reject"]))
    let interpreter = ImageInterpreter(image)
    let rules = (0..<4).map(interpreter.rule)
    #expect(
        image.config.rule_count == 4 && image.config.classifiers.0.words == 1
            && image.config.pattern_count == 3)
    #expect(rules.map(\.slot) == [1000, 999, 998, GUARD_NO_SLOT], "a rule without a slot is not counted")
    #expect(
        rules.map(\.action)
            == [GUARD_ACTION_PASS, GUARD_ACTION_DROP, GUARD_ACTION_REJECT, GUARD_ACTION_CONTINUE]
            .map { UInt8($0.rawValue) })
    #expect(rules.map(\.log_every) == [0, 0, 10, 0])
    #expect(rules.map(\.flags) == [0, UInt8(GUARD_RULE_MONITOR), 0, 0])
    #expect(rules.map(\.pattern_count) == [0, 2, 0, 1] && rules[1].pattern_first == 0)
    #expect(rules[3].pattern_first == 2)
    let pattern = interpreter.read(guard_pattern.self, image.config.patterns, or: guard_pattern())
    #expect(pattern.offset == 3 && pattern.length == 2)
    #expect(pattern.value.0.littleEndian == 0xcd0b, "what the mask leaves out is zero")
    #expect(pattern.mask.0.littleEndian == 0xff0f && pattern.value.1 == 0 && pattern.mask.1 == 0)
}

@Test func `keys that no rule has cost no table`() throws {
    let bare = try compile(empty(), for: CompileTarget())
    let enabled = withUnsafeBytes(of: bare.config.classifiers.0.index) {
        $0.bindMemory(to: guard_index_table.self).filter { $0.enabled != 0 }.count
    }
    #expect(enabled == 0 && bare.config.partitions == 0)
    #expect(bare.tables.count + bare.addresses.count < 4096, "\(bare.tables.count) bytes")
}
