// SPDX-License-Identifier: Apache-2.0
// A rule's match keys: lists resolved to sets, and keys that exclude each other told.
import Diagnostics
import NetworkTypes

extension PolicyChecker {
    mutating func match(_ rule: RuleAST) -> RuleMatch {
        let ast = rule.match
        var match = RuleMatch()
        match.source = ast.source.map { addresses($0) }
        match.destination = ast.destination.map { addresses($0) }
        match.sourceExpression = expression(ast.source)
        match.destinationExpression = expression(ast.destination)
        match.service = ast.service.map { service($0) }
        checkFamilies(ast, match)
        if ast.hasFurtherKeys { resolveFurther(rule, &match) }
        checkCookies(rule, match)
        checkLeftovers(ast, match)
        return match
    }

    private mutating func resolveFurther(_ rule: RuleAST, _ match: inout RuleMatch) {
        let ast = rule.match.further
        match.sourcePort = ast.sourcePort.map { ranges($0, of: 0...65535) }
        match.tcpFlags = ast.tcpFlags?.value
        match.families = ast.families.map { words($0) }
        match.interface = ast.interface.map { names($0) }
        match.vlan = ast.vlan.map { tags($0) }
        match.innerVLAN = ast.innerVLAN.map { tags($0) }
        match.length = ast.length.map { ranges($0, of: 0...65535) }
        match.ttl = ast.ttl.map { ranges($0, of: 0...255) }
        match.dscp = ast.dscp.map { ranges($0, of: 0...63) }
        match.fragment = ast.fragment.map { fragmentKinds($0) }
        match.ipOptions = ast.ipOptions.flatMap { ipOptions($0) }
        match.payload = ast.payload
        checkFamilyKey(ast, match)
        checkFragments(ast, match)
        checkProtocols(ast, match)
        checkFurtherLeftovers(ast, match)
    }

    mutating func state(_ rule: RuleAST) -> Set<ConnectionState>? {
        guard rule.match.hasFurtherKeys, let list = rule.match.further.state else { return nil }
        let states = words(list)
        if states.isEmpty, !list.isPartial {
            error(
                "contradictory-values", "'state' takes out both new and established", list.range,
                help: "write one of them, or leave the key out")
        }
        return states
    }

    private func ranges<Bound>(
        _ list: ItemList<ClosedRange<Bound>>, of everything: ClosedRange<Bound>
    ) -> IntervalSet<Bound> {
        let included = list.items.filter { !$0.negated }.map(\.value)
        let excluded = list.items.filter(\.negated).map(\.value)
        let all = included.isEmpty ? IntervalSet(everything) : IntervalSet(included)
        return excluded.isEmpty ? all : all.subtracting(IntervalSet(excluded))
    }

    private func words<Word: WordValue & Hashable>(_ list: ItemList<Word>) -> Set<Word> {
        let included = list.items.filter { !$0.negated }.map(\.value)
        let excluded = list.items.filter(\.negated).map(\.value)
        return Set(included.isEmpty ? Array(Word.allCases) : included).subtracting(excluded)
    }

    private func names(_ list: ItemList<String>) -> NameMatch {
        let included = list.items.filter { !$0.negated }.map(\.value)
        return NameMatch(
            included: included.isEmpty ? nil : included, excluded: list.items.filter(\.negated).map(\.value))
    }

    private func tags(_ list: ItemList<TagTerm>) -> TagMatch {
        let included = list.items.filter { !$0.negated }.map(\.value)
        let excluded = list.items.filter(\.negated).map(\.value)
        let ids = included.isEmpty ? IntervalSet(1...4095) : IntervalSet(included.compactMap(\.self))
        let none = included.isEmpty || included.contains(nil)
        return TagMatch(
            none: none && !excluded.contains(nil),
            ids: ids.subtracting(IntervalSet(excluded.compactMap(\.self))))
    }

    private func fragmentKinds(_ list: ItemList<FragmentTerm>) -> Set<FragmentKind> {
        func kinds(_ items: [ListItem<FragmentTerm>]) -> Set<FragmentKind> {
            items.reduce(into: []) { $0.formUnion($1.value.kinds) }
        }
        let included = list.items.filter { !$0.negated }
        let all = included.isEmpty ? Set(FragmentKind.allCases) : kinds(included)
        return all.subtracting(kinds(list.items.filter(\.negated)))
    }

    /// Nil where both values are named: told, since a packet whose options could not be read would be a
    /// third one.
    private mutating func ipOptions(_ list: ItemList<Bool>) -> Bool? {
        if list.isPartial { return nil }
        let values = Set(list.items.map { $0.value != $0.negated })
        guard values.count == 1, let value = values.first else {
            error(
                "contradictory-values", "'ip-options' names both true and false", list.range,
                help: "write one of them, or leave the key out")
            return nil
        }
        return value
    }
}

