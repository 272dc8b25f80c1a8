// SPDX-License-Identifier: Apache-2.0
// The slow, obvious evaluator: a checked policy and a frame in, a judgement out. Written from docs/policy.md
// alone, one function a step in its order, to be compared with the XDP program, with which it shares no code.
import NetworkTypes
import PolicyLanguage

/// Judges frames as the policy language says. From frame to frame it keeps what was decided for first
/// fragments, and what is left in token buckets.
public struct ReferenceFirewall: Sendable {
    let policy: CheckedPolicy
    var bans: BanMemory
    let limits: [String: Limit]
    var buckets: TokenBuckets
    var clock = ReferenceClock()
    private let ownAddresses: Set<IPAddress>
    private var firstFragments = FragmentMemory()
    private var connections = ConnectionMemory()
    var samples: SampleMemory
    var droppedFlows: [FlowEnds: DroppedFlow] = [:]
    /// Which flows inspectors need, by name; without one: all.
    var scopes: [String: FlowScope] = [:]

    /// A firewall for one policy, with the bans in force.
    /// - Parameters:
    ///   - ownAddresses: this host's addresses on a live interface; empty in a replay.
    ///   - bucketLines: lines of four token buckets, a power of two.
    ///   - sampleLines: lines of four sampled flows, a power of two.
    public init(
        policy: CheckedPolicy, bans: [ReferenceBan] = [], ownAddresses: Set<IPAddress> = [],
        bucketLines: Int = 1 << 18, sampleLines: Int = 1 << 16
    ) {
        self.policy = policy
        limits = Dictionary(
            policy.limits.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        buckets = TokenBuckets(lineCount: bucketLines)
        samples = SampleMemory(policy.inspectors, lineCount: sampleLines)
        self.bans = BanMemory(bans)
        self.ownAddresses = ownAddresses
    }

    /// What happens to the frame, and why.
    public mutating func judge(_ frame: ReferenceFrame) -> Judgement {
        clock.advance(to: frame.timeNanoseconds)
        var packet = Packet(frame, policy, ownAddresses)
        connections.advance(to: frame.timeNanoseconds)
        if policy.fragments == .track { recall(&packet) }
        var judgement = decide(&packet)
        judgement.sample = chooseSample(judgement, &packet)
        if policy.fragments == .track { keep(judgement, packet) }
        // A packet that `malformed: pass` or `spoofed: pass` let on says so, whatever decided later.
        if judgement.detail.isEmpty {
            judgement.detail = packet.malformed ?? packet.spoofed ?? packet.stateDetail ?? ""
        }
        if policy.mode == .monitor { judgement = onlyReported(judgement) }
        if followsConnections, judgement.verdict == .pass, judgement.reason != .established {
            connections.letIn(packet.read, asksForState: policy.asksForState)
        }
        return judgement
    }

    /// Learns from a frame that this host sends.
    /// - Returns: whose sample it is; nil: nobody's.
    public mutating func send(_ frame: ReferenceFrame) -> SampleMark? {
        clock.advance(to: frame.timeNanoseconds)
        connections.advance(to: frame.timeNanoseconds)
        let packet = Layers(frame: frame.bytes, decapsulating: policy.decapsulate).judged
        guard case .sent(let sample) = inspectSent(packet) else { return nil }
        if followsConnections { connections.send(packet) }
        return sample
    }

    private var followsConnections: Bool { policy.stateful || policy.asksForState }

    /// The steps in their order; the first that decides does.
    private mutating func decide(_ packet: inout Packet) -> Judgement {
        if let judgement = decideBeforeState(packet) { return judgement }
        return state(&packet) ?? rulesAndDefault(&packet)
    }

    private mutating func decideBeforeState(_ packet: Packet) -> Judgement? {
        let beforeFragments =
            malformed(packet) ?? nonIP(packet) ?? spoofed(packet) ?? failsafe(packet)
            ?? laterThanFailsafe(packet) ?? ban(packet) ?? droppedFlow(packet)
        if beforeFragments?.reason == .failsafe { spareFlow(packet) }
        if let beforeFragments { return beforeFragments }
        if let judgement = fragment(packet) { return judgement }
        return essential(packet)
    }

    /// A frame, what could be read of it, and the checks that it failed.
    struct Packet {
        let frame: ReferenceFrame
        var layers: Layers
        let spoofed: String?
        /// What was kept for a later fragment.
        var first: FirstFragment?
        /// What it, or its first, was charged to.
        var charges: [KeptCharge] = []
        /// The first rule with an inspector that held for it.
        var inspectingRule: Rule?
        /// The name of its flow, or its first fragment's, where that is sampled.
        var sampledFlow: UInt64?
        /// It belongs to a connection, for rules that ask.
        var isEstablished = false
        /// A TCP packet that fits no connection, where rules ask.
        var stateDetail: String?

        var read: PacketReading { layers.judged }
        var malformed: String? { layers.malformed?.rawValue }

        init(_ frame: ReferenceFrame, _ policy: CheckedPolicy, _ ownAddresses: Set<IPAddress>) {
            self.frame = frame
            layers = Layers(frame: frame.bytes, decapsulating: policy.decapsulate)
            let checks = layers.all.lazy.compactMap {
                $0.spoofed(on: frame.interface, ownAddresses: ownAddresses)
            }
            spoofed = checks.first?.rawValue
        }
    }
}

// The memory of first fragments.
extension ReferenceFirewall {
    /// A later fragment that starts before its first one's end is malformed.
    private func recall(_ packet: inout Packet) {
        guard packet.read.fragment == .later, let place = packet.read.fragmentPlace,
            let key = packet.read.fragmentKey
        else { return }
        packet.first = firstFragments.find(key, at: packet.frame.timeNanoseconds)
        packet.charges = packet.first?.charges ?? []
        if let first = packet.first, place.offset < first.end { packet.layers.fail(.overlappingFragment) }
    }

