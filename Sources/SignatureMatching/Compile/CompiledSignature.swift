// SPDX-License-Identifier: Apache-2.0
// One signature as the matcher runs it: where it is tried, what is compared first, and its chains.

import NetworkTypes
import Signatures

/// A buffer and what is done to it first; each is made once for a buffer's bytes, whoever looks at it.
struct BufferView: Hashable, Sendable {
    var buffer: Buffer
    var transforms: [Transform]
}

/// One chain and the view that it runs on.
struct CompiledGroup: Sendable {
    /// Index into `MatchPlan.views`.
    var view: Int
    var buffer: Buffer
    var isTransformed: Bool
    var steps: [Step]
    /// It cannot be answered before the buffer is complete.
    var needsWholeBuffer: Bool
    /// It also holds where the buffer is not there.
    var holdsWithoutBuffer: Bool
}

/// Where a signature is tried.
enum Habitat: Sendable {
    /// Addresses alone: once for each direction of a flow.
    case addresses
    /// The flow's recognised protocol alone, by a keyword: once for each direction.
    case recognition
    /// The flow's recognised protocol alone, by the header's word: each packet of the flow from there on.
    case application
    /// Each packet.
    case packet
    /// The stream, and TCP packets that no stream took.
    case stream
    /// Either.
    case packetOrStream
    /// Transactions.
    case transaction
}

/// What the cheapest comparison of a candidate needs, in one place: most candidates end here.
struct Gate: Sendable {
    var toServer: Bool
    var toClient: Bool
    /// Neither transport nor family, address nor port is restricted beyond what is below.
    var application: ApplicationProtocol?
    /// One range that holds all of the signature's ports; exact where there is but one range.
    var sourcePorts: ClosedRange<UInt16>
    var destinationPorts: ClosedRange<UInt16>

    init(_ signature: Signature) {
        let header = signature.header
        toServer = signature.flow.toServer
        toClient = signature.flow.toClient
        application = header.application
        sourcePorts = Gate.hull(header.isBidirectional ? .all : header.sourcePorts)
        destinationPorts = Gate.hull(header.isBidirectional ? .all : header.destinationPorts)
    }

    private static func hull(_ ports: IntervalSet<UInt16>) -> ClosedRange<UInt16> {
        guard let first = ports.ranges.first, let last = ports.ranges.last else { return 0...0 }
        return first.lowerBound...last.upperBound
    }

    /// What does not change as long as the flow lives.
    @inline(__always) func admitsPorts(_ header: PacketHeader) -> Bool {
        (header.direction == .toServer ? toServer : toClient) && sourcePorts.contains(header.sourcePort)
            && destinationPorts.contains(header.destinationPort)
    }

    /// Whether the signature may match this packet.
    @inline(__always) func admits(_ header: PacketHeader, _ known: ApplicationProtocol?) -> Bool {
        guard admitsPorts(header) else { return false }
        guard let application else { return true }
        guard let known else { return false }
        return application.includes(known)
    }
}

/// A signature made ready.
final class CompiledSignature: Sendable {
    let signature: Signature
    let habitat: Habitat
    let groups: [CompiledGroup]
    // What every candidate is compared with, taken out: a copy of the whole signature for each of them
    // would cost more than the comparison.
    let header: SignatureHeader
    let flow: FlowConditions
    let packetTests: [PacketTest]
    let protocolTests: [ProtocolTest]
    let stateTests: [StateTest]
    let variableCount: Int
    /// As a `pass` it lets through the whole flow: it was found in the stream or a transaction, or asks for
    /// nothing that a single packet has.
    let passesFlow: Bool
    /// Its tests are only answered by a transaction that is complete.
    let needsWholeTransaction: Bool
    /// It looks at what a protocol's parser reports.
    let testsEvents: Bool

    init(_ signature: Signature, habitat: Habitat, groups: [CompiledGroup]) {
        self.signature = signature
        self.habitat = habitat
        self.groups = groups
        header = signature.header
        flow = signature.flow
        packetTests = signature.packetTests
        protocolTests = signature.protocolTests
        stateTests = signature.stateTests
        variableCount = signature.variableCount
        passesFlow =
            habitat != .packet
            || signature.matches.isEmpty && signature.packetTests.isEmpty && signature.flow.state == .any
        needsWholeTransaction = groups.allSatisfy(\.holdsWithoutBuffer) && !groups.isEmpty
        testsEvents = signature.protocolTests.contains {
            if case .event = $0 { return true }
            return false
        }
    }
}

extension Habitat {
    init(of signature: Signature) {
        if signature.needsTransaction {
            self = .transaction
        } else if signature.matches.contains(where: { $0.buffer == .payload }) {
            switch signature.payloadScope {
            case .packet: self = .packet
            case .stream: self = .stream
            case .packetOrStream: self = .packetOrStream
            }
        } else if !signature.matches.isEmpty || signature.hasPacketConditions {
            self = .packet
        } else if signature.header.application != nil {
            self = .application
        } else if !signature.protocolTests.isEmpty {
            self = .recognition
        } else {
            self = signature.isAddressesOnly ? .addresses : .packet
        }
    }
}

extension Signature {
    /// The IP protocols of packets that it may match: its header's, less those that its tests refuse.
    var transports: TransportProtocols {
        packetTests.reduce(header.transports) { transports, test in
            if case .transports(let wanted) = test { transports.intersection(wanted) } else { transports }
        }
    }

    /// A buffer or a test of it is part of a transaction.
    fileprivate var needsTransaction: Bool {
        matches.contains { $0.buffer.owner != nil } || protocolTests.contains(where: \.isOfTransaction)
    }

    fileprivate var hasPacketConditions: Bool {
        let streamSizes = protocolTests.contains {
            if case .streamSize = $0 { return true }
            return false
        }
        return !packetTests.isEmpty || streamSizes || flow.isReassembled != nil
    }

    /// Nothing but addresses is asked for, so that one look in each direction is enough.
    fileprivate var isAddressesOnly: Bool {
        header.sourcePorts.isAll && header.destinationPorts.isAll && flow.state == .any && !flow.hasDirection
            && stateTests.isEmpty
    }
}

extension ProtocolTest {
    /// It looks at a transaction's fields.
    var isOfTransaction: Bool {
        switch self {
        case .application, .streamSize: false
        case .dnsOpcode, .dnsRcode, .dnsRRType, .tlsVersion, .tlsState, .sshVersion, .event: true
        }
    }
}
