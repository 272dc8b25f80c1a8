// SPDX-License-Identifier: Apache-2.0
// What is sampled, and flows that an inspector dropped; docs/policy.md, "Sampling". In: a judged packet. Out:
// whose sample it is.
import NetworkTypes
import PolicyLanguage

/// A dropped flow.
struct DroppedFlow {
    /// On the clock of rates; nil: never.
    var end: UInt64?
    /// Failsafe or never-ban let one of its packets pass: this host's go out too.
    var isSpared = false

    func holds(at now: UInt64) -> Bool { end.map { now < $0 } ?? true }
}

extension ReferenceFirewall {
    /// Bans a prefix from the next frame on, unless a longer ban of it runs.
    /// - Parameter duration: nanoseconds from the last frame's time on; nil: without end.
    /// - Returns: false where there is no room.
    public mutating func ban(_ prefix: Prefix, for duration: UInt64?) -> Bool {
        bans.ban(prefix, until: duration.map(clock.later), at: clock.nanoseconds)
    }

    /// Drops a flow's packets from the next frame on. Without a rule that inspects nothing is dropped so.
    /// - Parameter duration: nanoseconds from the last frame's time on; nil: without end.
    public mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) {
        var dropped = DroppedFlow(end: duration.map(clock.later))
        if let running = droppedFlows[flow], running.holds(at: clock.nanoseconds) {
            if let end = dropped.end { dropped.end = running.end.map { max($0, end) } }
            dropped.isSpared = running.isSpared
        }
        droppedFlows[flow] = dropped
    }

    var inspects: Bool { policy.rules.contains { $0.inspect != nil } }

    /// A packet that came in of a dropped flow. In `never-ban` its source is spared, and the flow with it.
    mutating func droppedFlow(_ packet: Packet) -> Judgement? {
        guard inspects, let source = packet.read.source, let ends = SampledPacket(packet.read)?.ends,
            droppedFlows[ends]?.holds(at: clock.nanoseconds) == true
        else { return nil }
        if policy.neverBan.contains(source) {
            droppedFlows[ends]?.isSpared = true
            return nil
        }
        return Judgement(.drop, .flow)
    }

    /// What failsafe lets pass spares its flow.
    mutating func spareFlow(_ packet: Packet) {
        guard inspects, let ends = SampledPacket(packet.read)?.ends,
            droppedFlows[ends]?.holds(at: clock.nanoseconds) == true
        else { return }
        droppedFlows[ends]?.isSpared = true
    }

    /// What becomes of a packet that this host sends.
    enum SentFate {
        /// It is of a dropped flow.
        case dropped
        case sent(SampleMark?)
    }

    mutating func inspectSent(_ packet: PacketReading) -> SentFate {
        guard inspects, let packet = SampledPacket(packet) else { return .sent(nil) }
        if policy.mode == .enforce, let dropped = droppedFlows[packet.ends], !dropped.isSpared,
            dropped.holds(at: clock.nanoseconds)
        {
            return .dropped
        }
        return .sent(samples.reply(packet, at: clock.nanoseconds))
    }

    /// Whose sample a judged packet is: as its first rule with an inspector asks, or as its first fragment
    /// was. What a limit drops is none, nor a SYN that a cookie is asked for.
    mutating func chooseSample(_ judgement: Judgement, _ packet: inout Packet) -> SampleMark? {
        guard inspects, let sampled = SampledPacket(packet.read) else { return nil }
        switch judgement.reason {
        case .fragment:
            packet.sampledFlow = packet.first?.sampledFlow
            return packet.sampledFlow.flatMap { samples.goOn($0, sampled, at: clock.nanoseconds) }
        case .rule, .default:
            guard let rule = packet.inspectingRule, isNeeded(packet, by: rule.inspect) else { return nil }
            return samples.ask(rule, sampled, at: clock.nanoseconds, flow: &packet.sampledFlow)
        default: return nil
        }
    }
}
