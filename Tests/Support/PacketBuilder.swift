// SPDX-License-Identifier: Apache-2.0
// Frames for tests: ordinary ones from packet text, odd ones by changing a part of an ordinary one.
// In: packet text and knobs. Out: the bytes of an Ethernet frame.

import NetworkTypes

/// The frame of a packet in text; throws where the text is wrong.
public func frame(_ text: String) throws -> [UInt8] {
    try PacketDescription(parsing: text).frame()
}

/// An ordinary frame taken into its parts. Each part can be changed; `bytes` puts them together with right
/// lengths, next headers and IPv4 checksum, where no knob says otherwise. L4 checksums stay those of the
/// ordinary frame.
public struct PacketBuilder: Sendable {
    /// A VLAN tag as it stands in the frame.
    public struct Tag: Sendable {
        public var ethertype: UInt16
        /// Priority, drop bit and id.
        public var control: UInt16
        public init(_ control: UInt16, ethertype: UInt16 = 0x8100) {
            self.control = control
            self.ethertype = ethertype
        }
    }

    /// An IPv6 extension header: its number and its bytes from the second on (the first is the next header).
    public struct Extension: Sendable {
        public var number: UInt8
        public var rest: [UInt8]
        public init(_ number: UInt8, rest: [UInt8]) {
            self.number = number
            self.rest = rest
        }

        /// An options-like header (hop-by-hop, routing, destination, …) of `units` x 8 more bytes, padded
        /// with zeros.
        public static func plain(_ number: UInt8, units: UInt8 = 0, routingType: UInt8 = 0) -> Extension {
            let size = 6 + 8 * Int(units)
            let body: [UInt8] = number == 43 ? [routingType] : [1]
            return Extension(number, rest: [units] + body + [UInt8](repeating: 0, count: size - 1))
        }

        /// A fragment header; `offset` in 8-byte units.
        public static func fragment(offset: UInt16, more: Bool, id: UInt8 = 1) -> Extension {
            let field = offset << 3 | (more ? 1 : 0)
            return Extension(44, rest: [0, UInt8(field >> 8), UInt8(field & 255), 0, 0, 0, id])
        }

        /// An authentication header of `words` 4-byte words beyond its first two.
        public static func authentication(words: UInt8 = 1) -> Extension {
            Extension(51, rest: [words] + [UInt8](repeating: 0, count: 2 + 4 * (Int(words) + 1)))
        }
    }

    public var tags: [Tag] = []
    /// The ethertype behind the tags.
    public var ethertype: UInt16
    /// 20 bytes of IPv4 or 40 of IPv6, without options and extension headers.
    public var ipHeader: [UInt8]
    /// IPv4 options; a multiple of 4 bytes.
    public var ipOptions: [UInt8] = []
    public var extensions: [Extension] = []
    /// The L4 header and payload.
    public var segment: [UInt8]
    /// IPv4: the header length in 4-byte words, where it shall lie.
    public var headerWords: UInt8?
    /// IPv4's total length or IPv6's payload length, where it shall lie.
    public var lengthField: UInt16?
    /// Bytes behind the IP packet, as Ethernet pads short frames.
    public var trailer = 0
    /// Cuts the frame to this many bytes.
    public var cut: Int?

    /// The parts of an ordinary packet; VLAN tags and fragment headers become knobs like all others.
    public init(_ packet: PacketDescription) {
        var plain = packet
        plain.vlans = []
        let frame = plain.frame()
        let isV4 = packet.source.family == .ipv4
        let headerEnd = isV4 ? 34 : 54
        ethertype = isV4 ? 0x0800 : 0x86dd
        tags = packet.vlans.map { Tag($0) }
        ipHeader = Array(frame[14..<headerEnd])
        segment = Array(frame[headerEnd...])
        guard !isV4, packet.fragment != .none else { return }
        ipHeader[6] = segment[0]
        extensions = [Extension(44, rest: Array(segment[1..<8]))]
        segment.removeFirst(8)
    }

    public init(_ text: String) throws { self.init(try PacketDescription(parsing: text)) }

    /// The frame.
    public var bytes: [UInt8] {
        var frame: [UInt8] = [0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02]
        for tag in tags { frame += Self.network(tag.ethertype) + Self.network(tag.control) }
        frame += Self.network(ethertype)
        frame += ipHeader.count == 20 ? ipv4() : ipv6()
        frame += segment + [UInt8](repeating: 0, count: trailer)
        return cut.map { Array(frame.prefix($0)) } ?? frame
    }

    private static func network(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    private func ipv4() -> [UInt8] {
        var header = ipHeader
        let words = headerWords ?? UInt8(5 + ipOptions.count / 4)
        header[0] = header[0] & 0xf0 | words & 0x0f
        let total = lengthField ?? UInt16(20 + ipOptions.count + segment.count)
        header.replaceSubrange(2..<4, with: Self.network(total))
        header.replaceSubrange(10..<12, with: [0, 0])
        header += ipOptions
        header.replaceSubrange(10..<12, with: Self.network(internetChecksum(header)))
        return header
    }

    private func ipv6() -> [UInt8] {
        var header = ipHeader
        let last = header[6]
        let numbers = extensions.map(\.number) + [last]
        header[6] = numbers[0]
        var chain: [UInt8] = []
        for (index, part) in extensions.enumerated() { chain += [numbers[index + 1]] + part.rest }
        header.replaceSubrange(4..<6, with: Self.network(lengthField ?? UInt16(chain.count + segment.count)))
        return header + chain
    }
}
