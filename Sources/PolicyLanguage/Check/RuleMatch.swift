// SPDX-License-Identifier: Apache-2.0
// The match keys of a checked rule. Most rules have addresses and services only: the other keys are kept
// aside, so that a policy of 100,000 rules stays small.
import NetworkTypes

/// A rule's match keys, all of which must hold. In each set "any of" and "!" are resolved.
public struct RuleMatch: Sendable {
    public var source: AddressSet?
    public var destination: AddressSet?
    public var service: ServiceSet?
    /// Protocols with ports (TCP, UDP, SCTP) only: on others, and where the port was not read, it never
    /// holds.
    public var sourcePort: IntervalSet<UInt16>?
    /// None or one.
    private var rare: [RareMatch] = []
    public init() {}

    private mutating func set(_ isNil: Bool, _ change: (inout RareMatch) -> Void) {
        if rare.isEmpty {
            if isNil { return }
            rare = [RareMatch()]
        }
        change(&rare[0])
    }
}

/// All match keys but those that most rules have.
private struct RareMatch: Sendable {
    var sourceExpression: AddressExpression?
    var destinationExpression: AddressExpression?
    var tcpFlags: TCPFlagsMatch?
    var families: Set<AddressFamily>?
    var interface: NameMatch?
    var vlan: TagMatch?
    var innerVLAN: TagMatch?
    var length: IntervalSet<UInt16>?
    var ttl: IntervalSet<UInt8>?
    var dscp: IntervalSet<UInt8>?
    var fragment: Set<FragmentKind>?
    var ipOptions: Bool?
    var payload: [PayloadPattern]?
}

extension RuleMatch {
    /// `source` by names; nil where it names no set.
    public var sourceExpression: AddressExpression? {
        get { rare.isEmpty ? nil : rare[0].sourceExpression }
        set { set(newValue == nil) { $0.sourceExpression = newValue } }
    }

    /// `destination` by names; nil where it names no set.
    public var destinationExpression: AddressExpression? {
        get { rare.isEmpty ? nil : rare[0].destinationExpression }
        set { set(newValue == nil) { $0.destinationExpression = newValue } }
    }

    /// The TCP flags byte; on other protocols it never holds.
    public var tcpFlags: TCPFlagsMatch? {
        get { rare.isEmpty ? nil : rare[0].tcpFlags }
        set { set(newValue == nil) { $0.tcpFlags = newValue } }
    }

    /// IP versions.
    public var families: Set<AddressFamily>? {
        get { rare.isEmpty ? nil : rare[0].families }
        set { set(newValue == nil) { $0.families = newValue } }
    }

    /// The interface that the packet comes in on.
    public var interface: NameMatch? {
        get { rare.isEmpty ? nil : rare[0].interface }
        set { set(newValue == nil) { $0.interface = newValue } }
    }

    /// The first VLAN tag with a non-zero id.
    public var vlan: TagMatch? {
        get { rare.isEmpty ? nil : rare[0].vlan }
        set { set(newValue == nil) { $0.vlan = newValue } }
    }

    /// The second VLAN tag with a non-zero id.
    public var innerVLAN: TagMatch? {
        get { rare.isEmpty ? nil : rare[0].innerVLAN }
        set { set(newValue == nil) { $0.innerVLAN = newValue } }
    }

    /// IPv4's total length; 40 + IPv6's payload length.
    public var length: IntervalSet<UInt16>? {
        get { rare.isEmpty ? nil : rare[0].length }
        set { set(newValue == nil) { $0.length = newValue } }
    }

    /// IPv4's time to live, IPv6's hop limit.
    public var ttl: IntervalSet<UInt8>? {
        get { rare.isEmpty ? nil : rare[0].ttl }
        set { set(newValue == nil) { $0.ttl = newValue } }
    }

    /// The upper six bits of IPv4's type of service and IPv6's traffic class.
    public var dscp: IntervalSet<UInt8>? {
        get { rare.isEmpty ? nil : rare[0].dscp }
        set { set(newValue == nil) { $0.dscp = newValue } }
    }

    /// Which fragments of a packet.
    public var fragment: Set<FragmentKind>? {
        get { rare.isEmpty ? nil : rare[0].fragment }
        set { set(newValue == nil) { $0.fragment = newValue } }
    }

    /// IPv4 options; IPv6 hop-by-hop, routing or destination options.
    public var ipOptions: Bool? {
        get { rare.isEmpty ? nil : rare[0].ipOptions }
        set { set(newValue == nil) { $0.ipOptions = newValue } }
    }

    /// Any one of these patterns.
    public var payload: [PayloadPattern]? {
        get { rare.isEmpty ? nil : rare[0].payload }
        set { set(newValue == nil) { $0.payload = newValue } }
    }
}
