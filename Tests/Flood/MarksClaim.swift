// SPDX-License-Identifier: Apache-2.0
// Claim: however many clients a UDP service has, its answers to clients that the table of marks has forgotten
// open no connection past the rules, and this host's own questions are answered. A million datagrams a
// virtual second.
import GuardABI
import NativeDatapath
import TestSupport

enum MarksClaim {
    static func run(_ size: FloodSize) throws -> Outcome {
        var run = try MarksRun(seed: size.seed)
        return run.outcome(size.packets(10_000_000))
    }
}

private struct MarksRun {
    private static let policy = """
        default: drop
        rules: [{ name: dns, service: udp/53, action: pass }]
        """
    /// The latest clients, of which the service answers any.
    private static let remembered = 1 << 20
    /// Whom this host asks in turn, from 10.192.0.0 on; the flood's are below. The second half of a flood
    /// finds all of them known, so that memory that grows then is the flood's.
    private static let resolver: UInt32 = 0x0ac0_0000
    private var resolverCount = 1

    private let engine: FloodEngine
    private let inbound = FloodFrame(.udp)
    private let outbound = FloodFrame(.udp, isSent: true)
    private var random: SeededGenerator
    private var now: UInt64 = 1_767_225_600_000_000_000
    private var latest = [UInt32](repeating: 0, count: remembered)
    private var (answers, opened, pastRules, passedClosed) = (0, 0, 0, 0)
    private var (questions, unanswered) = (0, 0)
    private var memory = MemoryWatch()

    init(seed: UInt64) throws {
        engine = try FloodEngine(Self.policy)
        random = SeededGenerator(seed: seed)
    }

    mutating func outcome(_ count: Int) -> Outcome {
        resolverCount = max(1, count / 2000)
        for number in 0..<count {
            ask(0x0a00_0000 + UInt32(random.below(10_000_000)), number)
            answer(of: number)
            if number % 1000 == 0 { question(number / 1000) }
            memory.step(number, of: count)
            now += 1000
        }
        let figures =
            "\(grouped(count)) datagrams of 10,000,000 clients, \(grouped(answers)) answers to any of the "
            + "last \(grouped(Self.remembered)): \(pastRules) datagrams passed by a connection, "
            + "\(passedClosed) to closed ports; \(opened) answers opened one; \(unanswered) of "
            + "\(grouped(questions)) own questions unanswered"
        return Outcome(
            holds: pastRules + passedClosed + opened + unanswered == 0 && questions > 0, figures: figures,
            memory: memory)
    }

    /// A client's datagram, which a rule must decide each time; one in ten goes to a port of this host's
    /// questions, where none may pass.
    private mutating func ask(_ client: UInt32, _ number: Int) {
        let isClosed = number % 10 == 9
        inbound.setRemote(client)
        inbound.setPorts(remote: 4000, local: isClosed ? 40_000 + UInt16(random.below(1000)) : 53)
        let answer = engine.receive(inbound, at: now)
        if isClosed {
            if answer.passes { passedClosed += 1 }
            latest[number % Self.remembered] = latest[max(0, number - 1) % Self.remembered]
        } else {
            if !answer.passes || !answer.isFor(GUARD_REASON_RULE) { pastRules += 1 }
            latest[number % Self.remembered] = client
        }
    }

    private mutating func answer(of number: Int) {
        let client = latest[random.below(min(number + 1, Self.remembered))]
        outbound.setRemote(client)
        outbound.setPorts(remote: 4000, local: 53)
        engine.send(outbound, at: now)
        answers += 1
        var key = guard_flow_key()
        (key.local.low, key.local_port) = (UInt64(FloodFrame.host), 53)
        (key.remote.low, key.remote_port) = (UInt64(client), 4000)
        (key.family, key.protocol) = (4, FloodFrame.Kind.udp.rawValue)
        if native_datapath_find_flow(engine.datapath, &key) != nil { opened += 1 }
    }

    /// A question of this host's, and the answer to the one before.
    private mutating func question(_ number: Int) {
        if number > 0 {
            let (resolver, port) = ends(ofQuestion: number - 1)
            inbound.setRemote(resolver)
            inbound.setPorts(remote: 53, local: port)
            questions += 1
            if !engine.receive(inbound, at: now).isFor(GUARD_REASON_ESTABLISHED) { unanswered += 1 }
        }
        let (resolver, port) = ends(ofQuestion: number)
        outbound.setRemote(resolver)
        outbound.setPorts(remote: 53, local: port)
        engine.send(outbound, at: now)
    }

    private func ends(ofQuestion number: Int) -> (resolver: UInt32, port: UInt16) {
        let place = number % resolverCount
        return (Self.resolver + UInt32(place), 40_000 + UInt16(place % 1000))
    }
}
