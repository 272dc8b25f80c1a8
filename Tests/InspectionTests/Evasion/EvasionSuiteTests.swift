// SPDX-License-Identifier: Apache-2.0
// The evasion suite through the inspector: a request that signatures find, in every disguise. In: the
// evasions of Tests/Support. Out: each is found, or the event says that two readings are possible.
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

private let seeds: [UInt64] = [1, 2, 3, 4]

/// What the inspector said of one conversation.
private struct Found {
    var alerts: Set<Int> = []
    var anomalies: Set<String> = []
}

/// A conversation's packets, with the server's acknowledgement of the request and its answer behind them.
private func conversation(
    _ wire: inout AttackWire, _ evasion: TransportEvasion, _ message: MessageEvasion
) -> [[UInt8]] {
    let start = evasion.hasOwnStart ? [] : wire.handshake()
    let request = evasion.packets(&wire, message.request)
    var answers: [[UInt8]] = []
    for start in stride(from: 0, to: message.response.count, by: 1000) {
        var answer = WireSegment(message.response.dropFirst(start).prefix(1000), at: start)
        (answer.way, answer.acknowledged) = (.toClient, message.request.count)
        answers.append(wire.segment(answer))
    }
    return start + request + answers
}

/// Many conversations through one inspector, each from a port of its own, one after the other.
private struct Run {
    private let bench: Bench
    private var names: [Int: String] = [:]
    private var wanted: [Int: @Sendable (Found) -> Bool] = [:]

    init() throws { bench = try Bench(EvasionTarget.rules, verifyChecksums: true) }

    /// - Parameter holds: whether what was found of it is right.
    mutating func add(
        _ name: String, _ wire: AttackWire, _ packets: [[UInt8]], _ holds: @escaping @Sendable (Found) -> Bool
    ) {
        names[Int(wire.clientPort)] = name
        wanted[Int(wire.clientPort)] = holds
        for packet in packets { bench.feed(wire.frame(packet)) }
    }

    /// The names of those that were not found, with what was.
    func misses() throws -> [String] {
        bench.finish()
        var found: [Int: Found] = [:]
        for event in try bench.events(.alert) + bench.events(.anomaly) {
            guard let port = client(of: event) else { continue }
            if let alert = event["alert"] as? [String: Any], let sid = alert["signature_id"] as? Int {
                found[port, default: Found()].alerts.insert(sid)
            } else if let name = (event["anomaly"] as? [String: Any])?["event"] as? String {
                found[port, default: Found()].anomalies.insert(name)
            }
        }
        return names.keys.sorted().compactMap { port in
            let seen = found[port] ?? Found()
            if wanted[port]?(seen) ?? false { return nil }
            return "\(names[port] ?? ""): \(seen.alerts.sorted()) \(seen.anomalies.sorted())"
        }
    }

    /// The port that is not the server's.
    private func client(of event: [String: Any]) -> Int? {
        [event["src_port"] as? Int, event["dest_port"] as? Int].compactMap { $0 }.first { $0 != 80 }
    }
}

/// All that the message holds was found.
private func isSeen(_ message: MessageEvasion, _ found: Found) -> Bool {
    Set(message.targets.map(\.rawValue)).isSubset(of: found.alerts)
}

struct EvasionSuiteTests {
    @Test(arguments: seeds, [false, true])
    func `however the packets come, the request is found`(_ seed: UInt64, _ isV6: Bool) throws {
        var run = try Run()
        for (number, evasion) in TransportEvasion.all.enumerated() {
            var wire = AttackWire(isV6: isV6, seed: seed &* 1000 &+ UInt64(number))
            wire.clientPort = UInt16(40_000 + number)
            let packets = conversation(&wire, evasion, .plain)
            let anomaly = evasion.anomaly
            run.add(evasion.name, wire, packets) { found in
                if let anomaly { return found.alerts.contains(1) && found.anomalies.contains(anomaly) }
                return found.alerts == [1, 2, 3, 4, 5, 6]
            }
        }
        let misses = try run.misses()
        #expect(misses.isEmpty, "seed \(seed): \(misses)")
    }

    @Test(arguments: [1460, 1, 3, 17])
    func `however the request is written, it is found`(_ size: Int) throws {
        var run = try Run()
        for (number, message) in MessageEvasion.all.enumerated() {
            var wire = AttackWire(isV6: number % 2 == 1, seed: UInt64(number))
            wire.clientPort = UInt16(40_000 + number)
            let packets = conversation(&wire, .segments(of: size), message)
            run.add(message.name, wire, packets) { isSeen(message, $0) }
        }
        let misses = try run.misses()
        #expect(misses.isEmpty, "segments of \(size): \(misses)")
    }

    @Test(arguments: [3, 4, 5, 6])
    func `both at once`(_ seed: UInt64) throws {
        var run = try Run()
        var random = SeededGenerator(seed: seed)
        let plain = TransportEvasion.all.filter { $0.anomaly == nil && !$0.isLong }
        for (number, message) in MessageEvasion.all.enumerated() {
            // 1,024 pieces may wait for what is before them; more are a gap, which is told.
            let isShort = message.request.count <= 1000
            let evasion = isShort ? random.pick(plain) : TransportEvasion.segments(of: 3)
            var wire = AttackWire(isV6: random.chance(50), seed: random.next())
            wire.clientPort = UInt16(40_000 + number)
            let packets = conversation(&wire, evasion, message)
            run.add("\(message), \(evasion)", wire, packets) { isSeen(message, $0) }
        }
        let misses = try run.misses()
        #expect(misses.isEmpty, "seed \(seed): \(misses)")
    }
}
