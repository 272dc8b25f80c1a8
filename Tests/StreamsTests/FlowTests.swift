// SPDX-License-Identifier: Apache-2.0
// Packets to flows: keys, directions, timeouts on packet time, and a full table.
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

private let second: Int64 = 1_000_000_000

struct FlowTests {
    @Test func `both directions of UDP are one flow, established once it was answered`() {
        let wire = Wire()
        wire.send(udpPacket(.client, .server, [1]))
        #expect(wire.flow?.state == .new)
        wire.send(udpPacket(.server, .client, [2, 3])) { $0.frameLength = 60 }
        #expect(wire.recorder.flows.count == 1)
        #expect(wire.flow?.state == .established)
        #expect(wire.flow?.counts.toServer == counts(packets: 1, bytes: 29))
        #expect(wire.flow?.counts.toClient == counts(packets: 1, bytes: 60))
        #expect(wire.recorder.payloads == [[1], [2, 3]])
        #expect(wire.flow?.tcpState == TCPState.none)
    }

    private func counts(packets: UInt64, bytes: UInt64) -> FlowCounts {
        var counts = FlowCounts()
        (counts.packets, counts.bytes) = (packets, bytes)
        return counts
    }

    @Test func `ports, addresses, protocols, tags and tunnels make flows different`() {
        let wire = Wire()
        let other = Host(address: "192.0.2.7", port: 40_001)
        wire.send(udpPacket(.client, .server, [1]))
        wire.send(udpPacket(other, .server, [1]))
        wire.send(udpPacket(Host(address: "192.0.2.8", port: 40_000), .server, [1]))
        wire.send(udpPacket(.client6, .server6, [1]))
        wire.send(Talk().syn)
        wire.send(udpPacket(.client, .server, [1])) { $0.vlan = 7 }
        wire.send(udpPacket(.client, .server, [1])) { ($0.vlan, $0.innerVLAN) = (7, 8) }
        for tunnel in [1, 2] as [UInt64] {
            wire.send(udpPacket(.client, .server, [1])) { $0.tunnel = tunnel }
        }
        #expect(wire.tracker.flowCount == 9)
        wire.send(udpPacket(.server, .client, [1])) { ($0.vlan, $0.innerVLAN) = (7, 8) }
        wire.send(udpPacket(.server, .client, [1])) { $0.tunnel = 2 }
        #expect(wire.tracker.flowCount == 9)
        #expect(Set(wire.recorder.flows.map(\.start.id)).count == 9)
        #expect(wire.recorder.flows.allSatisfy { (1..<1 << 53).contains($0.start.id) })
    }

    @Test func `one end that talks with itself is one flow`() {
        let wire = Wire()
        wire.send(udpPacket(.client, .client, [1]))
        wire.send(udpPacket(.client, .client, [2]))
        #expect(wire.tracker.flowCount == 1)
        #expect(wire.flow?.counts.toServer.packets == 2)
    }