// Keys that go ill together.
extension PolicyChecker {
    private mutating func checkFamilies(_ ast: MatchAST, _ match: RuleMatch) {
        guard let source = match.source, let destination = match.destination,
            let sources = ast.source, let destinations = ast.destination
        else { return }
        let shareV4 = !source.v4.isEmpty && !destination.v4.isEmpty
        let shareV6 = !source.v6.isEmpty && !destination.v6.isEmpty
        if shareV4 || shareV6 || source.isEmpty || destination.isEmpty { return }
        note(
            Diagnostic(
                id: "family-mismatch", "source and destination are of different families",
                at: destinations.range,
                label: destination.v6.isEmpty ? "IPv4 only" : "IPv6 only",
                related: [.init(sources.range, source.v6.isEmpty ? "IPv4 only" : "IPv6 only")],
                help: "no packet has both: split the rule, or add addresses of the other family"))
    }

    private mutating func checkFamilyKey(_ ast: FurtherMatchAST, _ match: RuleMatch) {
        guard let families = match.families, let range = ast.families?.range else { return }
        let sides = [match.source, match.destination].compactMap { $0?.families }.filter { !$0.isEmpty }
        guard sides.contains(where: { $0.isDisjoint(with: families) }) else { return }
        neverMatches("'family' excludes the rule's addresses", range)
    }

    /// `fragment: later` under `track` or `drop` would be silently dead: an error. What may also mean
    /// others is a warning, and only where fragments are dropped in writing.
    private mutating func checkFragments(_ ast: FurtherMatchAST, _ match: RuleMatch) {
        guard let list = ast.fragment, main.fragments?.value != .pass else { return }
        // A value that could not be read was told, and may have been meant as `pass`.
        if main.fragments == nil, main.keys.contains("fragments") { return }
        let handling = main.fragments?.value.rawValue ?? "track"
        if let later = list.items.first(where: { $0.value == .later && !$0.negated }) {
            error(
                "fragment-later", "no rule sees later fragments under 'fragments: \(handling)'", later.range,
                help: "write fragments: pass at the top, or leave 'later' out")
        } else if main.fragments?.value == .drop, match.fragment?.contains(.none) == false {
            neverMatches("every fragment is dropped before the rules under 'fragments: drop'", list.range)
        }
    }

    /// `tcp-flags` beside `service: udp` and the like.
    private mutating func checkProtocols(_ ast: FurtherMatchAST, _ match: RuleMatch) {
        guard let service = match.service, !service.isEmpty else { return }
        if let flags = ast.tcpFlags, service.keys(of: .tcp) == .none {
            neverMatches("'tcp-flags' holds for tcp only, which 'service' does not name", flags.range)
        }
        let withPorts: [IPProtocol] = [.tcp, .udp, .sctp]
        if let ports = ast.sourcePort, withPorts.allSatisfy({ service.keys(of: $0) == .none }) {
            neverMatches(
                "'source-port' holds for tcp, udp and sctp, none of which 'service' names", ports.range)
        }
    }

    private mutating func checkCookies(_ rule: RuleAST, _ match: RuleMatch) {
        guard let cookies = rule.synCookies, let service = match.service, !service.isEmpty,
            service.keys(of: .tcp) == .none
        else { return }
        warn(
            "no-effect", "'syn-cookies' is for tcp only, which 'service' does not name", cookies.range,
            help: "remove it, or add tcp to 'service'")
    }

    /// Lists whose "!" took everything out. Sets that are empty in themselves were told where they stand.
    private mutating func checkLeftovers(_ ast: MatchAST, _ match: RuleMatch) {
        let isWhole = match.source?.isEmpty != true && match.destination?.isEmpty != true
        if isWhole, match.service?.isEmpty != true { return }
        tellLeftovers([
            ("source", match.source?.isEmpty == true, negating(ast.source)),
            ("destination", match.destination?.isEmpty == true, negating(ast.destination)),
            ("service", match.service?.isEmpty == true, negating(ast.service)),
        ])
    }

    private mutating func checkFurtherLeftovers(_ ast: FurtherMatchAST, _ match: RuleMatch) {
        tellLeftovers([
            ("source-port", match.sourcePort?.isEmpty == true, negating(ast.sourcePort)),
            ("family", match.families?.isEmpty == true, negating(ast.families)),
            ("vlan", match.vlan.map { !$0.none && $0.ids.isEmpty } == true, negating(ast.vlan)),
            (
                "inner-vlan", match.innerVLAN.map { !$0.none && $0.ids.isEmpty } == true,
                negating(ast.innerVLAN)
            ),
            ("length", match.length?.isEmpty == true, negating(ast.length)),
            ("ttl", match.ttl?.isEmpty == true, negating(ast.ttl)),
            ("dscp", match.dscp?.isEmpty == true, negating(ast.dscp)),
            ("fragment", match.fragment?.isEmpty == true, negating(ast.fragment)),
        ])
    }

    private mutating func tellLeftovers(_ leftovers: [(String, isEmpty: Bool, SourceRange?)]) {
        for (key, isEmpty, range) in leftovers where isEmpty {
            if let range { neverMatches("nothing is left of '\(key)'", range) }
        }
    }

    private func negating<Value>(_ list: ItemList<Value>?) -> SourceRange? {
        guard let list, list.items.contains(where: \.negated) else { return nil }
        return list.range
    }

    private mutating func neverMatches(_ why: String, _ range: SourceRange) {
        warnUnlessWrong(
            "never-matches", "the rule can never match: \(why)", range,
            help: "correct the key, or remove the rule")
    }
}
