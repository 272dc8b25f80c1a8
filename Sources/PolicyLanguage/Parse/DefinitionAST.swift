// SPDX-License-Identifier: Apache-2.0
// The named things of a policy and its entries, as they are written.
import Diagnostics
import NetworkTypes

/// `name: [...]` or `name: { file: ..., refresh: ... }`.
struct SetAST: Sendable {
    enum Source: Sendable {
        case items(ItemList<AddressTerm>)
        case file(Positioned<String>, refresh: Int64?)
    }
    let name: Positioned<String>
    let source: Source
}

struct ServiceAST: Sendable {
    let name: Positioned<String>
    let items: ItemList<ServiceTerm>
}

struct FailsafeAST: Sendable {
    var source: ItemList<AddressTerm>?
    var service: ItemList<ServiceTerm>?
    let range: SourceRange
    /// A key of it could not be read: what is missing was told already.
    var isBroken = false
}

struct LimitAST: Sendable {
    let name: Positioned<String>
    var rate: Positioned<Rate>?
    /// Packets or a size: which one, the rate says.
    var burst: Positioned<String>?
    var per: Positioned<LimitKey>?
    /// Bits of an IPv6 source that are one client.
    var ipv6Prefix: Positioned<UInt8>?
    var over: Positioned<LimitExcess>?
    var mode: Positioned<PolicyMode>?
    /// Keys that stand there although their values could not be read.
    var keys = KeySet()
}

struct InspectorAST: Sendable {
    let name: Positioned<String>
    var inspector: Inspector
    var sample: Positioned<Bool>?
}

struct RuleAST: Sendable {
    let range: SourceRange
    var name: Positioned<String>?
    var match = MatchAST()
    var action: Positioned<RuleAction>?
    var limit: Positioned<String>?
    var inspect: Positioned<String>?
    /// One in N; nil inside: `log: false`.
    var log: Positioned<UInt32?>?
    var synCookies: Positioned<Rate>?
    var mode: Positioned<PolicyMode>?
    /// Seconds since 1970-01-01T00:00Z.
    var expires: Positioned<Int64>?
    /// Keys that stand there although their values could not be read.
    var keys = KeySet()

    init(range: SourceRange) { self.range = range }
}

/// The match keys as they are written, but for those whose lists are values in themselves.
struct MatchAST: Sendable {
    var source: ItemList<AddressTerm>?
    var destination: ItemList<AddressTerm>?
    var service: ItemList<ServiceTerm>?
    /// None or one: kept aside, since most rules have none of these keys and a policy has many rules.
    private var furtherKeys: [FurtherMatchAST] = []

    var hasFurtherKeys: Bool { !furtherKeys.isEmpty }

    var further: FurtherMatchAST {
        get { furtherKeys.first ?? FurtherMatchAST() }
        set { furtherKeys = [newValue] }
    }
}

/// All match keys but addresses and services.
struct FurtherMatchAST: Sendable {
    var sourcePort: ItemList<ClosedRange<UInt16>>?
    var tcpFlags: Positioned<TCPFlagsMatch>?
    var families: ItemList<AddressFamily>?
    var interface: ItemList<String>?
    var vlan: ItemList<TagTerm>?
    var innerVLAN: ItemList<TagTerm>?
    var length: ItemList<ClosedRange<UInt16>>?
    var ttl: ItemList<ClosedRange<UInt8>>?
    var dscp: ItemList<ClosedRange<UInt8>>?
    var fragment: ItemList<FragmentTerm>?
    var ipOptions: ItemList<Bool>?
    var state: ItemList<ConnectionState>?
    var payload: [PayloadPattern]?
}

/// A VLAN id or range; nil: `none`.
typealias TagTerm = ClosedRange<UInt16>?

enum FragmentTerm: String, Sendable, CaseIterable {
    case any, first, later, none

    var kinds: Set<FragmentKind> {
        switch self {
        case .any: [.first, .later]
        case .first: [.first]
        case .later: [.later]
        case .none: [.none]
        }
    }
}

struct TestAST: Sendable {
    let range: SourceRange
    var packet: Positioned<PacketDescription>?
    var verdict: Positioned<Verdict>?
    var rule: Positioned<String>?
    var reason: Positioned<Reason>?
    var keys = KeySet()

    init(range: SourceRange) { self.range = range }
}
