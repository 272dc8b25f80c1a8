// SPDX-License-Identifier: Apache-2.0
// The slow, obvious evaluator: a checked policy and a frame in, a judgement out. Written from docs/policy.md
// alone, one function a step in its order, to be compared with the XDP program, with which it shares no code.
import NetworkTypes
import PolicyLanguage

/// Judges frames as the policy language says. It keeps no state between frames.
public struct ReferenceFirewall: Sendable {
    private let policy: CheckedPolicy
    private let bans: [ReferenceBan]
    private let ownAddresses: Set<IPAddress>

    /// A firewall for one policy, with the bans in force.
    /// - Parameter ownAddresses: this host's addresses on a live interface; empty in a replay.
    public init(policy: CheckedPolicy, bans: [ReferenceBan] = [], ownAddresses: Set<IPAddress> = []) {
        self.policy = policy
        self.bans = bans
        self.ownAddresses = ownAddresses
    }

    /// What happens to the frame, and why.
    public func judge(_ frame: ReferenceFrame) -> Judgement {
        let packet = Packet(frame, ownAddresses)
        var judgement = decide(packet)
        // A packet that `malformed: pass` or `spoofed: pass` let on says so, whatever decided later.
        if judgement.detail.isEmpty { judgement.detail = packet.malformed ?? packet.spoofed ?? "" }
        return policy.mode == .monitor ? onlyReported(judgement) : judgement
    }

    /// The steps in their order; the first that decides does.
    private func decide(_ packet: Packet) -> Judgement {
        malformed(packet)
            ?? nonIP(packet)
            ?? spoofed(packet)
            ?? failsafe(packet)
            ?? ban(packet)
            ?? fragment(packet)
            ?? essential(packet)
            ?? rulesAndDefault(packet)
    }

    /// A frame, what could be read of it, and the checks that it failed.
    private struct Packet {
        let frame: ReferenceFrame
        let read: PacketReading
        let malformed: String?
        let spoofed: String?

        init(_ frame: ReferenceFrame, _ ownAddresses: Set<IPAddress>) {
            self.frame = frame
            read = PacketReading(frame: frame.bytes)
            malformed = read.malformed?.rawValue
            spoofed = read.spoofed(on: frame.interface, ownAddresses: ownAddresses)?.rawValue
        }
    }
}

// The steps.
extension ReferenceFirewall {
    private func malformed(_ packet: Packet) -> Judgement? {
        guard policy.malformed == .drop, let check = packet.malformed else { return nil }
        return Judgement(.drop, .malformed, detail: check)
    }

    private func nonIP(_ packet: Packet) -> Judgement? {
        packet.read.isNonIP ? Judgement(.pass, .nonIP) : nil
    }

    private func spoofed(_ packet: Packet) -> Judgement? {
        guard policy.spoofed == .drop, let check = packet.spoofed else { return nil }
        return Judgement(.drop, .spoofed, detail: check)
    }

    private func failsafe(_ packet: Packet) -> Judgement? {
        let isSaved = policy.failsafe.contains { packet.read.isSaved(by: $0) }
        return isSaved ? Judgement(.pass, .failsafe) : nil
    }

    private func ban(_ packet: Packet) -> Judgement? {
        guard let source = packet.read.source, !policy.neverBan.contains(source) else { return nil }
        let isBanned = bans.contains { ban in
            let hasEnded = ban.endsNanoseconds.map { packet.frame.timeNanoseconds >= $0 } ?? false
            return !hasEnded && ban.prefix.contains(source)
        }
        return isBanned ? Judgement(.drop, .ban) : nil
    }

    /// `track` is not supported in this version: without the memory of first fragments it can only drop.
    private func fragment(_ packet: Packet) -> Judgement? {
        guard policy.fragments != .pass, let kind = packet.read.fragment, kind != .none else { return nil }
        return Judgement(.drop, .fragment)
    }

    private func essential(_ packet: Packet) -> Judgement? {
        let names = EssentialTraffic.allCases.filter(policy.essential.contains)
        let found = names.first { packet.read.isEssential($0) }
        let check = packet.malformed ?? packet.spoofed
        return found.map { Judgement(.pass, .essential, detail: check ?? $0.rawValue) }
    }

    private func rulesAndDefault(_ packet: Packet) -> Judgement {
        var watching: String?
        for rule in policy.rules where isMatch(rule, packet) {
            if rule.onlyWatches {
                if watching == nil { watching = rule.name }
            } else if rule.action != .continue {
                return Judgement(verdict(of: rule.action), .rule, rule: rule.name, wouldDrop: watching)
            }
        }
        return Judgement(policy.defaultVerdict == .pass ? .pass : .drop, .default, wouldDrop: watching)
    }

    private func isMatch(_ rule: Rule, _ packet: Packet) -> Bool {
        !rule.isExpired(atNanoseconds: packet.frame.timeNanoseconds)
            && rule.match.holds(packet.read, on: packet.frame.interface)
    }

    private func verdict(of action: RuleAction) -> Verdict {
        switch action {
        case .pass, .continue: .pass
        case .drop: .drop
        case .reject: .reject
        }
    }

    /// The policy's `mode: monitor`: everything passes, and the judgement says what would have happened.
    private func onlyReported(_ judgement: Judgement) -> Judgement {
        var reported = judgement
        reported.verdict = .pass
        if judgement.verdict != .pass { reported.wouldDrop = judgement.rule ?? judgement.reason.rawValue }
        return reported
    }
}
