// SPDX-License-Identifier: Apache-2.0
// Changes of named sets in an image against sets that are asked one by one: nested sets, negation, whatever
// order the changes come in.
import Diagnostics
import GuardABI
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

@testable import MapCompiler

private let place = SourceRange(SourceText(path: "policy.conf", text: "rules\n"), 0, 5)

/// Named sets and what was done to them, asked by the letter of what each change means.
private struct AskedSets {
    var policy: CheckedPolicy
    var own: [AddressSet]
    var added: [AddressSet]
    var removed: [AddressSet]

    init(_ policy: CheckedPolicy) {
        self.policy = policy
        own = policy.sets.map { $0.expression?.literals ?? $0.addresses }
        added = policy.sets.map { _ in AddressSet() }
        removed = added
    }

    func contains(_ set: Int, _ address: IPAddress) -> Bool {
        if removed[set].contains(address) { return false }
        if added[set].contains(address) { return true }
        guard let expression = policy.sets[set].expression else { return own[set].contains(address) }
        return holds(expression, literals: own[set], address)
    }

    func holds(_ expression: AddressExpression, literals: AddressSet, _ address: IPAddress) -> Bool {
        let isIn =
            expression.startsFromAll || literals.contains(address)
            || expression.included.contains { contains($0, address) }
        return isIn && !expression.excludedLiterals.contains(address)
            && !expression.excluded.contains { contains($0, address) }
    }

    /// The bits of the rules whose source, or destination, holds an address.
    func rules(_ address: IPAddress, side: Int) -> UInt64 {
        var bits: UInt64 = 0
        for (number, rule) in policy.rules.enumerated() {
            let expression = side == 0 ? rule.match.sourceExpression : rule.match.destinationExpression
            let addresses = side == 0 ? rule.match.source : rule.match.destination
            let holds =
                expression.map { self.holds($0, literals: $0.literals, address) }
                ?? addresses?.contains(address) ?? true
            if holds { bits |= 1 << UInt64(number) }
        }
        return bits
    }

    mutating func take(_ change: SetChange, _ set: Int) {
        switch change.kind {
        case .add:
            added[set] = added[set].union(change.addresses)
            removed[set] = removed[set].subtracting(change.addresses)
        case .remove:
            removed[set] = removed[set].union(change.addresses)
            added[set] = added[set].subtracting(change.addresses)
        case .replace:
            added[set] = change.addresses
            removed[set] = AddressSet.all.subtracting(change.addresses)
        case .refresh:
            own[set] = change.addresses
            (added[set], removed[set]) = (AddressSet(), AddressSet())
        case .restore: (added[set], removed[set]) = (AddressSet(), AddressSet())
        }
    }
}

private struct RandomSetPolicies {
    var sets: RandomSets

    mutating func expression(naming count: Int) -> AddressExpression {
        var expression = AddressExpression()
        for set in 0..<count where Int.random(in: 0..<3, using: &sets.random) == 0 {
            if Int.random(in: 0..<3, using: &sets.random) == 0 {
                expression.excluded.append(set)
            } else {
                expression.included.append(set)
            }
        }
        if Bool.random(using: &sets.random) { expression.literals = sets.set() }
        if Int.random(in: 0..<3, using: &sets.random) == 0 { expression.excludedLiterals = sets.set() }
        expression.startsFromAll = expression.included.isEmpty && expression.literals.isEmpty
        return expression
    }

    /// Sets name those before them; rules name any.
    mutating func policy() -> CheckedPolicy {
        var policy = CheckedPolicy(name: "random")
        for number in 0..<5 {
            var set = NamedSet(name: "s\(number)", addresses: sets.set(), range: place)
            if number >= 2 { set.expression = expression(naming: number) }
            policy.sets.append(set)
        }
        for number in 0..<8 {
            var rule = Rule(name: "r\(number)", action: .drop, range: place)
            if number % 3 == 2 {
                rule.match.source = sets.set()
                rule.match.destination = sets.set()
            } else {
                (rule.match.source, rule.match.sourceExpression) = (.all, expression(naming: 5))
                rule.match.destinationExpression = expression(naming: number % 3 + 1)
                rule.match.destination = .all
            }
            policy.rules.append(rule)
        }
        return policy
    }

    mutating func change(of set: Int, _ policy: CheckedPolicy) -> SetChange {
        let isFile = policy.sets[set].expression == nil
        let kinds: [SetChange.Kind] = [.add, .remove, .replace, .restore] + (isFile ? [.refresh] : [])
        let kind = kinds.randomElement(using: &sets.random) ?? .add
        return SetChange(policy.sets[set].name, kind, sets.set(), count: 1, nanoseconds: 7)
    }
}

