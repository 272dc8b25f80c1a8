// SPDX-License-Identifier: Apache-2.0
// Step "sample": what the firewall hands to the inspector. In: a frame as XDP sampled it, or as a capture
// holds it. Out: the same for either, with the inspector that the rule asked for.
import NetworkTypes

/// One sampled packet.
public struct InspectionSample {
    /// The frame from its Ethernet header on, as far as it was sampled; only read during the call that takes
    /// the sample.
    public var frame: UnsafeRawBufferPointer
    /// Nanoseconds: since 1970-01-01T00:00Z by the clock of the capture, or on a clock of the host that
    /// nobody sets, beside `PayloadInspector.wallOffset`.
    public var timeNanoseconds: Int64
    /// Position of the rule in the plan's `rules`: the one whose `inspect:` holds for the packet's flow.
    public var rule: UInt32
    /// Position of the inspector in the plan's `inspectors`.
    public var inspector: UInt32
    /// The frame was longer than what was sampled of it.
    public var isCutShort = false
    /// This host sent the packet: the other side is its destination.
    public var isOutbound: Bool
    /// The packet's number in its capture, from 1; 0 where it comes from a live interface.
    public var packetNumber: UInt64
    /// The link layer of which the packet came, as a LINKTYPE_ number; 1 is Ethernet.
    public var linkType: Int32 = 1
    /// The link layer's own header, where `frame` has a made one; only read during the call.
    public var linkHeader: UnsafeRawBufferPointer?

    public init(
        frame: UnsafeRawBufferPointer, timeNanoseconds: Int64, rule: UInt32, inspector: UInt32,
        isOutbound: Bool = false, packetNumber: UInt64 = 0
    ) {
        self.frame = frame
        self.timeNanoseconds = timeNanoseconds
        self.rule = rule
        self.inspector = inspector
        self.isOutbound = isOutbound
        self.packetNumber = packetNumber
    }
}
