// SPDX-License-Identifier: Apache-2.0
// Finds the rules of which earlier ones leave nothing: a policy in, for each rule those that hide it out.
// Exact, within a bounded amount of work; what the bound cut off is told, never guessed.
import NetworkTypes
import PolicyLanguage

struct HiddenRuleSearch {
    /// Up to that many rules every earlier one is asked; of more only this many, the broadest.
    static let mostCandidates = (all: 8000, broadest: 400)
    /// A rule cut into more pieces than this is given up, unless a single earlier rule hides it.
    static let mostPieces = 256
    /// Intervals touched for all rules together, about half a second's worth.
    static let mostWork = 20_000_000

    let spaces: [RuleSpace]
    /// Rules that were not compared with all earlier ones to the end.
    private(set) var undecided: [Int] = []
    private let rules: [Rule]
    private let hulls: [RuleHull]
    /// Rules that hide what they match from later ones, in order.
    private let candidates: [Int]
    private var work = 0

    init(_ policy: CheckedPolicy) {
        let universe = PacketUniverse(policy)
        rules = policy.rules
        spaces = rules.map { RuleSpace($0.match, in: universe) }
        let hulls = spaces.map(RuleHull.init)
        let deciding = policy.rules.indices.filter { policy.rules[$0].alwaysDecides }
        let isSmall = deciding.count <= Self.mostCandidates.all
        let broadest = deciding.sorted { hulls[$0].breadth > hulls[$1].breadth }
        candidates = isSmall ? deciding : broadest.prefix(Self.mostCandidates.broadest).sorted()
        self.hulls = hulls
        // The rule that is not asked could have hidden any behind it.
        if !isSmall { undecided = Array(rules.indices) }
    }

    /// The earlier rules that decide every packet of a rule, in their order; nil where some packet is left,
    /// or where the work ran out.
    mutating func hiders(of index: Int) -> [Int]? {
        guard work < Self.mostWork else { return giveUp(index, []) }
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

    private mutating func overlapping(_ index: Int) -> [Int] {
        var found: [Int] = []
        for candidate in candidates {
            if candidate >= index { break }
            work += 1
            if hulls[candidate].overlaps(hulls[index]),
                rules[candidate].match.isNoNarrowerOutside(rules[index].match)
            {
                found.append(candidate)
            }
        }
        return found
    }

    private mutating func giveUp(_ index: Int, _ earlier: [Int]) -> [Int]? {
        if let alone = earlier.first(where: { spaces[index].isWithin(spaces[$0]) }) { return [alone] }
        if undecided.last.map({ $0 < index }) ?? true { undecided.append(index) }
        return nil
    }
}

extension Rule {
    /// Whether a packet that its keys hold for never comes to the rules behind it.
    var alwaysDecides: Bool { action != .continue && !monitor && expires == nil }
}

extension RuleMatch {
    /// Whether `interface` and `payload`, compared as they are written, hold wherever those of `other` do.
    fileprivate func isNoNarrowerOutside(_ other: RuleMatch) -> Bool {
        interfaceIsNoNarrower(other.interface) && payloadIsNoNarrower(other.payload)
    }

    private func interfaceIsNoNarrower(_ other: NameMatch?) -> Bool {
        guard let interface else { return true }
        guard let other, interface.excluded.allSatisfy(other.excluded.contains) else { return false }
        guard let included = interface.included else { return true }
        return other.included.map { $0.allSatisfy(included.contains) } ?? false
    }

    private func payloadIsNoNarrower(_ other: [PayloadPattern]?) -> Bool {
        guard let payload else { return true }
        return other.map { $0.allSatisfy(payload.contains) } ?? false
    }
}
