// SPDX-License-Identifier: Apache-2.0
// One dropped flow, and how it lies in the kernel's table.
import GuardABI
import NetworkTypes

/// A flow whose packets are dropped, both ways: those that come in by the XDP program, this host's by the
/// egress program.
public struct DroppedFlow: Sendable, Hashable {
    public var ends: FlowEnds
    /// CLOCK_MONOTONIC nanoseconds.
    public var sinceNanoseconds: UInt64
    /// CLOCK_MONOTONIC nanoseconds; nil: for ever.
    public var endsNanoseconds: UInt64?
    /// The signature that matched; nil: none, as with a protocol that is forbidden.
    public var sid: UInt32?
    /// The slot of the rule that had the flow inspected; nil: none.
    public var ruleSlot: UInt32?
    /// Packets dropped so far that came in, and that this host sent; bytes of IP packets.
    public var received = Count()
    public var sent = Count()
    /// Failsafe or `never-ban` lets its packets pass.
    public var isSpared = false

    /// A flow of which nothing was dropped yet.
    public init(_ flow: FlowEnds, since: UInt64, ends: UInt64?) {
        self.ends = flow
        sinceNanoseconds = since
        endsNanoseconds = ends
    }

    /// Whether it is dropped at a time of CLOCK_MONOTONIC.
    public func holds(at now: UInt64) -> Bool { endsNanoseconds.map { now < $0 } ?? true }

    /// What holds where the flow is dropped again: the later end, with what was counted so far.
    public func renewed(by later: DroppedFlow) -> DroppedFlow {
        var kept = later
        if let end = later.endsNanoseconds { kept.endsNanoseconds = endsNanoseconds.map { max($0, end) } }
        (kept.sinceNanoseconds, kept.isSpared) = (sinceNanoseconds, isSpared)
        (kept.received, kept.sent) = (received, sent)
        return kept
    }
}

extension guard_flow_ends {
    /// The key of the table.
    public init(_ flow: FlowEnds) {
        self.init()
        lower = guard_address6(of: flow.lower.address)
        upper = guard_address6(of: flow.upper.address)
        (lower_port, upper_port) = (flow.lower.port, flow.upper.port)
        family = flow.lower.address.family == .ipv4 ? 4 : 6
        `protocol` = flow.proto.rawValue
    }
}

extension guard_dropped_flow {
    public init(_ flow: DroppedFlow) {
        self.init()
        ends_ns = flow.endsNanoseconds ?? GUARD_FOREVER
        since_ns = flow.sinceNanoseconds
        (packets, bytes) = (flow.received.packets, flow.received.bytes)
        (sent_packets, sent_bytes) = (flow.sent.packets, flow.sent.bytes)
        sid = flow.sid ?? 0
        slot = flow.ruleSlot ?? GUARD_NO_SLOT
        spared = flow.isSpared ? 1 : 0
    }
}

extension DroppedFlow {
    /// Nil where the key is none.
    public init?(_ key: guard_flow_ends, _ value: guard_dropped_flow) {
        guard let lower = IPAddress(family: key.family, high: key.lower.high, low: key.lower.low),
            let upper = IPAddress(family: key.family, high: key.upper.high, low: key.upper.low)
        else { return nil }
        let flow = FlowEnds(
            IPProtocol(rawValue: key.protocol), .init(lower, key.lower_port), .init(upper, key.upper_port))
        self.init(
            flow, since: value.since_ns, ends: value.ends_ns == GUARD_FOREVER ? nil : value.ends_ns)
        sid = value.sid == 0 ? nil : value.sid
        ruleSlot = value.slot == GUARD_NO_SLOT ? nil : value.slot
        received = Count(packets: value.packets, bytes: value.bytes)
        sent = Count(packets: value.sent_packets, bytes: value.sent_bytes)
        isSpared = value.spared != 0
    }
}
