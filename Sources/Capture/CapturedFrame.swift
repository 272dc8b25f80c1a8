// SPDX-License-Identifier: Apache-2.0
// One packet of a capture, as Ethernet.

/// A packet as a capture holds it. Link layers other than Ethernet have got a made Ethernet header in
/// `bytes`.
public struct CapturedFrame {
    /// The frame from its Ethernet header on, as far as it was captured; valid until the reader's next call.
    /// Empty where the capture holds less than the link layer's own header.
    public let bytes: UnsafeRawBufferPointer
    /// Bytes of the frame that the capture holds, and that the frame had, both with its own link header.
    public let capturedLength: Int
    public let originalLength: Int
    /// Nanoseconds since 1970-01-01T00:00Z.
    public let timeNanoseconds: Int64
    /// pcapng's if_name; nil where the capture does not say, as in pcap files.
    public var interface: String?
    /// The packet's number in the capture, from 1.
    public let number: Int
    /// The capture's LINKTYPE_ number (https://www.tcpdump.org/linktypes.html); 1 is Ethernet.
    public var linkType: Int32 = 1
    /// The link layer's own header, where `bytes` have a made one; valid as long as they are.
    public var linkHeader: UnsafeRawBufferPointer?

    /// - Parameter bytes: the Ethernet frame; they must outlive this value.
    public init(
        bytes: UnsafeRawBufferPointer, capturedLength: Int? = nil, originalLength: Int,
        timeNanoseconds: Int64, interface: String?, number: Int
    ) {
        self.bytes = bytes
        self.capturedLength = capturedLength ?? bytes.count
        self.originalLength = originalLength
        self.timeNanoseconds = timeNanoseconds
        self.interface = interface
        self.number = number
    }
}

/// A packet as a file format gives it; `data` begins with the link layer's own header.
struct RawPacket {
    var data: UnsafeRawBufferPointer
    var originalLength: Int
    var timeNanoseconds: Int64
    var interface: String?
    /// The LINKTYPE_ number of the file format.
    var linkType: Int32
}

/// Why a file cannot be read on, before path and packet number are known.
struct BrokenCapture: Error {
    let text: String
}
