// SPDX-License-Identifier: Apache-2.0
// A large made-up list as an exam, larger than the published ones: prefixes that nest and touch, with others
// taken out of them. The right answers are a naive look-up's.
import NetworkTypes
import TestSupport

/// Which list to make.
struct GeneratedList: CustomStringConvertible, Sendable {
    var family: AddressFamily
    /// Prefixes of the list; a tenth as many are taken out of it.
    var count: Int

    var description: String { "generated/\(count) \(family) prefixes with holes" }

    /// In the order of their size.
    static let all = [
        GeneratedList(family: .ipv4, count: 100_000), GeneratedList(family: .ipv6, count: 100_000),
        GeneratedList(family: .ipv4, count: 1_000_000), GeneratedList(family: .ipv6, count: 1_000_000),
    ]
}

extension Exam {
    private static let probes = 5000

    init(_ list: GeneratedList, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let prefixes = (0..<list.count).map { _ in random.prefix(list.family) }
        let holes = (0..<list.count / 10).map { number in
            // Every other hole lies in one of the prefixes, or around it.
            number % 2 == 0 ? random.prefix(list.family) : random.neighbour(of: random.pick(prefixes))
        }
        let (given, taken) = (Self.text(prefixes), Self.text(holes))
        let (naive, naiveHoles) = (try NaivePrefixes(list: given), try NaivePrefixes(list: taken))
        policy = """
            policy: list
            default: pass
            stateful: false
            spoofed: pass
            essential: []
            sets:
              given: { file: /given }
              taken: { file: /taken }
              list: [$given, "!$taken"]
            rules:
              - { name: source, source: $list, action: drop }
              - { name: taken, source: $taken, action: drop }

            """
        files = ["/given": given, "/taken": taken]
        let probes = naive.probes(Self.probes, seed: seed) + naiveHoles.probes(Self.probes, seed: seed + 1)
        questions = probes.map { address in
            let isTaken = naiveHoles.longest(address) != nil
            let rule = isTaken ? "taken" : naive.longest(address) != nil ? "source" : nil
            return Question(address, IPAddress(family: address.family, bits: 1), rule: rule)
        }
        for rule in ["source", "taken", nil] where questions.count(where: { $0.rule == rule }) < 500 {
            throw ExamError(description: "the list is too full or too empty: few of \(rule ?? "no rule")")
        }
    }

    private static func text(_ prefixes: [Prefix]) -> [UInt8] {
        var text: [UInt8] = []
        for prefix in prefixes { text += "\(prefix)\n".utf8 }
        return text
    }
}

extension SeededGenerator {
    /// Mostly long, as in published lists, so that a million of them leave most addresses out; IPv6 in a few
    /// thousand networks, so that some are near each other.
    fileprivate mutating func prefix(_ family: AddressFamily) -> Prefix {
        let address: IPAddress
        if family == .ipv4 {
            address = IPAddress(v4: UInt32(truncatingIfNeeded: next()))
        } else {
            let network = UInt128(0x2001_0000 + below(4096)) << 96
            address = IPAddress(v6: network | UInt128(next()) << 32 | UInt128(next() >> 60))
        }
        let longest = family.bitWidth
        let length =
            switch below(1000) {
            case ..<600: longest
            case ..<900: family == .ipv4 ? 32 - below(7) : pick([64, 64, 60, 56, 52])
            case ..<998: family == .ipv4 ? 24 + below(3) : pick([48, 48, 47, 46, 96, 127])
            default: family == .ipv4 ? 16 + below(8) : 36 + below(8)
            }
        return Prefix(masking: address, length: length) ?? Prefix(address)
    }

    /// A prefix that holds the other's first address, longer or shorter.
    fileprivate mutating func neighbour(of prefix: Prefix) -> Prefix {
        let length = max(10, min(prefix.address.family.bitWidth, prefix.length + below(7) - 1))
        return Prefix(masking: prefix.address, length: length) ?? prefix
    }
}
