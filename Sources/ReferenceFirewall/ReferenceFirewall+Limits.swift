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
}

/// Nanoseconds that went by from packet to packet; where time goes back, none did.
struct ElapsedClock {
    private(set) var now: UInt64 = 0
    private var last: UInt64?

    mutating func advance(to nanoseconds: Int64) {
        let date = UInt64(max(0, nanoseconds))
        defer { last = date }
        guard let last else { return now = date }
        let (time, isBeyond) = now.addingReportingOverflow(date > last ? date - last : 0)
        // A capture's times can be any numbers: the clock stops at its end.
        now = isBeyond ? .max : time
    }
}

extension ReferenceFirewall {
    /// Charges a packet that a rule with this limit matches.
    mutating func isOver(_ limit: Limit, _ packet: inout Packet) -> Bool {
        let bucket = limit.bucket(of: packet.read)
        if packet.charges.count < mostKeptCharges {
            packet.charges.append(KeptCharge(limit: limit.name, bucket: bucket))
        }
        return isOver(limit, bucket, packet)
    }

    private mutating func isOver(_ limit: Limit, _ bucket: UInt64, _ packet: Packet) -> Bool {
        let length = packet.read.wholeLength ?? max(shortestFrame, packet.frame.bytes.count)
        if buckets.take(limit.size(length: length), from: bucket, at: clock.now &* 256) { return false }
        if !limit.monitor, policy.mode == .enforce { ban(packet, limit) }
        return true
    }

    /// A later fragment takes tokens by itself, where its first passed.
    mutating func charged(_ judgement: Judgement, _ packet: Packet) -> Judgement {
        var judgement = judgement
        guard judgement.verdict == .pass else { return judgement }
        for charge in packet.charges {
            guard let limit = limits[charge.limit], isOver(limit, charge.bucket, packet) else { continue }
            if limit.monitor {
                judgement.wouldDrop = judgement.wouldDrop ?? limit.name
            } else {
                return Judgement(
                    .drop, .limit, detail: limit.name, rule: judgement.rule, wouldDrop: judgement.wouldDrop)
            }
        }
        return judgement
    }

    private mutating func ban(_ packet: Packet, _ limit: Limit) {
        guard case .ban(let nanoseconds) = limit.over, let source = packet.read.source,
            !policy.neverBan.contains(source)
        else { return }
        let (end, isBeyond) = Int64(clamping: clock.now).addingReportingOverflow(nanoseconds)
        bansOfLimits.append(
            ReferenceBan(prefix: limit.aggregate(of: source), endsNanoseconds: isBeyond ? nil : end))
    }

    func isBannedByLimit(_ sources: [IPAddress]) -> Bool {
        bansOfLimits.contains { ban in
            let hasEnded = ban.endsNanoseconds.map { Int64(clamping: clock.now) >= $0 } ?? false
            return !hasEnded && sources.contains { ban.prefix.contains($0) }
        }
    }
}
