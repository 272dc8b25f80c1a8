// SPDX-License-Identifier: Apache-2.0
// The checked policy: names resolved, sets flattened, every value in range. What the evaluators and the
// compiler take.
import Diagnostics
import NetworkTypes

/// A policy that has no error. Nothing in it refers to text any more, but for the positions kept for
/// messages.
public struct CheckedPolicy: Sendable {
    public var name: String
    /// Interface names or globs of `interfaces:`; empty where only `--dev` names them.
    public var interfaces: [String] = []
    public var mode: PolicyMode = .enforce
    public var defaultVerdict: PassOrDrop = .drop
    /// What happens to packets whose headers are malformed (spoofed): dropped, or on to the rules.
    public var malformed: PassOrDrop = .drop
    public var spoofed: PassOrDrop = .drop
    /// Replies to connections that this host opened pass.
    public var stateful = true
    public var fragments: FragmentHandling = .track
    public var essential: Set<EssentialTraffic> = Set(EssentialTraffic.allCases)
    /// Headers behind which rules, failsafe and never-ban look.
    public var decapsulate: Set<Encapsulation> = []
    public var failsafe: [FailsafeEntry] = []
    public var neverBan = AddressSet()
    /// `neverBan` by names; nil where it names no set.
    public var neverBanExpression: AddressExpression?
    /// In order, those of included files first.
    public var rules: [Rule] = []
    public var tests: [PolicyTest] = []
    /// The named sets, resolved, in the order of their definition.
    public var sets: [NamedSet] = []
    public var limits: [Limit] = []
    public var inspectors: [Inspector] = []

    public init(name: String) { self.name = name }
}

public enum PolicyMode: String, Sendable, CaseIterable { case enforce, monitor }
public enum PassOrDrop: String, Sendable, CaseIterable { case pass, drop }
public enum FragmentHandling: String, Sendable, CaseIterable { case track, pass, drop }
public enum EssentialTraffic: String, Sendable, CaseIterable { case nd, ra, pmtu, dhcp }

/// Sources that always reach a service, and the replies to them. A nil key holds for every packet.
public struct FailsafeEntry: Sendable {
    public var source: AddressSet?
    /// `source` by names; nil where it names no set.
    public var sourceExpression: AddressExpression?
    public var service: ServiceSet?
    public var range: SourceRange
    public init(source: AddressSet?, service: ServiceSet?, range: SourceRange) {
        self.source = source
        self.service = service
        self.range = range
    }
}

public struct NamedSet: Sendable {
    public var name: String
    public var addresses: AddressSet
    /// What it is made of; nil where it names no other set.
    public var expression: AddressExpression?
    public var items: [SetItem] = []
    /// The file that it was read from, as a path to open; nil for sets that stand in the policy.
    public var file: String?
    /// Nanoseconds after which the file is read again; nil: never.
    public var refresh: Int64?
    public var range: SourceRange
    public init(name: String, addresses: AddressSet, range: SourceRange) {
        self.name = name
        self.addresses = addresses
        self.range = range
    }
}

/// One rule. A nil match key holds for every packet; any other holds only for packets whose field could be
/// read.
public struct Rule: Sendable {
    public var name: String
    public var match = RuleMatch()
    public var action: RuleAction
    /// `mode: monitor`: what the rule would drop is counted, and the packet goes on to the next rules.
    public var monitor = false
    /// Log one in N packets that the rule decides; nil: none.
    public var logEvery: UInt32?
    /// When the rule ends, in whole seconds since 1970-01-01T00:00Z: from that second on it matches
    /// nothing.
    public var expires: Int64?
    /// Names in the policy's `limits` and `inspectors`.
    public var limit: String?
    public var inspect: String?
    /// SYNs beyond this rate of packets are answered with cookies.
    public var synCookiesAbove: Rate?
    public var state: Set<ConnectionState>?
    public var range: SourceRange
    public init(name: String, action: RuleAction, range: SourceRange) {
        self.name = name
        self.action = action
        self.range = range
    }
}

