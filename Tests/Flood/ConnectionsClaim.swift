// SPDX-License-Identifier: Apache-2.0
// Claim: a SYN flood whose half-open connections this host all accepts loses none of the live ones, and none
// that this host has just asked for. A million SYNs a virtual second, each answered by a SYN+ACK.
import GuardABI
import TestSupport

enum ConnectionsClaim {
    static func run(_ size: FloodSize) throws -> Outcome {
        var run = try ConnectionsRun(seed: size.seed)
        run.connect()
        run.ask()
        run.flood(size.packets(10_000_000))
        return run.outcome()
    }
}

private struct ConnectionsRun {
    private static let policy = """
        default: drop
        rules:
          - { name: live, service: tcp/80, state: established, action: pass }
          - { name: web, service: tcp/80, action: pass }
        """
    private static let (openedCount, acceptedCount) = (100_000, 20_000)
    private static let askedCount = 10_000
    /// 10.192.0.0, 10.208.0.0 and 10.224.0.0; the flood's are below.
    private static let (openedBase, acceptedBase): (UInt32, UInt32) = (0x0ac0_0000, 0x0ad0_0000)
    private static let askedBase: UInt32 = 0x0ae0_0000
    private static let (synchronize, reset, acknowledge): (UInt8, UInt8, UInt8) = (0x02, 0x04, 0x10)

    private let engine: FloodEngine
    private let inbound = FloodFrame(.tcp)
    private let outbound = FloodFrame(.tcp, isSent: true)
    private var random: SeededGenerator
    private var now: UInt64 = 1_767_225_600_000_000_000
    private var (syns, refused, strays, straysPassed, failedSetups) = (0, 0, 0, 0, 0)
    private var memory = MemoryWatch()

    init(seed: UInt64) throws {
        engine = try FloodEngine(Self.policy)
        random = SeededGenerator(seed: seed)
    }

    private func openedPort(_ number: Int) -> UInt16 { UInt16(1024 + number % 50_000) }

    /// Connections of both sides, handshakes whole.
    mutating func connect() {
        for number in 0..<Self.openedCount {
            setEnds(Self.openedBase + UInt32(number), remote: 443, local: openedPort(number))
            send(Self.synchronize)
            if !receive(Self.synchronize | Self.acknowledge).isFor(GUARD_REASON_ESTABLISHED) {
                failedSetups += 1
            }
            send(Self.acknowledge)
            now += 1000
        }
        let live = engine.slot("live")
        for number in 0..<Self.acceptedCount {
            setEnds(Self.acceptedBase + UInt32(number), remote: 4000, local: 80)
            accept()
            if receive(Self.acknowledge, acknowledged: 1).rule != live { failedSetups += 1 }
            now += 1000
        }
    }

    /// This host's SYNs, which are answered behind the flood.
    mutating func ask() {
        for number in 0..<Self.askedCount {
            setEnds(Self.askedBase + UInt32(number), remote: 443, local: openedPort(number))
            send(Self.synchronize)
            now += 1000
        }
    }

    /// Sources of 10.0.0.0 on that never finish a handshake, and segments that belong to nothing.
    mutating func flood(_ count: Int) {
        for number in 0..<count {
            let source = 0x0a00_0000 + UInt32(random.below(10_000_000))
            let port = UInt16(random.below(65_536))
            setEnds(source, remote: port, local: 80)
            syns += 1
            if !accept() { refused += 1 }
            if number % 4 == 0 { stray(source, port) }
            memory.step(number, of: count)
            now += 1000
        }
    }

    /// Each live one by one segment of the other side's, after the flood.
    mutating func outcome() -> Outcome {
        var (lostOpened, lostAccepted, lostAsked) = (0, 0, 0)
        for number in 0..<Self.askedCount {
            setEnds(Self.askedBase + UInt32(number), remote: 443, local: openedPort(number))
            if !receive(Self.synchronize | Self.acknowledge).isFor(GUARD_REASON_ESTABLISHED) {
                lostAsked += 1
            }
        }
        for number in 0..<Self.openedCount {
            setEnds(Self.openedBase + UInt32(number), remote: 443, local: openedPort(number))
            if !receive(Self.acknowledge).isFor(GUARD_REASON_ESTABLISHED) { lostOpened += 1 }
        }
        let live = engine.slot("live")
        for number in 0..<Self.acceptedCount {
            setEnds(Self.acceptedBase + UInt32(number), remote: 4000, local: 80)
            if receive(Self.acknowledge).rule != live { lostAccepted += 1 }
        }
        let figures =
            "\(grouped(syns)) half-open ones accepted (\(refused) SYNs refused), \(grouped(strays)) stray "
            + "segments (\(straysPassed) passed): \(lostOpened) of \(grouped(Self.openedCount)) live "
            + "connections of this host lost, \(lostAsked) of \(grouped(Self.askedCount)) that it asked for, "
            + "\(lostAccepted) of \(grouped(Self.acceptedCount)) accepted ones"
        let isRight = lostOpened + lostAccepted + lostAsked + refused + straysPassed + failedSetups == 0
        return Outcome(
            holds: isRight,
            figures: failedSetups == 0 ? figures : "\(failedSetups) handshakes failed; " + figures,
            memory: memory)
    }

    private func setEnds(_ other: UInt32, remote: UInt16, local: UInt16) {
        inbound.setRemote(other)
        inbound.setPorts(remote: remote, local: local)
        outbound.setRemote(other)
        outbound.setPorts(remote: remote, local: local)
    }

    private func receive(_ flags: UInt8, acknowledged: UInt32 = 0) -> FloodEngine.Answer {
        inbound.setSegment(flags: flags, acknowledged: acknowledged)
        return engine.receive(inbound, at: now)
    }

    private func send(_ flags: UInt8) {
        outbound.setSegment(flags: flags)
        engine.send(outbound, at: now)
    }

    /// Whether the other side's SYN was let in, which this host answers.
    @discardableResult
    private func accept() -> Bool {
        guard receive(Self.synchronize).passes else { return false }
        send(Self.synchronize | Self.acknowledge)
        return true
    }

    /// To a port from which this host opened connections, of somebody else; none may pass.
    private mutating func stray(_ source: UInt32, _ port: UInt16) {
        let kinds = [Self.synchronize | Self.acknowledge, Self.acknowledge, Self.reset | Self.acknowledge]
        setEnds(source, remote: port, local: openedPort(random.below(50_000)))
        strays += 1
        if receive(random.pick(kinds)).passes { straysPassed += 1 }
    }
}
