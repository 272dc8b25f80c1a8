// SPDX-License-Identifier: Apache-2.0
// An image means what its policy says: read as the XDP program reads it, against asking every match.
import Glibc
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let seeds: [UInt64] = {
    let given = getenv("XDPGUARD_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
    let seed = given ?? UInt64.random(in: 0...UInt64.max)
    return given == nil ? (0..<24).map { seed &+ $0 } : [seed]
}()

@Test(arguments: seeds)
func `an image finds the rules, failsafe entries and never-ban that the policy has`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let policy = try random.policy(rules: random.pick([0, 1, 5, 64, 65, 140]))
    let image = try compile(policy, for: testTarget())
    let interpreter = ImageInterpreter(image)
    for _ in 0..<150 {
        let fields = random.fields()
        let expected = policy.rules.indices.filter { number in
            let rule = policy.rules[number]
            let end = rule.expires.map { UInt64($0) * 1_000_000_000 } ?? UInt64.max
            // Packets here are of no connection.
            return fields.timeNanoseconds < end && fields.satisfies(rule.match)
                && rule.askedState != .established
        }
        let head = interpreter.head(fields)
        try #require(interpreter.rules(fields) == expected, "XDPGUARD_TEST_SEED=\(seed) \(fields)")
        try #require(
            (head.failsafe != 0) == policy.failsafe.contains { fields.isSaved(by: $0) },
            "XDPGUARD_TEST_SEED=\(seed) \(fields) \(policy.failsafe)")
        let isFree = fields.source.map(policy.neverBan.contains) ?? false
        try #require(head.neverBan == isFree, "XDPGUARD_TEST_SEED=\(seed) \(fields)")
    }
}

@Test(arguments: seeds.prefix(4))
func `the same policy compiles to the same bytes, whatever order its dictionaries have`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var policy = try random.policy(rules: 20)
    let protos: [IPProtocol] = [.tcp, .udp, .sctp, .icmp, .icmpv6]
    func entry(_ order: [IPProtocol], capacity: Int) -> FailsafeEntry {
        // Another capacity gives another order of iteration.
        var keys: [IPProtocol: ServiceSet.Keys] = [:]
        keys.reserveCapacity(capacity)
        for proto in order { keys[proto] = .init(values: IntervalSet(8...128), unread: false) }
        return FailsafeEntry(
            source: nil, service: ServiceSet(others: false, exceptions: keys), range: World.range)
    }
    policy.failsafe = [entry(protos, capacity: 5)]
    let first = try compile(policy, for: testTarget())
    for capacity in [10, 50, 100, 400, 1000] {
        policy.failsafe = [entry(protos.shuffled(using: &random), capacity: capacity)]
        let again = try compile(policy, for: testTarget())
        // Not compared inside the macro, which would print all bytes.
        let areEqual = again.tables == first.tables
        #expect(areEqual, "seed \(seed), capacity \(capacity)")
        #expect(bytes(of: again.config) == bytes(of: first.config))
    }
}

private func bytes(of config: guard_config) -> [UInt8] { withUnsafeBytes(of: config) { Array($0) } }
