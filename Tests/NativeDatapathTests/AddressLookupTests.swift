// SPDX-License-Identifier: Apache-2.0
// The C side's address lookup against sets of intervals: random conditions of all shapes, probed at their
// edges and at random.
import Diagnostics
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let place = SourceRange(SourceText(path: "policy.conf", text: "rules\n"), 0, 5)

struct AddressLookupTests {
    @Test(arguments: 0..<8)
    func `an address's row has the bits of the rules whose sets hold it`(_ round: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var sets = RandomSets(random: SeededGenerator(seed: seed))
        for _ in 0..<12 {
            var policy = CheckedPolicy(name: "random")
            policy.rules = (0..<Int.random(in: 1...12, using: &sets.random)).map { number in
                var rule = Rule(name: "r\(number)", action: .drop, range: place)
                if Bool.random(using: &sets.random) { rule.match.source = sets.set() }
                if Bool.random(using: &sets.random) { rule.match.destination = sets.set() }
                return rule
            }
            policy.neverBan = sets.set()
            let image = try compile(policy, for: CompileTarget())
            let engine = try NativeEngine(image)
            for side in 0...1 {
                let keys = policy.rules.map { side == 0 ? $0.match.source : $0.match.destination }
                for address in keys.compactMap({ $0 }).flatMap({ sets.probes($0) }) {
                    var expected: UInt64 = 0
                    for (number, key) in keys.enumerated() where key?.contains(address) ?? true {
                        expected |= 1 << UInt64(number)
                    }
                    expected &= possibleRules(image, address.family)
                    let found = rules(engine, image, address, side: side)
                    #expect(found == expected, "seed \(seed) \(address) side \(side)")
                }
            }
        }
    }

    @Test func `boundaries by the hundred thousand within one IPv6 /32 or one /80 are found`() throws {
        for shift in [30, 3] {
            let base = UInt128(0x2001_0db8) << 96
            let ranges = (0..<UInt128(100_000)).map { number -> ClosedRange<UInt128> in
                let start = base | (2 * number) << UInt128(shift)
                return start...start + (UInt128(1) << UInt128(shift)) - 1
            }
            var policy = CheckedPolicy(name: "deep")
            policy.rules = [Rule(name: "deep", action: .drop, range: place)]
            policy.rules[0].match.source = AddressSet(v6: IntervalSet(ranges))
            let image = try compile(policy, for: CompileTarget())
            let engine = try NativeEngine(image)
            for range in ranges {
                for (address, isIn) in [(range.lowerBound, true), (range.upperBound, true),
                    (range.upperBound + 1, false), (range.lowerBound - 1, false)]
                {
                    #expect((rules(engine, image, IPAddress(v6: address), side: 0) == 1) == isIn)
                }
            }
        }
    }
}
