// SPDX-License-Identifier: Apache-2.0
// Rules to entries of the tuple space: a rule that asks for a handful of prefixes, services and ports becomes
// an entry for each combination. What no entry can say is a condition: a bit of the rows that many rules
// share.
import NetworkTypes
import PolicyLanguage

/// Makes the entries of one family's rules.
struct EntryMaker {
    /// Combinations that a rule may become; beyond it its longest list goes to the condition.
    static let combinationsMax = 32

    let isIPv6: Bool
    private let services: ServiceIndex
    private(set) var entries: [TupleEntry] = []
    /// The keys that entries cannot say, each combination once, and the first rule that has it.
    private(set) var conditions: [(match: RuleMatch, rule: Int)] = []
    private var numbers: [ConditionKey: Int] = [:]
    private let nothing = ConditionKey(RuleMatch(), isIPv6: false)
    private var known: [ServiceSet: [ClosedRange<UInt32>]] = [:]

    init(isIPv6: Bool, services: ServiceIndex) {
        self.isIPv6 = isIPv6
        self.services = services
    }

    /// A rule's lists, each "any of".
    private struct Lists {
        var sources: [EntryPrefix]
        var destinations: [EntryPrefix]
        var services: [ClosedRange<UInt32>]
        var ports: [ClosedRange<UInt16>]
        var count: Int { sources.count * destinations.count * services.count * ports.count }
    }

    mutating func add(_ match: RuleMatch, rule: Int) {
        var condition = match
        condition.payload = nil
        condition.families = nil
        let lists = lists(of: match, &condition)
        var entry = TupleEntry()
        entry.rule = UInt32(rule)
        entry.needsIP = match.source != nil || match.destination != nil || match.families != nil
        entry.condition = number(of: condition, rule: rule)
        append(lists, entry)
    }

    /// The lists, and their keys taken out of the condition.
    private mutating func lists(of match: RuleMatch, _ condition: inout RuleMatch) -> Lists {
        var lists = Lists(
            sources: [EntryPrefix()], destinations: [EntryPrefix()], services: [0...UInt32.max],
            ports: [0...UInt16.max])
        // A named set can change while the policy runs: whether it holds an address stays a condition.
        if match.sourceExpression == nil, let prefixes = prefixes(match.source) {
            lists.sources = prefixes
            condition.source = nil
        }
        if match.destinationExpression == nil, let prefixes = prefixes(match.destination) {
            lists.destinations = prefixes
            condition.destination = nil
        }
        if let service = match.service {
            lists.services = values(service)
            condition.service = nil
        }
        // An entry does not tell an unread port from port 0: protocols without ports are left out instead.
        if let ports = match.sourcePort {
            lists.ports = ports.ranges
            lists.services = services.withPorts(lists.services)
            condition.sourcePort = nil
        }
        while lists.count > Self.combinationsMax { drop(of: match, &lists, &condition) }
        return lists
    }

    /// Moves the longest list that is not there yet to the condition.
    private func drop(of match: RuleMatch, _ lists: inout Lists, _ condition: inout RuleMatch) {
        let counts = [
            condition.source == nil ? lists.sources.count : 0,
            condition.destination == nil ? lists.destinations.count : 0,
            condition.service == nil ? lists.services.count : 0,
            condition.sourcePort == nil ? lists.ports.count : 0,
        ]
        switch counts.firstIndex(of: counts.max() ?? 0) {
        case 0:
            lists.sources = [EntryPrefix()]
            condition.source = match.source
        case 1:
            lists.destinations = [EntryPrefix()]
            condition.destination = match.destination
        case 2:
            // Without a service key of its own, what a source port asks of the protocol is asked there too.
            lists.services = [0...UInt32.max]
            condition.service = match.service
            condition.sourcePort = match.sourcePort
            lists.ports = [0...UInt16.max]
        default:
            lists.ports = [0...UInt16.max]
            condition.sourcePort = match.sourcePort
        }
    }

    private mutating func append(_ lists: Lists, _ template: TupleEntry) {
        var entry = template
        for source in lists.sources {
            (entry.source, entry.sourceLength) = (source.bits, source.length)
            for destination in lists.destinations {
                (entry.destination, entry.destinationLength) = (destination.bits, destination.length)
                for service in lists.services {
                    (entry.serviceLow, entry.serviceHigh) = (service.lowerBound, service.upperBound)
                    for port in lists.ports {
                        (entry.portLow, entry.portHigh) = (port.lowerBound, port.upperBound)
                        appendAnchored(entry)
                    }
                }
            }
        }
    }

