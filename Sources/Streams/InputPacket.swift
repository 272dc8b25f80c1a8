// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams, the way in: one IP packet as a sample or a capture brings it.

/// An IP packet to follow. Its bytes are only read during the call that it is given to.
public struct InputPacket {
    /// From the IP header on; bytes behind the packet's own length (a frame's padding) are ignored.
    public var bytes: UnsafeRawBufferPointer
    /// Nanoseconds since 1970-01-01T00:00Z. A time before the last one counts as the last one.
    public var time: Int64
    /// The packet's number in its capture or since start, from 1; handed on as it is.
    public var number: UInt64 = 0
    /// The policy rule that the packet was sampled for; handed on as it is.
    public var ruleTag: UInt32 = 0
    /// The frame's length in bytes with its link header, which a flow's byte counts add up.
    public var frameLength: Int
    /// Outer and inner VLAN id, 1 to 4094; 0 is none. Flows of different ids are different flows.
    public var vlan: UInt16 = 0
    public var innerVLAN: UInt16 = 0
    /// The tunnel whose packets are told apart from all others, as its caller numbers them; 0 is none. Equal
    /// addresses and ports in different ones are different flows.
    public var tunnel: UInt64 = 0
    /// This host sent it: its checksums may stand open still for the network card, so none is verified.
    public var isSentByHost = false
    /// The capture or sample holds less than the frame had. What is there is used and the rest is a gap; a
    /// packet that lies about its length without this is refused, as every host's stack does.
    public var isCutShort = false

    public init(bytes: UnsafeRawBufferPointer, time: Int64, frameLength: Int? = nil) {
        self.bytes = bytes
        self.time = time
        self.frameLength = frameLength ?? bytes.count
    }
}