    /// Keeps what was decided, for every layer that is a first fragment.
    private mutating func keep(_ judgement: Judgement, _ packet: Packet) {
        switch judgement.reason {
        case .failsafe, .essential, .established, .rule, .limit, .default: break
        case .fragment where packet.first != nil: break
        default: return
        }
        for layer in packet.layers.all where layer.fragment == .first {
            guard let key = layer.fragmentKey, let place = layer.fragmentPlace else { continue }
            let first = FirstFragment(
                judgement: judgement, end: place.count,
                passedByFailsafe: judgement.reason == .failsafe || packet.first?.passedByFailsafe == true,
                charges: packet.charges, sampledFlow: packet.sampledFlow)
            firstFragments.keep(first, for: key, at: packet.frame.timeNanoseconds)
        }
    }

    private func follow(_ first: FirstFragment) -> Judgement {
        let kept = first.judgement
        return Judgement(kept.verdict, .fragment, rule: kept.rule, wouldDrop: kept.wouldDrop)
    }
}

extension PacketReading {
    fileprivate var fragmentKey: FragmentKey? {
        guard let source, let destination, let place = fragmentPlace else { return nil }
        return FragmentKey(
            source: source, destination: destination, identification: place.identification, proto: place.proto
        )
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

    /// Where the first passed by failsafe, so does the rest, above the bans.
    private func laterThanFailsafe(_ packet: Packet) -> Judgement? {
        guard !policy.failsafe.isEmpty, let first = packet.first, first.passedByFailsafe else { return nil }
        return follow(first)
    }

    private func ban(_ packet: Packet) -> Judgement? {
        var sources = packet.layers.around.compactMap(\.source)
        if let source = packet.read.source, !policy.neverBan.contains(source) { sources.append(source) }
        sources += packet.layers.sourcesBelow
        let isBanned = sources.contains { bans.hold(for: $0, at: clock.nanoseconds) }
        return isBanned ? Judgement(.drop, .ban) : nil
    }

    private mutating func fragment(_ packet: Packet) -> Judgement? {
        switch policy.fragments {
        case .pass: return nil
        case .drop:
            let kinds = packet.layers.all.compactMap(\.fragment)
            return kinds.allSatisfy { $0 == .none } ? nil : Judgement(.drop, .fragment)
        case .track:
            guard packet.read.fragment == .later else { return nil }
            guard let first = packet.first else { return Judgement(.drop, .fragment) }
            return charged(follow(first), packet)
        }
    }

    private func essential(_ packet: Packet) -> Judgement? {
        // Hop limit 255 or a link-local source prove nothing in a tunnel.
        guard packet.layers.around.isEmpty else { return nil }
        let names = EssentialTraffic.allCases.filter(policy.essential.contains)
        let found = names.first { name in
            name == .pmtu && policy.stateful
                ? packet.read.isPacketTooBig && connections.quoted(by: packet.read) != nil
                : packet.read.isEssential(name)
        }
        let check = packet.malformed ?? packet.spoofed
        return found.map { Judgement(.pass, .essential, detail: check ?? $0.rawValue) }
    }

    /// A reply to what this host opened passes; for other packets it is found out whether they belong to a
    /// connection.
    private mutating func state(_ packet: inout Packet) -> Judgement? {
        guard followsConnections else { return nil }
        let isReply = connections.isReply(packet.read)
        if isReply, policy.stateful { return Judgement(.pass, .established) }
        guard policy.asksForState else { return nil }
        packet.isEstablished =
            isReply || packet.frame.isEstablished || connections.isOfAccepted(packet.read)
        if !packet.isEstablished, let segment = packet.read.segment, !segment.isFirst {
            packet.stateDetail = "no state"
        }
        return nil
    }

    private mutating func rulesAndDefault(_ packet: inout Packet) -> Judgement {
        var watching: String?
        for rule in policy.rules where isMatch(rule, packet) {
            if let limit = limits[rule.limit ?? ""], isOver(limit, of: rule, &packet) {
                if !limit.monitor {
                    return Judgement(
                        .drop, .limit, detail: limit.name, rule: rule.name, wouldDrop: watching)
                }
                watching = watching ?? limit.name
            }
            if rule.inspect != nil { packet.inspectingRule = packet.inspectingRule ?? rule }
            if rule.onlyWatches {
                if watching == nil { watching = rule.name }
            } else if asksCookie(rule, packet) {
                return Judgement(.drop, .synCookie, rule: rule.name, wouldDrop: watching)
            } else if rule.action != .continue {
                return Judgement(verdict(of: rule.action), .rule, rule: rule.name, wouldDrop: watching)
            }
        }
        return Judgement(policy.defaultVerdict == .pass ? .pass : .drop, .default, wouldDrop: watching)
    }

    private func isMatch(_ rule: Rule, _ packet: Packet) -> Bool {
        !rule.isExpired(atNanoseconds: packet.frame.timeNanoseconds)
            && rule.askedState.map { ($0 == .established) == packet.isEstablished } ?? true
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
        guard judgement.verdict != .pass else { return reported }
        reported.wouldDrop = judgement.rule ?? judgement.reason.rawValue
        if judgement.reason == .limit { reported.wouldDrop = judgement.detail }
        return reported
    }
}
