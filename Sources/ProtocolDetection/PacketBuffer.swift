// SPDX-License-Identifier: Apache-2.0
// Where nDPI sees packets: a buffer of ours with nothing but zeros behind the packet, so that a dissector
// that reads too far finds the same each time and never another flow's bytes. In: a checked packet. Out: its
// copy.

/// A buffer for the one packet that nDPI looks at.
struct PacketBuffer: ~Copyable {
    /// The longest packet, and as much again: offsets inside a packet are 16 bits wide.
    private static let capacity = 2 * 65_536
    private let bytes: UnsafeMutableRawBufferPointer
    /// Bytes from here on are zero.
    private var used = 0

    init() {
        bytes = .allocate(byteCount: Self.capacity, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }

    /// The copy of a packet of at most 65,535 bytes; valid until the next call.
    mutating func hold(_ packet: UnsafeRawBufferPointer) -> UnsafePointer<UInt8>? {
        let count = min(packet.count, 0xffff)
        bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: packet[..<count]))
        if used > count {
            UnsafeMutableRawBufferPointer(rebasing: bytes[count..<used])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
        used = count
        return UnsafePointer(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
}
