// SPDX-License-Identifier: Apache-2.0
// Finds the rules of which earlier ones leave nothing: a policy in, for each rule those that hide it out.
// Exact, within a bounded amount of work; what the bound cut off is told, never guessed.
import NetworkTypes
import PolicyLanguage

struct HiddenRuleSearch {
    /// In a policy of more deciding rules than this, the first rule that hides another alone is looked for
    /// before all that hide it together.
    static let mostCompared = 8000
    /// A rule cut into more pieces than this is given up, unless a single earlier rule hides it.
    static let mostPieces = 256
    /// Rules and intervals touched for all rules together, some seconds' worth.
    static let mostWork = 200_000_000
    /// What comparing a packet with a rule costs, in comparisons of two rules' hulls.
    private static let workOfPacket = 4
    /// Packets that are tried to prove that a rule is not hidden.
    private static let mostPackets: UInt64 = 6
    /// Rules that hold for one packet are remembered up to this many.
    private static let mostCovering = 64

    let spaces: [RuleSpace]
    /// Rules that were not compared with all earlier ones to the end.
    private(set) var undecided: [Int] = []
    private let rules: [Rule]
    private let hulls: [RuleHull]
    /// Which rules have keys that are compared as they are written.
    private let hasKeysOutside: [Bool]
    /// Rules that hide what they match from later ones, in order.
    private let candidates: [Int]
    private var v4 = RuleIndex<UInt32>()
    private var v6 = RuleIndex<UInt128>()
    private(set) var work = 0

    init(_ policy: CheckedPolicy) {
        let universe = PacketUniverse(policy)
        rules = policy.rules
        spaces = rules.map { RuleSpace($0.match, in: universe) }
        hulls = spaces.map(RuleHull.init)
        hasKeysOutside = rules.map(\.hasKeysOutside)
        candidates = policy.rules.indices.filter { policy.rules[$0].alwaysDecides }
        for index in candidates.reversed() {
            v4.add(index, spaces[index].v4)
            v6.add(index, spaces[index].v6)
        }
    }

    /// The earlier rules that decide every packet of a rule, in their order; nil where some packet is left,
    /// or where the work ran out.
    mutating func hiders(of index: Int) -> [Int]? {
        guard work < Self.mostWork, let covering = covering(index) else { return giveUp(index, []) }
        if covering.isEmpty { return nil }
        if candidates.count > Self.mostCompared, let alone = alone(covering, index) { return [alone] }
        let earlier = overlapping(index)
        var rest = spaces[index]
        var hiders: [Int] = []
        for candidate in earlier {
            let (took, touched) = rest.subtract(spaces[candidate])
            work += touched
            if took { hiders.append(candidate) }
            if rest.isEmpty { return hiders }
            if rest.partCount > Self.mostPieces || work > Self.mostWork { return giveUp(index, earlier) }
        }
        return nil
    }

    /// Tries some packets of a rule.
    /// - Returns: empty where no earlier rule decides one of them, else the rules that decide the first one,
    ///   rising; nil where the work ran out.
    private mutating func covering(_ index: Int) -> [Int]? {
        if let first = spaces[index].v4.first, let last = spaces[index].v4.last {
            return covering(index, parts: (first, last), in: v4) { search, rule, point in
                search.hulls[rule].mayHold(point) && point.isIn(search.spaces[rule].v4)
            }
        }
        guard let first = spaces[index].v6.first, let last = spaces[index].v6.last else { return [] }
        return covering(index, parts: (first, last), in: v6) { search, rule, point in
            search.hulls[rule].mayHold(point) && point.isIn(search.spaces[rule].v6)
        }
    }

    private mutating func covering<Address>(
        _ index: Int, parts: (RuleSpacePart<Address>, RuleSpacePart<Address>),
        in rulesOfFamily: RuleIndex<Address>,
        _ holds: (borrowing HiddenRuleSearch, Int, PacketPoint<Address>) -> Bool
    ) -> [Int]? {
        var covering: [Int] = []
        for number in 0..<Self.mostPackets {
            let point = PacketPoint(of: number % 2 == 0 ? parts.0 : parts.1, number: number)
            var found: [Int] = []
            let touched = rulesOfFamily.forEachCandidate(point, before: index) { candidate in
                if holds(self, candidate, point), isNoNarrowerOutside(candidate, index) {
                    found.append(candidate)
                }
                return found.count < (number == 0 ? Self.mostCovering : 1)
            }
            work += Self.workOfPacket * touched
            if found.isEmpty { return [] }
            if number == 0 { covering = found.sorted() }
            if work > Self.mostWork { return nil }
        }
        return covering
    }

    private func isNoNarrowerOutside(_ candidate: Int, _ index: Int) -> Bool {
        !hasKeysOutside[candidate] || rules[candidate].isNoNarrowerOutside(rules[index])
    }

    private func alone(_ hiders: [Int], _ index: Int) -> Int? {
        hiders.first { spaces[index].isWithin(spaces[$0]) }
    }

    private mutating func overlapping(_ index: Int) -> [Int] {
        var found: [Int] = []
        for candidate in candidates {
            if candidate >= index { break }
            work += 1
            if hulls[candidate].overlaps(hulls[index]), isNoNarrowerOutside(candidate, index) {
                found.append(candidate)
            }
        }
        return found
    }

    private mutating func giveUp(_ index: Int, _ earlier: [Int]) -> [Int]? {
        if let alone = alone(earlier, index) { return [alone] }
        undecided.append(index)
        return nil
    }
}

extension Rule {
    /// Whether a packet that its keys hold for never comes to the rules behind it.
    var alwaysDecides: Bool { action != .continue && !monitor && expires == nil }

    fileprivate var hasKeysOutside: Bool { state != nil || match.interface != nil || match.payload != nil }

    /// Whether `state`, `interface` and `payload`, compared as they are written, hold wherever those of
    /// `other` do.
    func isNoNarrowerOutside(_ other: Rule) -> Bool {
        stateIsNoNarrower(other.state) && match.interfaceIsNoNarrower(other.match.interface)
            && match.payloadIsNoNarrower(other.match.payload)
    }

    /// Not even both states together are every packet: segments that fit no connection have none.
    private func stateIsNoNarrower(_ other: Set<ConnectionState>?) -> Bool {
        guard let state else { return true }
        return other.map(state.isSuperset) ?? false
    }
}

extension RuleMatch {
    fileprivate func interfaceIsNoNarrower(_ other: NameMatch?) -> Bool {
        guard let interface else { return true }
        guard let other, interface.excluded.allSatisfy(other.excluded.contains) else { return false }
        guard let included = interface.included else { return true }
        return other.included.map { $0.allSatisfy(included.contains) } ?? false
    }

    fileprivate func payloadIsNoNarrower(_ other: [PayloadPattern]?) -> Bool {
        guard let payload else { return true }
        return other.map { $0.allSatisfy(payload.contains) } ?? false
    }
}