    /// An interval that lies in two of its level's blocks stands in the list of each.
    private mutating func appendAnchored(_ entry: TupleEntry) {
        var entry = entry
        let ports = blocks(UInt32(entry.portLow), UInt32(entry.portHigh))
        for service in blocks(entry.serviceLow, entry.serviceHigh) {
            for port in ports {
                entry.serviceAnchor = service
                entry.portAnchor = UInt16(port)
                entries.append(entry)
            }
        }
    }

    private func blocks(_ low: UInt32, _ high: UInt32) -> [UInt32] {
        let mask = TupleShape.mask(level: TupleShape.level(low: low, high: high))
        return low & mask == high & mask ? [low] : [low, high]
    }

    /// The family's part of a set as prefixes; nil where there is no set or it has too many.
    private func prefixes(_ set: AddressSet?) -> [EntryPrefix]? {
        guard let set else { return nil }
        let limit = Self.combinationsMax / 2
        return isIPv6 ? entryPrefixes(set.v6, limit: limit) : entryPrefixes(set.v4, limit: limit)
    }

    private mutating func values(_ service: ServiceSet) -> [ClosedRange<UInt32>] {
        if let ranges = known[service] { return ranges }
        let ranges = services.values(service).ranges
        known[service] = ranges
        return ranges
    }

    /// 1 + the condition's number; 0 where nothing is left to ask.
    private mutating func number(of condition: RuleMatch, rule: Int) -> UInt16 {
        let key = ConditionKey(condition, isIPv6: isIPv6)
        guard key != nothing else { return 0 }
        if let number = numbers[key] { return UInt16(truncatingIfNeeded: number + 1) }
        numbers[key] = conditions.count
        conditions.append((condition, rule))
        return UInt16(truncatingIfNeeded: conditions.count)
    }
}

/// A prefix of either family; IPv4 in the low 32 bits.
struct EntryPrefix: Equatable {
    var bits: UInt128 = 0
    var length: UInt8 = 0
}

/// A set as the fewest prefixes; nil where there are more than `limit`.
func entryPrefixes<Bound>(_ set: IntervalSet<Bound>, limit: Int) -> [EntryPrefix]? {
    guard set.ranges.count <= limit else { return nil }
    func ones(_ bits: Int) -> Bound { bits == Bound.bitWidth ? .max : (1 << bits) - 1 }
    var prefixes: [EntryPrefix] = []
    for range in set.ranges {
        var low = range.lowerBound
        while true {
            guard prefixes.count < limit else { return nil }
            // The largest block that begins here and ends within the range.
            var free = low == 0 ? Bound.bitWidth : low.trailingZeroBitCount
            while ones(free) > range.upperBound - low { free -= 1 }
            prefixes.append(EntryPrefix(bits: UInt128(low), length: UInt8(Bound.bitWidth - free)))
            let last = low + ones(free)
            if last == range.upperBound { break }
            low = last + 1
        }
    }
    return prefixes
}

/// What tells conditions apart. Large sets are told apart by where they are kept, as rules that name the same
/// set share it: comparing them would cost as much as the policy is long.
private struct ConditionKey: Hashable {
    private enum SetKey: Hashable {
        case named(AddressExpression)
        case content([UInt128])
        case storage(UnsafeRawPointer?, Int)
    }

    private let source: SetKey?
    private let destination: SetKey?
    private let service: ServiceSet?
    private let sourcePort: IntervalSet<UInt16>?
    private let tcpFlags: TCPFlagsMatch?
    private let interface: NameMatch?
    private let vlan: TagMatch?
    private let innerVLAN: TagMatch?
    private let length: IntervalSet<UInt16>?
    private let ttl: IntervalSet<UInt8>?
    private let dscp: IntervalSet<UInt8>?
    private let fragment: Set<FragmentKind>?
    private let ipOptions: Bool?

    init(_ match: RuleMatch, isIPv6: Bool) {
        func key(_ set: AddressSet?, _ names: AddressExpression?) -> SetKey? {
            guard let set else { return nil }
            if let names { return .named(names) }
            return isIPv6 ? Self.key(set.v6) : Self.key(set.v4)
        }
        source = key(match.source, match.sourceExpression)
        destination = key(match.destination, match.destinationExpression)
        service = match.service
        sourcePort = match.sourcePort
        tcpFlags = match.tcpFlags
        interface = match.interface
        vlan = match.vlan
        innerVLAN = match.innerVLAN
        length = match.length
        ttl = match.ttl
        dscp = match.dscp
        fragment = match.fragment
        ipOptions = match.ipOptions
    }

    private static func key<Bound>(_ set: IntervalSet<Bound>) -> SetKey {
        guard set.ranges.count > 256 else {
            return .content(set.ranges.flatMap { [UInt128($0.lowerBound), UInt128($0.upperBound)] })
        }
        return set.ranges.withUnsafeBufferPointer { .storage(UnsafeRawPointer($0.baseAddress), $0.count) }
    }
}
