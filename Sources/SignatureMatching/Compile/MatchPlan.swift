// SPDX-License-Identifier: Apache-2.0
// How candidates are found: a literal database for each kind of bytes, and lists of the signatures that
// have no literal, by port or by buffer.

import NetworkTypes
import Signatures

/// Kinds of payload, each with its own database: a packet's payload is scanned for what may stand in it
/// alone.
enum PayloadKind: Int, CaseIterable, Sendable {
    case tcpPacket, tcpStream, udp, icmp, other

    /// The kind of a packet's payload.
    init(_ transport: IPProtocol) {
        switch transport {
        case .tcp: self = .tcpPacket
        case .udp: self = .udp
        case .icmp, .icmpv6: self = .icmp
        default: self = .other
        }
    }

    /// Whether any transport of a signature is of this kind.
    func isMeant(by transports: TransportProtocols) -> Bool {
        switch self {
        case .tcpPacket, .tcpStream: transports.contains(.tcp)
        case .udp: transports.contains(.udp)
        case .icmp: transports.contains(.icmp) || transports.contains(.icmpv6)
        case .other:
            (0...UInt8.max).contains { number in
                let proto = IPProtocol(rawValue: number)
                return PayloadKind(proto) == .other && transports.contains(proto)
            }
        }
    }
}

/// Of which bytes a literal's user wants to know that it is there.
struct UsePlaces: OptionSet, Sendable {
    let rawValue: UInt8

    /// A packet's own payload, or a transaction's buffer.
    static let packet = UsePlaces(rawValue: 1)
    /// A TCP stream, and packets that no stream took.
    static let stream = UsePlaces(rawValue: 2)
}

/// A signature that a literal stands for.
struct PatternUse: Sendable {
    var signature: UInt32
    /// The literal's first occurrence must end at or before this place of the buffer.
    var mostEnd: UInt32
    var places = UsePlaces.packet
}

/// What literals stand for, in memory that is read without counting references.
final class PatternUses: @unchecked Sendable {
    private let starts: UnsafeMutableBufferPointer<UInt32>
    private let uses: UnsafeMutableBufferPointer<PatternUse>

    /// - Parameter starts: uses of literal n are `uses[starts[n]..<starts[n + 1]]`.
    init(starts: [UInt32], uses: [PatternUse]) {
        self.starts = .allocate(capacity: starts.count)
        _ = self.starts.initialize(from: starts)
        self.uses = .allocate(capacity: uses.count)
        _ = self.uses.initialize(from: uses)
    }

    deinit {
        starts.deallocate()
        uses.deallocate()
    }

    var count: Int { uses.count }

    @inline(__always) subscript(literal: Int) -> Slice<UnsafeMutableBufferPointer<PatternUse>> {
        uses[Int(starts[literal])..<Int(starts[literal &+ 1])]
    }
}

/// Finds literals in one kind of bytes, and says what they stand for.
final class Prefilter: Sendable {
    let view: Int
    /// Nil where all its literals are fixed ones.
    let database: LiteralDatabase?
    let fixed: FixedLiterals
    let uses: PatternUses
    /// No use wants a literal of the database that ends behind this place of the buffer; UInt32.max:
    /// anywhere.
    let reach: UInt32
    /// The length of the database's longest literal.
    let longest: Int

    init(
        view: Int, database: LiteralDatabase?, literals: (fixed: FixedLiterals, longest: Int),
        uses: (all: PatternUses, reach: UInt32)
    ) {
        self.view = view
        self.database = database
        (fixed, longest) = literals
        (self.uses, reach) = (uses.all, uses.reach)
    }

    /// How much of a buffer with `offset` bytes before it is worth a scan.
    @inline(__always) func length(of count: Int, behind offset: UInt64) -> Int {
        guard reach != .max else { return count }
        return UInt64(reach) > offset ? min(count, Int(UInt64(reach) &- offset)) : 0
    }
}

/// Signatures without a literal that are tried on packets of one kind and direction, by port where that
/// tells them apart.
struct PortLists: Sendable {
    private(set) var isEmpty = true
    private(set) var anyPort: [UInt32] = []
    private(set) var byDestination = PortTable()
    private(set) var bySource = PortTable()

    /// A signature that names more ports than this is tried on all of them.
    private static let mostPorts = 256

    mutating func insert(_ number: UInt32, _ header: SignatureHeader) {
        isEmpty = false
        let destinations = PortLists.few(header.destinationPorts)
        if let ports = destinations ?? PortLists.few(header.sourcePorts) {
            for port in ports {
                if destinations != nil || header.isBidirectional { byDestination.append(number, to: port) }
                if destinations == nil || header.isBidirectional { bySource.append(number, to: port) }
            }
        } else {
            anyPort.append(number)
        }
    }

    private static func few(_ ports: IntervalSet<UInt16>) -> [UInt16]? {
        guard ports.ranges.reduce(0, { $0 + $1.count }) <= mostPorts else { return nil }
        return ports.ranges.flatMap { Array($0) }
    }
}

/// Lists by port, of which there are few.
struct PortTable: Sendable {
    private var ports: [UInt16] = []
    private var lists: [[UInt32]] = []

    mutating func append(_ number: UInt32, to port: UInt16) {
        let place = place(of: port)
        if place == ports.count || ports[place] != port {
            ports.insert(port, at: place)
            lists.insert([], at: place)
        }
        lists[place].append(number)
    }

    /// Nil where nothing is for that port.
    func list(of port: UInt16) -> [UInt32]? {
        guard !ports.isEmpty else { return nil }
        let place = place(of: port)
        return place < ports.count && ports[place] == port ? lists[place] : nil
    }

    /// The first place whose port is not below.
    private func place(of port: UInt16) -> Int {
        var (low, high) = (0, ports.count)
        while low < high {
            let middle = (low + high) / 2
            if ports[middle] < port { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Everything that finds candidates. Immutable.
struct MatchPlan: Sendable {
    var signatures: [CompiledSignature] = []
    var gates: [Gate] = []
    var views: [BufferView] = []
    /// By `Buffer.number`.
    var wantsBuffer: [Bool] = Array(repeating: false, count: Buffer.allCases.count)

    var prefilters: [Prefilter] = []
    /// By payload kind and direction; TCP's packets and streams have the same ones.
    var payloadPrefilters: [[Prefilter]] = []
    /// By direction and `Buffer.number`.
    var bufferPrefilters: [[Prefilter]] = []

    /// By payload kind and direction.
    var packetLists: [PortLists] = []
    /// Tried where the buffer is there, by direction and `Buffer.number`.
    var bufferLists: [[UInt32]] = []
    /// Tried on each transaction, by direction: they look at no buffer that must be there.
    var transactionLists: [[UInt32]] = [[], []]
    var addressLists: [[UInt32]] = [[], []]
    var recognitionLists: [[UInt32]] = [[], []]

    static func slot(_ kind: PayloadKind, _ direction: FlowDirection) -> Int {
        kind.rawValue * 2 + Int(direction.rawValue)
    }

    static func slot(_ buffer: Buffer, _ direction: FlowDirection) -> Int {
        buffer.number * 2 + Int(direction.rawValue)
    }

    var databaseByteCount: Int { prefilters.reduce(0) { $0 + ($1.database?.byteCount ?? 0) } }
}
