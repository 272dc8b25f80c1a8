// SPDX-License-Identifier: Apache-2.0
// Large policies of shapes that a hash has trouble with, on the tuple space: each packet meets the rule that
// asking all rules in order finds.
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Testing

/// How the rules of a policy differ from each other.
private enum Difference: CaseIterable {
    case sourcePort, destinationPort, serviceRange, overlappingRange, source, interface
}

private let count = 8000

private func match(_ number: Int, _ difference: Difference) -> RuleMatch {
    var match = RuleMatch()
    match.destination = AddressSet(v4: IntervalSet(0xc633_6401...0xc633_6401))
    let port = UInt16(number)
    func udp(_ ports: ClosedRange<UInt16>) -> ServiceSet {
        ServiceSet(others: false, exceptions: [.udp: .init(values: IntervalSet(ports), unread: false)])
    }
    switch difference {
    case .sourcePort: match.sourcePort = IntervalSet(port...port)
    case .destinationPort: match.service = udp(port...port)
    case .serviceRange: match.service = udp(port * 3...port * 3 + 2)
    // Each port lies in many ranges: the first of them wins.
    case .overlappingRange: match.service = udp(port...port + UInt16(number % 300))
    case .source: match.source = AddressSet(v4: IntervalSet(UInt32(number)...UInt32(number) * 2))
    case .interface:
        match.sourcePort = IntervalSet(port...port)
        match.ttl = IntervalSet(UInt8(number % 250)...UInt8(number % 250 + 1))
    }
    return match
}

/// UDP to 198.51.100.1.
private func packet(_ value: UInt16) -> PacketDescription {
    var packet = PacketDescription(
        proto: .udp, source: IPAddress(v4: UInt32(value)), destination: IPAddress(v4: 0xc633_6401))
    packet.sourcePort = value
    packet.destinationPort = value
    packet.ttl = UInt8(value % 251)
    return packet
}

private func holds(_ match: RuleMatch, _ packet: PacketDescription) -> Bool {
    (match.source?.contains(packet.source) ?? true)
        && (match.service?.contains(.udp, key: packet.destinationPort) ?? true)
        && (match.sourcePort?.contains(packet.sourcePort ?? 0) ?? true)
        && (match.ttl?.contains(packet.ttl ?? 0) ?? true)
}

@Test(arguments: Difference.allCases, [ClassifierChoice.tupleSpace, .entriesAlone])
private func `rules that differ in one key alone are told apart`(
    difference: Difference, choice: ClassifierChoice
) throws {
    var policy = CheckedPolicy(name: "large")
    policy.spoofed = .pass
    policy.rules = (0..<count).map { number in
        var made = rule("r\(number)", port: 0, .drop)
        made.match = match(number, difference)
        return made
    }
    var target = CompileTarget()
    target.isReplay = true
    target.classifier = choice
    target.slots = Dictionary(uniqueKeysWithValues: (0..<count).map { ("r\($0)", UInt32($0)) })
    let image = try compile(policy, for: target)
    #expect(image.classifiers[0].tuples <= Int(GUARD_TUPLES_MAX))
    #expect(image.classifiers[0].bytes < 16 << 20, "\(image.classifiers[0])")
    let engine = try NativeEngine(image)
    for value in stride(from: UInt16(1), through: 65000, by: 397) {
        let packet = packet(value)
        let expected = policy.rules.firstIndex { holds($0.match, packet) }.map(UInt32.init) ?? GUARD_NO_SLOT
        let found = engine.run(packet.frame()).answer
        try #require(found.rule_slot == expected, "port \(value), \(image.classifiers[0])")
    }
}

@Test(arguments: [ClassifierChoice.bitVectors, .tupleSpace, .entriesAlone])
func `rules that do not end the search are all met in order`(choice: ClassifierChoice) throws {
    var policy = CheckedPolicy(name: "rounds")
    for number in 0..<3000 {
        var made = rule("r\(number)", port: 53, number == 2999 ? .reject : .continue)
        if number == 1000 || number == 2000 {
            made.action = .drop
            made.monitor = true
        }
        // Some for the packet's source, some for all: entries and bits take turns.
        if number % 3 == 0 { made.match.source = AddressSet(v4: IntervalSet(0xc000_0200...0xc000_02ff)) }
        if number % 7 == 0 { made.match.length = IntervalSet(0...1000) }
        if number % 2 == 1 { made.logEvery = 1 }
        policy.rules.append(made)
    }
    var target = CompileTarget()
    target.isReplay = true
    target.classifier = choice
    target.slots = Dictionary(uniqueKeysWithValues: (0..<3000).map { ("r\($0)", UInt32($0)) })
    let engine = try NativeEngine(try compile(policy, for: target))
    let found = engine.run(udp(port: 53)).answer
    #expect(found.rule_slot == 2999 && found.verdict == UInt8(GUARD_REJECT.rawValue))
    #expect(found.would_drop == 0 || found.would_drop_slot == 1000)
    #expect(engine.run(udp(port: 54)).answer.rule_slot == GUARD_NO_SLOT)
}
