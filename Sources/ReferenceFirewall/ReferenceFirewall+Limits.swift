// SPDX-License-Identifier: Apache-2.0
// Packets charged to limits: by rules, and later fragments to what their first was charged to. A limit and a
// packet in; whether the packet is over the rate, and what follows, out.
import NetworkTypes
import PolicyLanguage

/// A first fragment keeps so many of its charges.
private let mostKeptCharges = 4

/// Bytes of an Ethernet header: what a frame counts at least.
private let shortestFrame = 14

/// A bucket that later fragments are charged to as well.
struct KeptCharge {
    var limit: String
    var bucket: UInt64
    /// Whom the limit bans: the source that was charged, which a later fragment's own need not be.
    var source: IPAddress?
}

extension ReferenceFirewall {
    /// Charges a packet that a rule with this limit matches.
    mutating func isOver(_ limit: Limit, of rule: Rule, _ packet: inout Packet) -> Bool {
        let charge = KeptCharge(
            limit: limit.name, bucket: limit.bucket(of: packet.read, for: rule.name),
            source: packet.read.source)
        if packet.charges.count < mostKeptCharges { packet.charges.append(charge) }
        return isOver(limit, charge, packet)
    }

    private mutating func isOver(_ limit: Limit, _ charge: KeptCharge, _ packet: Packet) -> Bool {
        let length = packet.read.wholeLength ?? max(shortestFrame, packet.frame.bytes.count)
        if buckets.take(limit.size(length: length), from: charge.bucket, at: clock.nanoseconds &* 256) {
            return false
        }
        if !limit.monitor, policy.mode == .enforce, let source = charge.source {
            ban(source: source, by: limit)
        }
        return true
    }

    /// A later fragment takes tokens by itself, where its first passed.
    mutating func charged(_ judgement: Judgement, _ packet: Packet) -> Judgement {
        var judgement = judgement
        guard judgement.verdict == .pass else { return judgement }
        for charge in packet.charges {
            guard let limit = limits[charge.limit], isOver(limit, charge, packet) else { continue }
            if limit.monitor {
                judgement.wouldDrop = judgement.wouldDrop ?? limit.name
            } else {
                return Judgement(
                    .drop, .limit, detail: limit.name, rule: judgement.rule, wouldDrop: judgement.wouldDrop)
            }
        }
        return judgement
    }
}
