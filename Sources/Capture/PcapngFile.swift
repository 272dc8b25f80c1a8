// SPDX-License-Identifier: Apache-2.0
// pcapng files. libpcap reads them too, but hides the interfaces' names and refuses interfaces that differ in
// link type or snap length, and policies match on names. In: an open file. Out: raw packets with their
// interface's name. Blocks: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html

import Glibc

/// A pcapng file, read block by block; no block is believed to be longer than it is.
final class PcapngFile {
    /// The longest block that is taken into memory, as in libpcap.
    private static let longestBlock = 16 << 20

    private let input: BufferedFile
    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
    private var isBigEndian = false
    private var interfaces: [PcapngInterface] = []
    private var lastTime: Int64 = 0

    /// Takes the file over; its first byte is known to be a section header's.
    init(_ input: BufferedFile) { self.input = input }

    deinit { buffer.deallocate() }

    private var file: UnsafeMutablePointer<FILE> { input.file }

    /// The next packet; nil at the file's end. Its bytes are valid until the next call.
    func next() throws(BrokenCapture) -> RawPacket? {
        while let type = try nextBlock() {
            switch type.number {
            case 0x0a0d_0d0a: interfaces = []
            case 1:
                guard let interface = PcapngInterface(body: type.body) else {
                    throw BrokenCapture(text: "an interface description block of \(type.body.count) bytes")
                }
                interfaces.append(interface)
            case 2: return try packet(type.body, interface: type.body.u16(0).map(Int.init))
            case 3: return try simplePacket(type.body)
            case 6: return try packet(type.body, interface: type.body.u32(0).map(Int.init))
            default: break
            }
        }
        return nil
    }

    // MARK: Packets

    /// An enhanced packet block, or the obsolete packet block: both have time, lengths and data at the same
    /// offsets.
    private func packet(_ body: PcapngBytes, interface index: Int?) throws(BrokenCapture) -> RawPacket {
        guard let index, let high = body.u32(4), let low = body.u32(8), let captured = body.u32(12),
            let original = body.u32(16), let data = body.slice(20, Int(captured))
        else { throw BrokenCapture(text: "the packet is longer than its block of \(body.count) bytes") }
        guard index < interfaces.count else {
            throw BrokenCapture(
                text: "interface \(index) is not among the \(interfaces.count) described before")
        }
        lastTime = interfaces[index].nanoseconds(UInt64(high) << 32 | UInt64(low))
        return raw(data, original, interfaces[index])
    }

    /// A simple packet block: of the section's first interface and without a time, so that it has the last
    /// packet's.
    private func simplePacket(_ body: PcapngBytes) throws(BrokenCapture) -> RawPacket {
        guard let interface = interfaces.first else {
            throw BrokenCapture(text: "a simple packet block before any interface description")
        }
        guard let original = body.u32(0) else {
            throw BrokenCapture(text: "a simple packet block of \(body.count) bytes")
        }
        let most = interface.snapLength == 0 ? Int(original) : min(Int(original), interface.snapLength)
        guard let data = body.slice(4, most) else {
            throw BrokenCapture(text: "the packet is longer than its block of \(body.count) bytes")
        }
        return raw(data, original, interface)
    }

    private func raw(_ data: UnsafeRawBufferPointer, _ original: UInt32, _ interface: PcapngInterface)
        -> RawPacket
    {
        RawPacket(
            data: data, originalLength: Int(original), timeNanoseconds: lastTime, interface: interface.name,
            linkType: interface.linkType)
    }

    // MARK: Blocks

    private struct Block {
        let number: UInt32
        let body: PcapngBytes
    }

    /// The next block's type and body; nil at the file's end.
    private func nextBlock() throws(BrokenCapture) -> Block? {
        let got = fread(buffer.baseAddress, 1, 8, file)
        if got == 0, ferror(file) == 0 { return nil }
        guard got == 8 else { throw ended() }
        // A section's byte order stands behind its length, and a section header's type is the same in both
        // orders.
        if buffer.loadUnaligned(as: UInt32.self) == 0x0a0d_0d0a { try readByteOrder() }
        let head = PcapngBytes(
            bytes: UnsafeRawBufferPointer(rebasing: buffer[..<12]), isBigEndian: isBigEndian)
        let (number, length) = (head.u32(0) ?? 0, Int(head.u32(4) ?? 0))
        let read = number == 0x0a0d_0d0a ? 12 : 8
        guard length >= read + 4, length.isMultiple(of: 4) else {
            throw BrokenCapture(text: "a block of \(length) bytes")
        }
        guard [1, 2, 3, 6].contains(number) else {
            try skip(length - read - 4)
            try checkTrailer(length)
            return Block(
                number: number, body: PcapngBytes(bytes: .init(start: nil, count: 0), isBigEndian: false))
        }
        guard length <= Self.longestBlock else {
            throw BrokenCapture(text: "a packet block of \(length) bytes")
        }
        let body = try take(length - 12)
        try checkTrailer(length)
        return Block(number: number, body: PcapngBytes(bytes: body, isBigEndian: isBigEndian))
    }

    private func readByteOrder() throws(BrokenCapture) {
        guard let rest = buffer.baseAddress?.advanced(by: 8), fread(rest, 1, 4, file) == 4 else {
            throw ended()
        }
        switch UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) {
        case 0x1a2b_3c4d: isBigEndian = false
        case 0x4d3c_2b1a: isBigEndian = true
        default: throw BrokenCapture(text: "a section header without pcapng's byte-order mark")
        }
    }

    /// Reads into the buffer, which grows as the bytes come: a length that lies costs no memory.
    private func take(_ count: Int) throws(BrokenCapture) -> UnsafeRawBufferPointer {
        var filled = 0
        while filled < count {
            if filled == buffer.count { grow() }
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<min(count, buffer.count)])
            guard fread(part.baseAddress, 1, part.count, file) == part.count else { throw ended() }
            filled += part.count
        }
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    private func grow() {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 8)
        larger.copyMemory(from: UnsafeRawBufferPointer(buffer))
        buffer.deallocate()
        buffer = larger
    }

    private func skip(_ count: Int) throws(BrokenCapture) {
        var left = count
        while left > 0 {
            let part = min(left, buffer.count)
            guard fread(buffer.baseAddress, 1, part, file) == part else { throw ended() }
            left -= part
        }
    }

    private func checkTrailer(_ length: Int) throws(BrokenCapture) {
        var trailer: UInt32 = 0
        guard fread(&trailer, 4, 1, file) == 1 else { throw ended() }
        let value = isBigEndian ? UInt32(bigEndian: trailer) : UInt32(littleEndian: trailer)
        guard Int(value) == length else {
            throw BrokenCapture(text: "a block whose lengths differ: \(length) before it, \(value) behind it")
        }
    }

    private func ended() -> BrokenCapture {
        BrokenCapture(text: ferror(file) == 0 ? "the file ends within a block" : "the file cannot be read on")
    }
}
