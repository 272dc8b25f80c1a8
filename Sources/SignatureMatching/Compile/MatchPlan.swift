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

/// A signature that a literal stands for.
struct PatternUse: Sendable {
    var signature: UInt32
    /// The literal's first occurrence must end at or before this place of the buffer.
    var mostEnd: UInt32
}

/// A database and what its literals stand for.
struct Prefilter: Sendable {
    var view: Int
    var database: LiteralDatabase
    /// Uses of literal n: `uses[starts[n]..<starts[n + 1]]`.
    var starts: [UInt32]
    var uses: [PatternUse]
    /// No use wants a literal that ends behind this place of the buffer; UInt32.max: anywhere.
    var reach: UInt32

    /// How much of a buffer with `offset` bytes before it is worth a scan.
    func length(of count: Int, behind offset: UInt64) -> Int {
        guard reach != .max else { return count }
        return UInt64(reach) > offset ? min(count, Int(UInt64(reach) &- offset)) : 0
    }
}

/// Signatures without a literal that are tried on packets of one kind and direction, by port where that
/// tells them apart.
struct PortLists: Sendable {
    var anyPort: [UInt32] = []
    var byDestination: [UInt16: [UInt32]] = [:]
    var bySource: [UInt16: [UInt32]] = [:]

    /// A signature that names more ports than this is tried on all of them.
    private static let mostPorts = 256

    mutating func insert(_ number: UInt32, _ header: SignatureHeader) {
        if header.isBidirectional {
            anyPort.append(number)
        } else if let ports = PortLists.few(header.destinationPorts) {
            for port in ports { byDestination[port, default: []].append(number) }
        } else if let ports = PortLists.few(header.sourcePorts) {
            for port in ports { bySource[port, default: []].append(number) }
        } else {
            anyPort.append(number)
        }
    }

    private static func few(_ ports: IntervalSet<UInt16>) -> [UInt16]? {
        guard ports.ranges.reduce(0, { $0 + $1.count }) <= mostPorts else { return nil }
        return ports.ranges.flatMap { Array($0) }
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
    /// Indexes into `prefilters` by payload kind and direction.
    var payloadPrefilters: [[Int]] = []
    /// Indexes into `prefilters` by direction and `Buffer.number`.
    var bufferPrefilters: [[Int]] = []

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

    var databaseByteCount: Int { prefilters.reduce(0) { $0 + $1.database.byteCount } }
}
