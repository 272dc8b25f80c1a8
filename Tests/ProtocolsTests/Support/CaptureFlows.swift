// SPDX-License-Identifier: Apache-2.0
// Captures as flows, for comparing with what others read in them: no fragments, no tunnels, the simplest
// reassembly. In: a capture's path. Out: conversations with their addresses.
import Capture
import NetworkTypes

@testable import Protocols

/// A flow of a capture.
struct CaptureFlow {
    let client: Endpoint
    let server: Endpoint
    var conversation = Conversation()
}

/// An address and a port.
struct Endpoint: Hashable, CustomStringConvertible {
    let address: IPAddress
    let port: UInt16
    var description: String { "\(address):\(port)" }
}

/// Reads a capture's TCP and UDP flows, in the order of their first packets.
func captureFlows(_ path: String) throws -> [CaptureFlow] {
    var assembler = FlowAssembler()
    var reader = try CaptureReader(path: path)
    do {
        while let frame = try reader.next() { assembler.add(frame.bytes) }
    } catch {
        // A capture that ends early still holds the packets before.
    }
    return assembler.finish()
}

/// A TCP or UDP packet.
private struct Segment {
    var source: Endpoint
    var destination: Endpoint
    var isTCP: Bool
    var sequence: UInt32 = 0
    var flags: UInt8 = 0
    var payload: [UInt8] = []

    init?(_ frame: UnsafeRawBufferPointer) {
        var reader = ByteReader(frame)
        guard reader.take(12) != nil, var type = reader.u16() else { return nil }
        while type == 0x8100 || type == 0x88a8 {
            guard reader.u16() != nil, let next = reader.u16() else { return nil }
            type = next
        }
        let start = reader.position
        guard let first = reader.u8() else { return nil }
        reader.seek(start)
        let found = first >> 4 == 4 ? Self.readIPv4(&reader) : first >> 4 == 6 ? Self.readIPv6(&reader) : nil
        guard let (number, addresses, rest) = found, number == 6 || number == 17 else { return nil }
        var body = ByteReader(rest)
        guard let sport = body.u16(), let dport = body.u16() else { return nil }
        source = Endpoint(address: addresses.0, port: sport)
        destination = Endpoint(address: addresses.1, port: dport)
        isTCP = number == 6
        guard isTCP else {
            guard let length = body.u16(), body.u16() != nil else { return nil }
            payload = [UInt8](
                body.take(min(max(0, Int(length) - 8), body.left)) ?? .init(start: nil, count: 0))
            return
        }
        guard let number = body.u32(), body.u32() != nil, let words = body.u8(), let bits = body.u8() else {
            return nil
        }
        sequence = number
        flags = bits
        guard Int(words >> 4) * 4 >= 20, Int(words >> 4) * 4 <= rest.count else { return nil }
        payload = [UInt8](rest[(Int(words >> 4) * 4)...])
    }

    private typealias Found = (UInt8, (IPAddress, IPAddress), UnsafeRawBufferPointer)

    private static func readIPv4(_ reader: inout ByteReader) -> Found? {
        let start = reader.position
        guard let first = reader.u8(), reader.u8() != nil, let length = reader.u16(), reader.u16() != nil,
            let fragment = reader.u16(), fragment & 0x3fff == 0, reader.u8() != nil, let number = reader.u8(),
            reader.u16() != nil, let source = reader.u32(), let destination = reader.u32()
        else { return nil }
        let header = Int(first & 15) * 4
        // 0: the sender's card was to fill it in.
        let total = length == 0 ? reader.bytes.count - start : Int(length)
        reader.seek(start + header)
        let count = min(max(0, total - header), reader.left)
        guard let rest = reader.take(count) else { return nil }
        return (number, (IPAddress(v4: source), IPAddress(v4: destination)), rest)
    }