/// `continue` logs and goes on to the next rules.
public enum RuleAction: String, Sendable, CaseIterable { case pass, drop, reject, `continue` }

/// Protocols with their destination ports or ICMP types. "Not read" is a value of its own: `tcp` holds for
/// a TCP packet whose port could not be read (a later fragment), `tcp/22` and `!tcp/22` do not.
public struct ServiceSet: Hashable, Sendable {
    public struct Keys: Hashable, Sendable {
        /// Destination ports, or ICMP types; for other protocols all or none.
        public var values: IntervalSet<UInt16>
        /// Holds too where the port or type could not be read.
        public var unread: Bool
        public init(values: IntervalSet<UInt16>, unread: Bool) {
            self.values = values
            self.unread = unread
        }
        public static let all = Keys(values: .all, unread: true)
        public static let none = Keys(values: .init(), unread: false)
    }

    /// What holds for protocols that are not in `exceptions`.
    public var others: Bool
    public var exceptions: [IPProtocol: Keys]

    public init(others: Bool, exceptions: [IPProtocol: Keys] = [:]) {
        self.others = others
        self.exceptions = exceptions
    }

    public func keys(of proto: IPProtocol) -> Keys { exceptions[proto] ?? (others ? .all : .none) }

    /// - Parameter key: the destination port or ICMP type; nil where the protocol has none or it could not
    /// be read.
    public func contains(_ proto: IPProtocol, key: UInt16?) -> Bool {
        let keys = keys(of: proto)
        guard let key else { return keys.unread }
        return keys.values.contains(key)
    }
}

public struct TCPFlagsMatch: Hashable, Sendable {
    public var mustBeSet: TCPFlags
    public var mustBeClear: TCPFlags
    public init(mustBeSet: TCPFlags, mustBeClear: TCPFlags) {
        self.mustBeSet = mustBeSet
        self.mustBeClear = mustBeClear
    }
    public func holds(_ flags: TCPFlags) -> Bool {
        flags.isSuperset(of: mustBeSet) && flags.isDisjoint(with: mustBeClear)
    }
}

/// Interface names by globs (`*`, `?`, `[a-z]`): any of `included` (all names where that is nil), none of
/// `excluded`.
public struct NameMatch: Hashable, Sendable {
    public var included: [String]?
    public var excluded: [String]
    public init(included: [String]?, excluded: [String]) {
        self.included = included
        self.excluded = excluded
    }
    public func holds(_ name: String) -> Bool {
        (included?.contains { glob($0, matches: name) } ?? true)
            && !excluded.contains { glob($0, matches: name) }
    }
}

/// VLAN ids, and whether an absent tag counts.
public struct TagMatch: Hashable, Sendable {
    public var none: Bool
    public var ids: IntervalSet<UInt16>
    public init(none: Bool, ids: IntervalSet<UInt16>) {
        self.none = none
        self.ids = ids
    }
    public func holds(_ id: UInt16?) -> Bool { id.map(ids.contains) ?? none }
}

/// Bytes at an offset into the L4 payload (RFC: after the TCP, UDP, SCTP or 8-byte ICMP header; for other
/// protocols after the IP headers). `bytes` and `mask` have the same length, 1 to 16; `offset + length` is
/// at most 64.
public struct PayloadPattern: Hashable, Sendable {
    public var offset: Int
    public var bytes: [UInt8]
    public var mask: [UInt8]
    public init(offset: Int, bytes: [UInt8], mask: [UInt8]) {
        self.offset = offset
        self.bytes = bytes
        self.mask = mask
    }
}

/// One of the policy's own tests: a packet in text and what must happen to it. Nil: not asked.
public struct PolicyTest: Sendable {
    public var packet: PacketDescription
    public var verdict: RuleAction?
    public var rule: String?
    /// A reason's printable name, as in "default".
    public var reason: String?
    public var range: SourceRange
    public init(packet: PacketDescription, range: SourceRange) {
        self.packet = packet
        self.range = range
    }
}
