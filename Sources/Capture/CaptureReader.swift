// SPDX-License-Identifier: Apache-2.0
// Captures as a sequence of Ethernet frames. In: the path of a pcap or pcapng file, or "-" for standard
// input. Out: one CapturedFrame after the other, with the capture's own time, lengths and interface names.

import Glibc

/// Reads a capture of Ethernet, raw IP, Linux cooked (v1, v2), PPP, Cisco HDLC or loopback frames, one frame
/// at a time.
public struct CaptureReader: ~Copyable {
    private enum Source {
        case pcap(PcapFile)
        case pcapng(PcapngFile)

        func next() throws(BrokenCapture) -> RawPacket? {
            switch self {
            case .pcap(let file): try file.next()
            case .pcapng(let file): try file.next()
            }
        }
    }

    private let path: String
    private let source: Source
    private var packets = 0
    /// A failed reader stays failed: what follows broken bytes is not to be believed.
    private var failure: CaptureError?
    /// Frames with a made Ethernet header. No memory before the first of them: where opening throws, deinit
    /// does not run.
    private var scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Opens a capture; `path` "-" is standard input.
    public init(path: String) throws(CaptureError) {
        self.path = path
        guard let file = path == "-" ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "r") else {
            throw .missing(path: path, errno: errno)
        }
        let input = BufferedFile(file)
        errno = 0
        let first = getc(file)
        guard first != EOF else {
            // Closing may set it.
            let number = withExtendedLifetime(input) { errno }
            guard number == 0 else { throw .missing(path: path, errno: number) }
            throw .broken(path: path, packet: 0, text: "the file is empty")
        }
        // One byte tells the formats apart, and one byte is what ungetc can put back: no pcap file begins
        // with 0x0a.
        ungetc(first, file)
        do throws(BrokenCapture) {
            source = first == 0x0a ? .pcapng(PcapngFile(input)) : .pcap(try PcapFile(input))
        } catch {
            let text = first == 0x1f ? "the file is compressed, unpack it first" : error.text
            throw .broken(path: path, packet: 0, text: text)
        }
    }

    deinit { scratch.deallocate() }

    /// The next frame; nil at the capture's end. The frame's bytes are valid until the next call.
    public mutating func next() throws(CaptureError) -> CapturedFrame? {
        if let failure { throw failure }
        do throws(CaptureError) {
            return try read()
        } catch {
            failure = error
            throw error
        }
    }

    private mutating func read() throws(CaptureError) -> CapturedFrame? {
        let next: RawPacket?
        do throws(BrokenCapture) { next = try source.next() } catch {
            throw .broken(path: path, packet: packets + 1, text: error.text)
        }
        guard let packet = next else { return nil }
        packets += 1
        guard let link = LinkLayer(linkType: packet.linkType) else {
            throw .unsupportedLinkType(path: path, packet: packets, name: LinkLayer.name(packet.linkType))
        }
        var frame = CapturedFrame(
            bytes: ethernet(packet.data, link), capturedLength: packet.data.count,
            originalLength: packet.originalLength, timeNanoseconds: packet.timeNanoseconds,
            interface: packet.interface, number: packets)
        frame.linkType = packet.linkType
        if case .ethernet = link { return frame }
        let length = min(link.headerLength(packet.data), packet.data.count)
        frame.linkHeader = UnsafeRawBufferPointer(rebasing: packet.data[..<length])
        return frame
    }

    private mutating func ethernet(_ data: UnsafeRawBufferPointer, _ link: LinkLayer)
        -> UnsafeRawBufferPointer
    {
        if case .ethernet = link { return data }
        let headerLength = link.headerLength(data)
        guard data.count >= headerLength else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let payload = UnsafeRawBufferPointer(rebasing: data[headerLength...])
        let count = 14 + payload.count
        if scratch.count < count {
            scratch.deallocate()
            scratch = .allocate(byteCount: max(count, 2048, 2 * scratch.count), alignment: 8)
        }
        // Locally administered addresses, which no vendor has.
        scratch.copyBytes(from: [0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02] as [UInt8])
        scratch.storeBytes(of: link.ethertype(data).bigEndian, toByteOffset: 12, as: UInt16.self)
        UnsafeMutableRawBufferPointer(rebasing: scratch[14..<count]).copyMemory(from: payload)
        return UnsafeRawBufferPointer(rebasing: scratch[..<count])
    }
}
