// SPDX-License-Identifier: Apache-2.0
// Logged packets from the pinned ring buffer.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// A logged packet.
public struct LoggedPacket: Sendable {
    /// CLOCK_MONOTONIC.
    public var nanoseconds: UInt64
    public var interfaceIndex: UInt32
    public var ruleSlot: UInt32?
    /// Printable names.
    public var verdict: String
    public var reason: String
    public var detail: String
    /// Whether monitor mode let it pass, and the rule that would have dropped it; nil: no rule, or a limit.
    public var wouldDrop: Bool
    public var wouldDropSlot: UInt32?
    /// With reason `limit`, the limit's slot; the slot of a limit in monitor mode that would have dropped it.
    public var limitSlot: UInt32?
    public var wouldDropLimit: UInt32?
    /// Nil where no IP header was read.
    public var packet: PacketDescription?
}

/// Takes logged packets out of the ring buffer: each is seen by one reader once.
public final class EventReader {
    private var ring: OpaquePointer?
    private let queue = Queue()

    private final class Queue { var packets: [LoggedPacket] = [] }

    public init(_ state: SharedState) throws(KernelError) {
        let context = Unmanaged.passUnretained(queue).toOpaque()
        ring = ring_buffer__new(
            try state.descriptor(.events),
            { context, data, size in
                guard let context, let data, size >= MemoryLayout<guard_event>.size else { return 0 }
                let event = data.loadUnaligned(as: guard_event.self)
                Unmanaged<Queue>.fromOpaque(context).takeUnretainedValue().packets.append(LoggedPacket(event))
                return 0
            }, context, nil)
        if ring == nil { throw KernelError("open the log's ring buffer") }
    }

    deinit { ring_buffer__free(ring) }

    /// Packets logged since the last call; waits at most `milliseconds` for one.
    public func next(milliseconds: Int32) throws(KernelError) -> [LoggedPacket] {
        let result = ring_buffer__poll(ring, milliseconds)
        if result < 0, result != -EINTR { try check(result, "read the log") }
        defer { queue.packets.removeAll(keepingCapacity: true) }
        return queue.packets
    }
}

extension LoggedPacket {
    init(_ event: guard_event) {
        nanoseconds = event.time_ns
        interfaceIndex = event.ifindex
        ruleSlot = event.slot == GUARD_NO_SLOT ? nil : event.slot
        verdict =
            event.verdict == UInt8(GUARD_PASS.rawValue)
            ? "pass" : event.verdict == UInt8(GUARD_DROP.rawValue) ? "drop" : "reject"
        reason = String(cString: guard_reason_name(guard_reason(rawValue: UInt32(event.reason))))
        detail = String(cString: guard_detail_name(guard_detail(rawValue: UInt32(event.detail))))
        wouldDrop = event.would_drop != 0
        (wouldDropSlot, wouldDropLimit) = slots(ofWouldDrop: event.would_drop_slot)
        let isLimited = event.reason == UInt8(GUARD_REASON_LIMIT.rawValue)
        limitSlot = isLimited && event.limit_slot != GUARD_NO_SLOT ? event.limit_slot : nil
        packet = PacketDescription(event)
    }
}

extension PacketDescription {
    init?(_ event: guard_event) {
        guard let source = IPAddress(family: event.family, high: event.source_high, low: event.source_low),
            let destination = IPAddress(
                family: event.family, high: event.destination_high, low: event.destination_low)
        else { return nil }
        self.init(proto: IPProtocol(rawValue: event.protocol), source: source, destination: destination)
        length = Int(event.length)
        ttl = event.ttl
        dscp = event.dscp
        fragment = event.fragment == 1 ? .first : event.fragment == 2 ? .later : .none
        vlans = [event.vlan, event.inner_vlan].filter { $0 != 0 }
        guard event.key_read != 0 else { return }
        if proto.hasPorts {
            sourcePort = event.source_port
            destinationPort = event.key
        }
        if proto.hasTypes { icmpType = UInt8(truncatingIfNeeded: event.key) }
        if proto == .tcp { tcpFlags = TCPFlags(rawValue: event.tcp_flags) }
    }
}
