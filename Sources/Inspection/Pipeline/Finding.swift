// SPDX-License-Identifier: Apache-2.0
// What the inspector asks of the firewall: nothing but an alert, a dropped flow, or a ban. The controller
// checks it and carries it out; nothing here does.
import NetworkTypes
import Signatures

/// A flow's two ends, as its first sampled packet had them.
public struct FlowTuple: Hashable, Sendable {
    public var proto: IPProtocol
    public var source: IPAddress
    /// In host order; 0 for protocols without ports.
    public var sourcePort: UInt16
    public var destination: IPAddress
    public var destinationPort: UInt16

    public init(
        proto: IPProtocol, source: IPAddress, sourcePort: UInt16, destination: IPAddress,
        destinationPort: UInt16
    ) {
        self.proto = proto
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
    }
}

/// A signature's identity.
public struct SignatureID: Hashable, Sendable {
    /// The generator: 1 where a signature does not say.
    public var generator: UInt32
    public var sid: UInt32
    public var revision: UInt32

    public init(generator: UInt32, sid: UInt32, revision: UInt32) {
        self.generator = generator
        self.sid = sid
        self.revision = revision
    }

    init(_ signature: Signature) {
        self.init(generator: signature.gid, sid: signature.sid, revision: signature.rev)
    }
}

/// A match, and what is to be done for it.
public struct Finding: Hashable, Sendable {
    /// What is to be done. Lifetimes are in nanoseconds from the packet's time.
    public enum Response: Hashable, Sendable {
        /// Nothing but the event.
        case alert
        /// The flow's packets of both directions are dropped.
        case dropFlow(FlowTuple, nanoseconds: Int64)
        /// All packets from the address are dropped.
        case ban(IPAddress, nanoseconds: Int64)
    }

    /// What matched.
    public enum Cause: Hashable, Sendable {
        case signature(SignatureID)
        /// The detector's name of a protocol that the inspector forbids.
        case protocolName(String)
    }

    public var response: Response
    public var cause: Cause
    /// The flow that it was found in, which shows that a ban is of somebody who was seen: what is of no flow
    /// is an alert, and no finding.
    public var flow: FlowTuple?
    /// Position of the rule in the plan's `rules`.
    public var rule: UInt32
    /// Position of the inspector in the plan's `inspectors`.
    public var inspector: UInt32
    /// The time of the packet that it was found in, on the samples' clock.
    public var timeNanoseconds: Int64

    /// How long a flow stays dropped: longer than a TCP sender retries a segment (RFC 9293 3.8.3).
    public static let flowDropNanoseconds: Int64 = 15 * 60 * 1_000_000_000

    public init(
        _ response: Response, cause: Cause, rule: UInt32, inspector: UInt32, timeNanoseconds: Int64
    ) {
        self.response = response
        self.cause = cause
        self.rule = rule
        self.inspector = inspector
        self.timeNanoseconds = timeNanoseconds
    }
}