/// An image's bytes with a change carried out: in place where there is room, else written anew.
private func changed(
    _ image: MapImage, _ change: SetChange, capacity: Int, isInPlace: Bool
) throws -> MapImage {
    var image = image
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
    defer { buffer.deallocate() }
    image.addresses.withUnsafeBytes { bytes in
        if let from = bytes.baseAddress { buffer.copyMemory(from: from, byteCount: bytes.count) }
    }
    let used = image.addresses.count
    if isInPlace {
        let memory = AddressMemory(buffer, used: used, capacity: capacity)
        var editor = try AddressEditor(memory)
        if try editor.apply(change) {
            image.addresses = memory.bytes
            return image
        }
        image.addresses.withUnsafeBytes { bytes in
            if let from = bytes.baseAddress { buffer.copyMemory(from: from, byteCount: bytes.count) }
        }
    }
    var editor = try AddressEditor(AddressMemory(buffer, used: used, capacity: capacity))
    image.addresses = try editor.rebuilt(change).bytes
    image.config.addresses_size = max(image.config.addresses_size, UInt32(image.addresses.count))
    return image
}

struct SetChangeTests {
    @Test(arguments: 0..<4)
    func `after any changes of its sets an image says what the sets say`(_ round: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = RandomSetPolicies(sets: RandomSets(random: SeededGenerator(seed: seed)))
        for _ in 0..<3 {
            let policy = random.policy()
            var asked = AskedSets(policy)
            var image = try compile(policy, for: CompileTarget())
            for _ in 0..<3 {
                let set = Int.random(in: 0..<5, using: &random.sets.random)
                let change = random.change(of: set, policy)
                // Changes that touch many /24s in place too, as far as the test's patience goes.
                let isLittle = AddressEditor.isLittle(change)
                let room = [image.addresses.count, Int(image.config.addresses_size), 4 << 20]
                    .randomElement(using: &random.sets.random) ?? 0
                do {
                    image = try changed(
                        image, change, capacity: max(room, image.addresses.count), isInPlace: isLittle)
                } catch let error as SetChangeError where error == .unusedSet { continue }
                image.config.addresses_size = max(
                    image.config.addresses_size, UInt32(image.addresses.count))
                asked.take(change, set)
                let engine = try NativeEngine(image)
                let how = isLittle ? "in place if there is room" : "anew"
                let probes = random.sets.probes(change.addresses) + random.sets.probes(asked.own[set])
                for address in probes {
                    for side in 0...1 {
                        let (found, expected) = (
                            rules(engine, image, address, side: side),
                            asked.rules(address, side: side) & possibleRules(image, address.family)
                        )
                        #expect(
                            found == expected,
                            "seed \(seed) \(change.kind) of \(change.set), \(address), side \(side), \(how)")
                    }
                }
            }
        }
    }

    @Test func `an image without room is written anew`() throws {
        var policy = CheckedPolicy(name: "full")
        policy.sets = [NamedSet(name: "bad", addresses: AddressSet(), range: place)]
        policy.rules = [Rule(name: "bad", action: .drop, range: place)]
        policy.rules[0].match.source = AddressSet()
        var expression = AddressExpression()
        expression.included = [0]
        policy.rules[0].match.sourceExpression = expression
        let image = try compile(policy, for: CompileTarget())
        let ranges = (0..<UInt32(500)).map { $0 << 20 | 7...$0 << 20 | 7 }
        let change = SetChange(
            "bad", .add, AddressSet(v4: IntervalSet(ranges)), count: 500, nanoseconds: 1)
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: image.addresses.count, alignment: 64)
        defer { buffer.deallocate() }
        image.addresses.withUnsafeBytes { buffer.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(buffer), byteCount: $0.count) }
        var editor = try AddressEditor(
            AddressMemory(buffer, used: image.addresses.count, capacity: image.addresses.count))
        #expect(try !editor.apply(change))
        let whole = try changed(image, change, capacity: image.addresses.count, isInPlace: true)
        let engine = try NativeEngine(whole)
        for range in ranges {
            #expect(rules(engine, whole, IPAddress(v4: range.lowerBound), side: 0) == 1)
            #expect(rules(engine, whole, IPAddress(v4: range.lowerBound + 1), side: 0) == 0)
        }
    }

    @Test func `hits are counted in every set that holds an address, on the side that asks for it`() throws {
        var policy = CheckedPolicy(name: "hits")
        policy.defaultVerdict = .pass
        let source = AddressSet(v4: IntervalSet(0xc000_024d...0xc000_024d))
        policy.sets = [
            NamedSet(name: "bad", addresses: source, range: place),
            NamedSet(name: "nested", addresses: source, range: place),
            NamedSet(name: "other", addresses: AddressSet(), range: place),
        ]
        policy.sets[1].expression = AddressExpression()
        policy.sets[1].expression?.included = [0]
        policy.rules = [Rule(name: "r", action: .drop, range: place)]
        policy.rules[0].match.source = source
        policy.rules[0].match.sourceExpression = AddressExpression()
        policy.rules[0].match.sourceExpression?.included = [1, 2]
        var target = CompileTarget()
        target.slots = ["r": 0]
        target.setSlots = ["bad": 5, "nested": 900, "other": 0]
        let engine = try NativeEngine(compile(policy, for: target))
        for _ in 0..<3 { #expect(engine.run(udp(port: 53)).action == 1) }
        let counters = try #require(native_datapath_sets(engine.datapath))
        #expect(counters[5].source == 3 && counters[900].source == 3 && counters[0].source == 0)
        #expect(counters[5].destination == 0)
    }
}