    @Test(arguments: [true, false])
    func `an echo and its reply are one flow`(isV4: Bool) {
        let (question, answer): (UInt8, UInt8) = isV4 ? (8, 0) : (128, 129)
        let (from, to) = isV4 ? (Host.client, Host.server) : (.client6, .server6)
        let wire = Wire()
        wire.send(icmpPacket(from, to, type: question, [0, 7, 0, 1, 9, 9]))
        wire.recorder.look = { #expect($0.icmpIdentifier == 7 && $0.icmpSequence == 2 && $0.icmpCode == 3) }
        wire.send(icmpPacket(to, from, type: answer, code: 3, [0, 7, 0, 2, 9, 9]))
        #expect(wire.tracker.flowCount == 1)
        #expect(wire.flow?.start.clientPort == UInt16(question))
        #expect(wire.flow?.start.serverPort == UInt16(answer))
        #expect(wire.flow?.state == .established)
        #expect(wire.flow?.icmpCodes == PerDirection(0, 3))
        #expect(wire.recorder.payloads.last == [9, 9])
    }

    @Test func `what has no ports is a flow by its addresses and protocol`() {
        let wire = Wire()
        wire.send(ipPacket(.client, .server, proto: 47, [1, 2, 3]))
        wire.send(ipPacket(.server, .client, proto: 47, [4]))
        wire.send(ipPacket(.client, .server, proto: 50, [5]))
        #expect(wire.recorder.flows.map(\.start.proto.rawValue) == [47, 50])
        #expect(wire.recorder.payloads == [[1, 2, 3], [4], [5]])
    }

    @Test func `the first packet's rule, sender and time are the flow's`() {
        let wire = Wire()
        wire.send(udpPacket(.client, .server, [1])) { ($0.ruleTag, $0.isSentByHost) = (7, true) }
        wire.send(udpPacket(.client, .server, [1])) { $0.ruleTag = 8 }
        #expect(wire.flow?.start.ruleTag == 7)
        #expect(wire.flow?.start.isSentByHost == true)
        #expect(wire.flow?.start.time == wire.time - 1_000_000)
        #expect(wire.flow?.lastTime == wire.time)
    }

    struct Timeout: Sendable, CustomTestStringConvertible {
        var name: String
        var seconds: Int64
        var packets: [[UInt8]]
        var testDescription: String { name }
    }

    static let timeouts: [Timeout] = {
        let talk = Talk()
        let handshake = talk.handshake.map(\.packet)
        let reset = talk.request("").with { $0.flags = [.rst] }.packet
        return [
            Timeout(name: "TCP new", seconds: 60, packets: [talk.syn.packet]),
            Timeout(name: "TCP established", seconds: 600, packets: handshake),
            Timeout(name: "TCP closed", seconds: 60, packets: handshake + [reset]),
            Timeout(name: "UDP new", seconds: 30, packets: [udpPacket(.client, .server, [1])]),
            Timeout(
                name: "UDP established", seconds: 300,
                packets: [udpPacket(.client, .server, [1]), udpPacket(.server, .client, [1])]),
        ]
    }()

    @Test(arguments: timeouts)
    func `a flow is over after its state's timeout on packet time`(timeout: Timeout) {
        let wire = Wire()
        for packet in timeout.packets { wire.send(packet) }
        wire.tracker.advance(to: wire.time + timeout.seconds * second - 1)
        #expect(wire.tracker.flowCount == 1)
        wire.tracker.advance(to: wire.time + timeout.seconds * second)
        #expect(wire.tracker.flowCount == 0)
        #expect(wire.notes.end == .timeout)
        #expect(wire.counters.flowsTimedOut == 1)
    }

    @Test func `a packet restarts the timeout, and time that goes back counts as none`() {
        let wire = Wire()
        for _ in 0..<10 {
            wire.time += 29 * second
            wire.send(udpPacket(.client, .server, [1]))
        }
        let last = wire.time
        wire.time -= 1000 * second
        wire.send(udpPacket(.client, .server, [1]))
        #expect(wire.tracker.flowCount == 1)
        #expect(wire.counters.flows == 1)
        #expect(wire.tracker.now == last)
        #expect(wire.flow?.lastTime == last)
    }

    @Test(arguments: [Int64.min, Int64.min + 1, -1, 0, Int64.max])
    func `any time is stood`(time: Int64) {
        let wire = Wire()
        for given in [time, 5, time] { wire.send(udpPacket(.client, .server, [1])) { $0.time = given } }
        wire.send(
            fragments(of: udpPacket(.client, .server, [UInt8](repeating: 1, count: 64)), at: [0, 16])[0])
        wire.tracker.advance(to: Int64.max)
        wire.tracker.finish()
        #expect(wire.tracker.flowCount == 0)
    }

    @Test func `in a full table the flow used least recently gives way`() {
        let wire = Wire { $0.maximumFlows = 3 }
        for port in 1...3 {
            wire.send(udpPacket(Host(address: "192.0.2.7", port: UInt16(port)), .server, [1]))
        }
        wire.send(udpPacket(Host(address: "192.0.2.7", port: 1), .server, [1]))
        wire.send(udpPacket(Host(address: "192.0.2.7", port: 4), .server, [1]))
        #expect(wire.tracker.flowCount == 3)
        #expect(wire.counters.flowsEvicted == 1)
        #expect(wire.recorder.flows.map { $0.attachment.end } == [nil, .evicted, nil, nil])
    }

    @Test func `a flood of SYNs does not push out connections that are established`() {
        let wire = Wire { $0.maximumFlows = 10 }
        var talk = Talk()
        wire.shakeHands(talk)
        for number in 0..<1000 {
            let host = Host(address: "203.0.113.\(number % 250 + 1)", port: UInt16(number + 1))
            wire.send(Talk(client: host).syn)
        }
        #expect(wire.tracker.flowCount == 10)
        wire.send(talk.say("GET /"))
        #expect(wire.recorder.flows.first?.attachment.bytes.toServer == Array("GET /".utf8))
    }

    @Test func `the input's end closes flows in the order they began`() {
        let wire = Wire()
        for port in [9, 3, 7] as [UInt16] {
            wire.send(udpPacket(Host(address: "192.0.2.7", port: port), .server, [1]))
        }
        wire.tracker.finish()
        #expect(wire.recorder.closed == [1, 2, 3])
        #expect(wire.recorder.flows.allSatisfy { $0.attachment.end == .inputEnded })
        #expect(wire.tracker.flowCount == 0)
    }

    @Test func `the seed changes hashes and ids, and equal input gives equal ids`() {
        func ids(_ seed: UInt64) -> [UInt64] {
            let wire = Wire { $0.seed = seed }
            wire.send(udpPacket(.client, .server, [1]))
            wire.send(Talk().syn)
            return wire.recorder.flows.map(\.start.id)
        }
        #expect(ids(1) == ids(1))
        #expect(ids(1) != ids(2))
        var isLow = false
        let key = keyOfAPacket(&isLow)
        #expect(key.hash(seed: 1) != key.hash(seed: 2))
    }

    private func keyOfAPacket(_ isLow: inout Bool) -> FlowKey {
        var found: DecodedPacket?
        let wire = Wire()
        wire.recorder.look = { found = $0 }
        wire.send(Talk().syn)
        return found.map { FlowKey($0, isSourceLow: &isLow) } ?? wire.recorder.flows[0].key
    }
}

struct FlowTableTests {
    private func flow(_ number: Int) -> FlowRecord {
        let wire = Wire()
        let host = Host(address: "192.0.2.\(number % 256)", port: UInt16(truncatingIfNeeded: number))
        wire.send(udpPacket(host, .server, [1]))
        return wire.recorder.flows[0]
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `a table agrees with a dictionary, whatever is put in and taken out`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let flows = (0..<40).map(flow)
        let table = FlowTable()
        var slots: [Int: FlowTable.Slot] = [:]
        var order: [FlowQueue: [Int]] = [:]
        for _ in 0..<3000 {
            let number = random.below(flows.count)
            let queue = FlowQueue.allCases[random.below(5)]
            // Few hashes, so that chains are long.
            let hash = UInt32(number % 3)
            if let slot = slots[number] {
                for queue in FlowQueue.allCases { order[queue]?.removeAll { $0 == number } }
                if random.below(2) == 0 {
                    table.remove(slot)
                    slots[number] = nil
                } else {
                    table.touch(slot, queue)
                    order[queue, default: []].append(number)
                }
            } else {
                slots[number] = table.insert(flows[number], hash, queue)
                order[queue, default: []].append(number)
            }
            #expect(table.count == slots.count)
            #expect(table.find(flows[number].key, hash) == slots[number] ?? FlowTable.none, "seed \(seed)")
            for queue in FlowQueue.allCases {
                let oldest = order[queue]?.first.flatMap { slots[$0] } ?? FlowTable.none
                #expect(table.oldest(queue) == oldest, "seed \(seed)")
                #expect(table.count(of: queue) == order[queue]?.count ?? 0)
            }
        }
    }

    @Test func `a table grows and finds all`() {
        let table = FlowTable()
        let flows = (0..<3000).map(flow)
        for flow in flows { _ = table.insert(flow, flow.key.hash(seed: 9), .otherNew) }
        #expect(flows.allSatisfy { table[table.find($0.key, $0.key.hash(seed: 9))] === $0 })
        #expect(table.all.count == 3000)
    }
}