    private static func readIPv6(_ reader: inout ByteReader) -> Found? {
        guard reader.u32() != nil, let length = reader.u16(), let number = reader.u8(), reader.u8() != nil,
            let source = reader.take(16), let destination = reader.take(16),
            let from = IPAddress(bytes: source), let to = IPAddress(bytes: destination),
            let rest = reader.take(min(Int(length), reader.left))
        else { return nil }
        return (number, (from, to), rest)
    }
}

private struct FlowAssembler {
    private struct Key: Hashable {
        let client: Endpoint
        let server: Endpoint
        let isTCP: Bool
    }

    private struct Assembly {
        var flow: CaptureFlow
        var next: [UInt32?] = [nil, nil]
        var waiting: [[(sequence: UInt32, payload: [UInt8])]] = [[], []]
    }

    private var flows: [Assembly] = []
    private var places: [Key: Int] = [:]

    mutating func add(_ frame: UnsafeRawBufferPointer) {
        guard let segment = Segment(frame) else { return }
        let forward = Key(client: segment.source, server: segment.destination, isTCP: segment.isTCP)
        let backward = Key(client: segment.destination, server: segment.source, isTCP: segment.isTCP)
        let isOpening = segment.isTCP && segment.flags & 0x12 == 0x02
        let isAnswer = segment.isTCP && segment.flags & 0x12 == 0x12
        if isOpening, let place = places[forward], flows[place].next[0] != segment.sequence &+ 1 {
            places[forward] = nil
        }
        if let place = places[forward] {
            take(segment, place, .toServer)
        } else if let place = places[backward] {
            take(segment, place, .toClient)
        } else {
            let key = isAnswer ? backward : forward
            var flow = CaptureFlow(client: key.client, server: key.server)
            flow.conversation.isDatagrams = !segment.isTCP
            places[key] = flows.count
            flows.append(Assembly(flow: flow))
            take(segment, flows.count - 1, isAnswer ? .toClient : .toServer)
        }
    }

    private mutating func take(_ segment: Segment, _ place: Int, _ direction: FlowDirection) {
        guard segment.isTCP else {
            flows[place].flow.conversation.pieces.append(.bytes(direction, segment.payload))
            return
        }
        var sequence = segment.sequence
        if segment.flags & 2 != 0 {
            sequence &+= 1
            flows[place].next[direction] = sequence
        }
        guard !segment.payload.isEmpty else { return }
        if flows[place].next[direction] == nil { flows[place].next[direction] = sequence }
        flows[place].waiting[direction].append((sequence, segment.payload))
        deliver(place, direction)
    }

    /// Hands on what has no hole before it.
    private mutating func deliver(_ place: Int, _ direction: FlowDirection) {
        var moved = true
        while moved, let next = flows[place].next[direction] {
            moved = false
            for (index, segment) in flows[place].waiting[direction].enumerated() {
                let behind = Int(Int32(bitPattern: next &- segment.sequence))
                guard behind >= 0 else { continue }
                flows[place].waiting[direction].remove(at: index)
                moved = true
                if behind < segment.payload.count {
                    let fresh = Array(segment.payload[behind...])
                    flows[place].flow.conversation.pieces.append(.bytes(direction, fresh))
                    flows[place].next[direction] = next &+ UInt32(fresh.count)
                }
                break
            }
        }
    }

    /// What waits for a hole to be filled comes behind a gap.
    mutating func finish() -> [CaptureFlow] {
        for place in flows.indices {
            for direction in FlowDirection.allCases {
                while let first = flows[place].waiting[direction].min(by: {
                    Int32(bitPattern: $0.sequence &- $1.sequence) < 0
                }), let next = flows[place].next[direction] {
                    let gap = Int(Int32(bitPattern: first.sequence &- next))
                    flows[place].flow.conversation.pieces.append(.gap(direction, gap))
                    flows[place].next[direction] = first.sequence
                    deliver(place, direction)
                }
            }
        }
        return flows.map(\.flow)
    }
}
