// SPDX-License-Identifier: Apache-2.0
// A flow that a finding drops is not inspected while the firewall drops its packets, and is again from the
// first packet on that shows that it does not. In: what the finding asks for. Out: until when, and what went
// by.
import NetworkTypes
import Streams

/// What a finding asked for of a flow, or of who sends on it.
final class FlowDrop {
    /// From the match on, nanoseconds since 1970-01-01T00:00Z.
    let start: Int64
    let end: Int64
    /// Whose packets are dropped: of a ban those of who is banned; nil: both sides'.
    let way: FlowDirection?
    /// Bytes of the streams that went by uninspected.
    var missed = BothWays<Int64>(0, 0)

    init(from start: Int64, for nanoseconds: Int64, _ way: FlowDirection?) {
        self.start = start
        let (sum, isTooFar) = start.addingReportingOverflow(max(0, nanoseconds))
        end = isTooFar ? .max : sum
        self.way = way
    }

    /// Samples that were on their way when the finding was made, and the time until it is carried out.
    private static let grace: Int64 = 1_000_000_000

    /// Whether a packet shows that nothing is dropped: by its time, or because it came though it had to be
    /// dropped: the controller refused the finding, or somebody lifted the ban.
    /// - Parameter comesThrough: only packets come that no firewall dropped.
    func isOver(_ packet: DecodedPacket, _ direction: FlowDirection, comesThrough: Bool) -> Bool {
        if packet.time >= end { return true }
        // What this host sends is sampled before anybody drops it.
        guard comesThrough, !packet.isSentByHost, packet.time &- start > Self.grace else { return false }
        return way == nil || way == direction
    }
}

extension InspectedFlow {
    /// A finding dropped it: what still comes is not inspected.
    var isDropped: Bool { drop != nil }
}

extension SampleConsumer {
    /// A packet of a dropped flow: if it is dropped no more, the flow is inspected from here on.
    func resume(
        _ drop: FlowDrop, _ packet: DecodedPacket, _ way: FlowDirection, _ flow: Flow<InspectedFlow>
    ) {
        guard drop.isOver(packet, way, comesThrough: !options.tellsDroppedPackets) else { return }
        let state = flow.attachment
        state.drop = nil
        // What the policy forbids is forbidden again.
        state.forgetProtocols()
        state.gathered?.close()
        guard isRead(state) else { return }
        takeWaiting(state)
        for way in FlowDirection.allCases where drop.missed[way] > 0 {
            state.tails[way] = []
            skipStream(Int(clamping: drop.missed[way]), way, flow)
        }
    }
}
