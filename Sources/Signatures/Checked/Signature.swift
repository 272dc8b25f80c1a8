// SPDX-License-Identifier: Apache-2.0
// The checked form of one signature: what the matcher executes. In: the checker, which has settled every
// meaning of the text. Out: plain values; names are numbers, buffers a closed list.
import Diagnostics
import NetworkTypes

/// What a signature asks for when it matches; `on-match` of the policy bounds it.
public enum SignatureAction: String, Sendable, CaseIterable {
    /// Report.
    case alert
    /// Report nothing, and stop: no later signature is tried on the packet (or flow, with app-layer rules).
    case pass
    /// Report and drop the packet, and with it the flow's later ones.
    case drop
    /// Drop and answer the sender; `rejectSource` in other words.
    case reject
    case rejectSource = "rejectsrc"
    case rejectDestination = "rejectdst"
    case rejectBoth = "rejectboth"
}

/// An external description of what a signature finds, as in ("cve", "2019-12260").
public struct SignatureReference: Hashable, Sendable {
    public let system: String
    public let id: String
}

/// A `key value` pair of `metadata`.
public struct SignatureMetadata: Hashable, Sendable {
    public let key: String
    public let value: String
}

/// Whose address is the victim's, for event output (`target:src_ip | dest_ip`).
public enum SignatureTarget: Sendable { case source, destination }

/// On what the `payload` buffer of a TCP signature runs. UDP and all else: always `packet`.
public enum PayloadScope: Sendable {
    /// Each packet's own payload: `tcp-pkt`, `flow:no_stream`, and beside a packet test such as `dsize`.
    case packet
    /// The reassembled stream: `tcp-stream`, `flow:only_stream`, and TCP without offset or depth.
    case stream
    /// Either is enough: TCP contents with `offset` or `depth`.
    case packetOrStream
}

/// One signature, checked. All of its parts must hold for it to match.
public struct Signature: Sendable {
    /// The generator: 1 where the text names none.
    public internal(set) var gid: UInt32 = 1
    /// The signature's number; unique together with `gid` within a `SignatureSet`.
    public internal(set) var sid: UInt32 = 0
    public internal(set) var rev: UInt32 = 0
    /// `msg`, unescaped; empty where there is none.
    public internal(set) var message = ""
    /// `classtype`'s short name, as in "trojan-activity"; nil where there is none.
    public internal(set) var classtype: String?
    /// `classtype`'s description, as in "A Network Trojan was detected"; empty without one (EVE's category).
    public internal(set) var category = ""
    /// 1 (gravest) to 255; by `priority`, else by `classtype`, else 3.
    public internal(set) var priority: UInt8 = 3
    public internal(set) var references: [SignatureReference] = []
    public internal(set) var metadata: [SignatureMetadata] = []
    public internal(set) var target: SignatureTarget?
    public internal(set) var action = SignatureAction.alert
    public internal(set) var header = SignatureHeader()
    public internal(set) var flow = FlowConditions()
    public internal(set) var payloadScope = PayloadScope.packet

    /// Tests of the packet's headers, cheapest first; all must hold for the very packet that matches.
    public internal(set) var packetTests: [PacketTest] = []
    /// Tests of a transaction or of the flow's protocol that are no bytes.
    public internal(set) var protocolTests: [ProtocolTest] = []
    /// Buffers to inspect; all must hold. Those of one transaction are inspected within the same one.
    public internal(set) var matches: [BufferMatches] = []
    /// What must hold of remembered bits and counters, in the order written.
    public internal(set) var stateTests: [StateTest] = []
    /// What a match does to remembered bits and counters, in the order written.
    public internal(set) var stateChanges: [StateChange] = []
    /// The content that the prefilter looks for; nil: the signature has none that must be there.
    public internal(set) var fastPattern: FastPattern?
    /// Slots of numbers that `byte_extract` and `byte_math` fill: 0 to `SignatureLimits.variables`.
    public internal(set) var variableCount = 0

    /// At most `count` events in `seconds`, or one each `count`.
    public internal(set) var threshold: Threshold?
    /// Only from the `count`+1st match within `seconds` on.
    public internal(set) var detectionFilter: DetectionFilter?
    /// False with `noalert`: matches change state, and drop where they ask for it, but report nothing.
    public internal(set) var isReported = true
    /// `bypass`: the rest of the flow needs no inspection.
    public internal(set) var bypassesFlow = false

    /// Where its text stands.
    public internal(set) var range: SourceRange

    init(range: SourceRange) { self.range = range }

    /// The signature as it was written, continuation lines and all.
    public var text: String {
        String(
            decoding: range.source.bytes[range.start..<min(range.end, range.source.bytes.count)],
            as: UTF8.self)
    }
}

/// Bounds of what one signature may hold; beyond them it is an error of its text.
public enum SignatureLimits {
    /// Bytes of one signature's text.
    public static let textBytes = 65_536
    /// Options of one signature.
    public static let options = 512
    /// Bytes of one content.
    public static let contentBytes = 8_192
    /// Slots of `byte_extract` and `byte_math`.
    public static let variables = 32
    /// Diagnostics kept of one load; further ones are counted.
    public static let diagnostics = 100_000
}
