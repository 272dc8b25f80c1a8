// SPDX-License-Identifier: Apache-2.0
// Claim: in a flood of new sources no client under its limit loses a packet, and no heavy one gets more than
// its burst and its rate. 10 million packets of the flood a virtual second.
import GuardABI
import PolicyLanguage
import TestSupport

/// A limit, who floods it and how long.
struct ClientsFlood {
    var name: String
    var isIPv6 = false
    /// Different sources: IPv4 addresses from 10.0.0.0 on, or /64s.
    var sources: Int
    /// As policies write it, and the same as numbers.
    var limit: (text: String, rate: Rate, burst: Int)
    /// Of the flood.
    var packets: Int
    /// Of a minute, where the flood can be made to last one.
    var packetsOfMinute: Int?
    /// Sources that are over their limit before the flood, so that the table of who is limited is touched
    /// everywhere: now and then the flood has one that is, too.
    var limitedBefore = 0

    private static let usual = (
        text: "rate: 1000 pps, burst: 2000", rate: Rate.packets(1000, perSeconds: 1), burst: 2000
    )
    static let all = [
        ClientsFlood(
            name: "clients", sources: 10_000_000, limit: usual, packets: 150_000_000,
            packetsOfMinute: 600_000_000),
        ClientsFlood(
            name: "clients of a slow limit", sources: 10_000_000,
            limit: ("rate: 10/m, burst: 10", .packets(10, perSeconds: 60), 10), packets: 20_000_000,
            limitedBefore: 5000),
        ClientsFlood(
            name: "clients in IPv6", isIPv6: true, sources: 1 << 31, limit: usual, packets: 20_000_000),
    ]

    private var policy: String {
        """
        default: drop
        stateful: false
        limits: { per-client: { \(limit.text), per: source } }
        rules: [{ name: all, service: udp, limit: per-client, action: pass }]
        """
    }

    func run(_ size: FloodSize) throws -> Outcome {
        var run = try ClientsRun(self, FloodEngine(policy), seed: size.seed)
        return run.outcome((size.isMinute ? packetsOfMinute : nil) ?? size.packets(packets))
    }
}

/// The state of one such flood.
private struct ClientsRun {
    private static let start: UInt64 = 1_767_225_600_000_000_000
    private static let (clientCount, heavyCount) = (1000, 20)
    /// Nanoseconds between packets of the flood, and of all heavy clients: each sends 50,000 a second.
    private static let (between, betweenHeavy): (UInt64, UInt64) = (100, 1000)
    /// 10.192.0.0, 10.208.0.0 and 10.224.0.0; in IPv6 /64s that the flood has not.
    private static let (clientBase, heavyBase): (UInt32, UInt32) = (0x0ac0_0000, 0x0ad0_0000)
    private static let limitedBase: UInt32 = 0x0ae0_0000

    private let flood: ClientsFlood
    private let engine: FloodEngine
    private let frame: FloodFrame
    private var random: SeededGenerator
    /// What each client knows of its limit: it sends what that surely has room for.
    private var clients: [ExactBucket]
    private var heavy: [ExactBucket]
    private var heavyPassed: [Int]
    private var (clientPackets, clientDrops) = (0, 0)
    private var worstExcess = Int128.min
    private var (nextClient, nextHeavy) = (start, start)
    private let betweenClients: UInt64
    private var memory = MemoryWatch()

    init(_ flood: ClientsFlood, _ engine: FloodEngine, seed: UInt64) {
        (self.flood, self.engine) = (flood, engine)
        frame = FloodFrame(.udp, isIPv6: flood.isIPv6)
        frame.setPorts(remote: 4000, local: 53)
        random = SeededGenerator(seed: seed)
        let limit = flood.limit
        let client = ExactBucket(limit.rate, burst: limit.burst - 1, from: Self.start)
        clients = .init(repeating: client, count: Self.clientCount)
        // What an exact bucket may differ by: 0.1 % of the rate.
        heavy = .init(
            repeating: ExactBucket(limit.rate, burst: limit.burst, thousandths: 1001, from: Self.start),
            count: Self.heavyCount)
        heavyPassed = .init(repeating: 0, count: Self.heavyCount)
        // All clients together try half as much again as they may, in trains; what finds no room in a
        // client's own bucket is not sent.
        let allowed = client.allowance(1_000_000_000) * Double(Self.clientCount)
        betweenClients = UInt64(1_000_000_000 / (allowed * 1.5))
    }

    mutating func outcome(_ packets: Int) -> Outcome {
        for number in 0..<flood.limitedBefore {
            frame.setRemote(Self.limitedBase + UInt32(number))
            for _ in 0...flood.limit.burst { engine.receive(frame, at: Self.start) }
        }
        for number in 0..<Self.clientCount { send(flood.limit.burst, of: number, at: Self.start) }
        var now = Self.start
        for number in 0..<packets {
            frame.setRemote(source())
            engine.receive(frame, at: now)
            if now >= nextClient { sendClient(now) }
            if now >= nextHeavy { sendHeavy(now) }
            memory.step(number, of: packets)
            now += Self.between
        }
        let time = now - Self.start
        let allowed = Double(flood.limit.burst) + heavy[0].allowance(time)
        let most = heavyPassed.max() ?? 0
        let figures =
            "\(grouped(packets)) packets of \(grouped(flood.sources)) sources in "
            + "\(fixed(Double(time) / 1e9, 1)) s (10 Mpps): \(clientDrops) of \(grouped(clientPackets)) "
            + "packets of \(grouped(Self.clientCount)) clients under their limit (\(flood.limit.text)) "
            + "dropped; of \(Self.heavyCount) clients at 50,000 pps each the heaviest got \(grouped(most)) "
            + "of \(grouped(Int(allowed))) allowed"
        let isFair =
            heavy[0].amount(ofCredits: worstExcess) <= 1
            && Double(heavyPassed.min() ?? 0) >= allowed * 0.99 - 1
        return Outcome(
            holds: clientDrops == 0 && clientPackets > 0 && isFair, figures: figures, memory: memory)
    }

    private mutating func source() -> UInt32 {
        flood.isIPv6
            ? 1 << 31 | UInt32(random.below(flood.sources))
            : 0x0a00_0000 + UInt32(random.below(flood.sources))
    }

    /// Some client, once in a while with a train of packets.
    private mutating func sendClient(_ now: UInt64) {
        let train = random.chance(1) ? 1 + random.below(100) : 1
        nextClient += betweenClients * UInt64(train)
        send(train, of: random.below(Self.clientCount), at: now)
    }

    /// What a client has room for, which is all below its burst by one packet and its rate.
    private mutating func send(_ train: Int, of number: Int, at now: UInt64) {
        frame.setRemote(Self.clientBase + UInt32(number))
        for _ in 0..<train where clients[number].takes(1, at: now) {
            clientPackets += 1
            if !engine.receive(frame, at: now).passes { clientDrops += 1 }
        }
    }

    private mutating func sendHeavy(_ now: UInt64) {
        nextHeavy += Self.betweenHeavy
        let number = Int((now - Self.start) / Self.betweenHeavy) % Self.heavyCount
        frame.setRemote(Self.heavyBase + UInt32(number))
        guard engine.receive(frame, at: now).passes else { return }
        heavyPassed[number] += 1
        worstExcess = max(worstExcess, heavy[number].charge(1, at: now))
    }
}
