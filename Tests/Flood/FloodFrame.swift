// SPDX-License-Identifier: Apache-2.0
// One frame whose ends, length and flags are written anew for each packet of a flood: nothing is allocated
// while it runs. In: what a packet says. Out: its bytes.
import NativeDatapath

/// UDP or TCP between this host and others. Released with this object.
final class FloodFrame {
    /// This host, in IPv4.
    static let host: UInt32 = 0xc633_6401
    /// Where the /64s of IPv6 sources begin: 2001:db8::/32.
    private static let documentation: UInt64 = 0x2001_0db8 << 32

    /// The L4 protocol.
    enum Kind: UInt8 { case tcp = 6, udp = 17 }

    private let buffer: UnsafeMutableRawBufferPointer
    private let kind: Kind
    private let isSent: Bool
    private let isIPv6: Bool
    /// Bytes of the frame.
    private(set) var length: Int

    private var transport: Int { isIPv6 ? 54 : 34 }
    /// Bytes of the IP packet.
    var packetLength: Int { length - 14 }

    /// - Parameters:
    ///   - isSent: from this host; else to it.
    ///   - packetLength: bytes of the IP packet, at most 1500.
    init(_ kind: Kind, isSent: Bool = false, isIPv6: Bool = false, packetLength: Int = 64) {
        (self.kind, self.isSent, self.isIPv6) = (kind, isSent, isIPv6)
        buffer = .allocate(byteCount: 1514, alignment: 8)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        length = 0
        if isIPv6 {
            store(UInt16(0x86dd), at: 12)
            store(UInt8(0x60), at: 14)
            store(kind.rawValue, at: 20)
            store(UInt8(64), at: 21)
            store(Self.documentation, at: isSent ? 22 : 38)
            store(UInt64(1), at: isSent ? 30 : 46)
            store(UInt64(2), at: isSent ? 46 : 30)
        } else {
            store(UInt16(0x0800), at: 12)
            store(UInt8(0x45), at: 14)
            store(UInt8(64), at: 22)
            store(kind.rawValue, at: 23)
            store(Self.host, at: isSent ? 26 : 30)
        }
        if kind == .tcp { store(UInt8(0x50), at: transport + 12) }
        setLength(packetLength)
    }

    deinit { buffer.deallocate() }

    /// - Parameter packetLength: bytes of the IP packet, at most 1500.
    func setLength(_ packetLength: Int) {
        length = packetLength + 14
        if isIPv6 {
            store(UInt16(packetLength - 40), at: 18)
        } else {
            store(UInt16(packetLength), at: 16)
        }
        if kind == .udp { store(UInt16(length - transport), at: transport + 4) }
    }

    /// The other side: an IPv4 address, or a /64 of 2001:db8::/32.
    func setRemote(_ remote: UInt32) {
        if isIPv6 {
            store(Self.documentation | UInt64(remote), at: isSent ? 38 : 22)
        } else {
            store(remote, at: isSent ? 30 : 26)
        }
    }

    /// Ports of the other side and of this host.
    func setPorts(remote: UInt16, local: UInt16) {
        store(isSent ? local : remote, at: transport)
        store(isSent ? remote : local, at: transport + 2)
    }

    /// A TCP segment's flags and numbers.
    func setSegment(flags: UInt8, sequence: UInt32 = 0, acknowledged: UInt32 = 0) {
        store(sequence, at: transport + 4)
        store(acknowledged, at: transport + 8)
        store(flags, at: transport + 13)
    }

    /// As the C side takes it, while this object lives.
    var native: native_frame {
        native_frame(bytes: UnsafeRawPointer(buffer.baseAddress), length: UInt32(length), linear: .max)
    }

    private func store<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, at offset: Int) {
        buffer.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
    }
}
