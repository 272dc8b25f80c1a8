// SPDX-License-Identifier: Apache-2.0
// Random address sets of both families, nested and with values taken out: what the datapath finds in its
// tables is what the text means, said as naively as can be.
import NetworkTypes
import TestSupport
import Testing

@testable import scale

/// A value of a set's list.
private struct Item {
    enum Kind {
        case range(ClosedRange<UInt128>, AddressFamily)
        /// The position of an earlier set.
        case set(Int)
    }
    var kind: Kind
    var isOut: Bool
    var text: String
}

/// Sets that name earlier ones.
private struct Sets {
    var lists: [[Item]] = []

    /// What the language says of a list: what is taken out counts last, whatever its place, and a list of
    /// nothing else starts from everything. The empty list holds nothing.
    func contains(_ list: [Item], _ address: IPAddress) -> Bool {
        let positive = list.filter { !$0.isOut }
        let isGiven = positive.isEmpty ? !list.isEmpty : positive.contains { holds($0, address) }
        return isGiven && !list.contains { $0.isOut && holds($0, address) }
    }

    private func holds(_ item: Item, _ address: IPAddress) -> Bool {
        switch item.kind {
        case .range(let range, let family): family == address.family && range.contains(address.bits)
        case .set(let number): contains(lists[number], address)
        }
    }

    /// The ends of every range and the addresses beside them, and both ends of each family.
    var probes: [IPAddress] {
        var found: Set<IPAddress> = []
        for family in AddressFamily.allCases {
            found.insert(IPAddress(family: family, bits: 0))
            found.insert(IPAddress(family: family, bits: family.lastBits))
        }
        for case .range(let range, let family) in lists.joined().map(\.kind) {
            for bits in [
                range.lowerBound &- 1, range.lowerBound, range.upperBound, range.upperBound &+ 1,
                range.lowerBound / 2 + range.upperBound / 2,
            ] { found.insert(IPAddress(family: family, bits: bits)) }
        }
        return found.sorted()
    }

    private static func text(_ list: [Item]) -> String {
        "[" + list.map { "\"\($0.isOut ? "!" : "")\($0.text)\"" }.joined(separator: ", ") + "]"
    }

    /// A rule for each set's source and one for its destination; the TTL chooses one of them, so that none
    /// hides another.
    var policy: String {
        var text = "default: pass\nstateful: false\nspoofed: pass\nessential: []\nsets:\n"
        for (number, list) in lists.enumerated() { text += "  s\(number): \(Self.text(list))\n" }
        text += "rules:\n"
        for number in lists.indices {
            for (name, key, ttl) in [("from", "source", 1), ("to", "destination", 2)] {
                text += "  - { name: \(name)\(number), \(key): $s\(number), ttl: \(2 * number + ttl), "
                text += "action: drop }\n"
            }
        }
        return text
    }

    var questions: [Question] {
        lists.indices.flatMap { number in
            probes.flatMap { address in
                let isIn = contains(lists[number], address)
                return [
                    Self.question(address, ttl: UInt8(2 * number + 1), isIn ? "from\(number)" : nil),
                    Self.question(address, ttl: UInt8(2 * number + 2), isIn ? "to\(number)" : nil),
                ]
            }
        }
    }

    /// The address on the side that the TTL asks for, and one that is in some sets on the other.
    private static func question(_ address: IPAddress, ttl: UInt8, _ rule: String?) -> Question {
        let other = IPAddress(family: address.family, bits: 1 << 30)
        var packet =
            ttl % 2 == 1
            ? PacketDescription(proto: .gre, source: address, destination: other)
            : PacketDescription(proto: .gre, source: other, destination: address)
        packet.ttl = ttl
        return Question(frame: packet.frame(), rule: rule, text: "\(address) in s\((ttl - 1) / 2)")
    }
}

extension SeededGenerator {
    fileprivate mutating func sets() -> Sets {
        var sets = Sets()
        for number in 0..<(3 + below(6)) {
            let isInverse = chance(15)
            let count = chance(5) ? 0 : 1 + below(6)
            sets.lists.append((0..<count).map { _ in item(earlier: number, isOut: isInverse || chance(30)) })
        }
        return sets
    }

    private mutating func item(earlier: Int, isOut: Bool) -> Item {
        if earlier > 0, chance(35) {
            let number = below(earlier)
            return Item(kind: .set(number), isOut: isOut, text: "$s\(number)")
        }
        let family: AddressFamily = chance(50) ? .ipv4 : .ipv6
        let address = IPAddress(family: family, bits: bits(family))
        if chance(30) {
            let other = IPAddress(family: family, bits: bits(family))
            let (low, high) = (min(address, other), max(address, other))
            return Item(kind: .range(low.bits...high.bits, family), isOut: isOut, text: "\(low)-\(high)")
        }
        let lengths = family == .ipv4 ? [0, 1, 8, 22, 23, 24, 25, 26, 28, 30, 31, 32] : Self.lengths6
        guard let prefix = Prefix(masking: address, length: pick(lengths)) else {
            return item(earlier: 0, isOut: isOut)
        }
        return Item(kind: .range(prefix.bounds, family), isOut: isOut, text: "\(prefix)")
    }

    private static let lengths6 = [0, 1, 32, 47, 48, 49, 63, 64, 65, 96, 97, 127, 128, 128]

    /// Few places, so that ranges nest, touch and overlap; the ends of the family among them.
    private mutating func bits(_ family: AddressFamily) -> UInt128 {
        if chance(6) { return pick([0, 1, family.lastBits - 1, family.lastBits]) }
        if family == .ipv4 { return 0xc000_0200 + UInt128(below(1024)) }
        var bits: UInt128 = 0x2001_0db8 << 96
        for place: UInt128 in [0, 31, 63, 64, 79, 80] where chance(40) { bits |= UInt128(below(4)) << place }
        return bits
    }
}

@Suite(.serialized)
struct SetPropertyTests {
    private func sit(_ examinee: Examinee, _ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sets = random.sets()
        let exam = Exam(policy: sets.policy, questions: sets.questions)
        let wrong = try examinee.wrongAnswers(exam.load(), exam.questions)
        try #require(wrong.isEmpty, "\(examinee), seed \(seed): \(wrong.prefix(3)) under\n\(exam.policy)")
    }

    @Test func `random nested sets hold in the native engine what their text means`() throws {
        for seed: UInt64 in 0..<60 { try sit(.native, seed) }
    }

    @Test func `random nested sets hold in the model what their text means`() throws {
        for seed: UInt64 in 60..<80 { try sit(.model, seed) }
    }

    @Test(.enabled(if: KernelTests.areWanted))
    func `random nested sets hold in the kernel engine what their text means`() throws {
        for seed: UInt64 in 80..<84 { try sit(.kernel, seed) }
    }
}
