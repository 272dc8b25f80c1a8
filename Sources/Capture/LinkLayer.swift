// SPDX-License-Identifier: Apache-2.0
// Link layers: which are read, and what ethertype and how long a header a frame of each has.
// In: link type number and captured bytes. Out: where the network packet begins and its ethertype.

import CPcap

/// The link layers that are read, by LINKTYPE_ and DLT_ numbers (https://www.tcpdump.org/linktypes.html).
enum LinkLayer {
    case ethernet, rawIP, ipv4, ipv6, linuxCooked, linuxCooked2, null, loop, ppp, ciscoHDLC

    init?(linkType: Int32) {
        switch linkType {
        case 1: self = .ethernet
        case 12, 14, 101: self = .rawIP  // DLT_RAW of most systems, of OpenBSD, and the files' LINKTYPE_RAW
        case 228: self = .ipv4
        case 229: self = .ipv6
        case 113: self = .linuxCooked
        case 276: self = .linuxCooked2
        case 0: self = .null
        case 108: self = .loop
        case 9: self = .ppp
        case 104: self = .ciscoHDLC
        default: return nil
        }
    }

    /// libpcap's name of a link type, else its number.
    static func name(_ linkType: Int32) -> String {
        guard let name = pcap_datalink_val_to_name(linkType) else { return String(linkType) }
        return String(cString: name)
    }

    /// Bytes of the link layer's own header.
    func headerLength(_ data: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .ethernet: 14
        case .rawIP, .ipv4, .ipv6: 0
        case .linuxCooked: 16
        case .linuxCooked2: 20
        case .null, .loop, .ciscoHDLC: 4
        case .ppp: Self.pppStart(data) + (Self.isCompressed(data) ? 1 : 2)
        }
    }

    /// RFC 1662 3.1: address and control may be left out; RFC 1661 6.5: a protocol below 256, which is odd,
    /// may be one byte.
    private static func pppStart(_ data: UnsafeRawBufferPointer) -> Int {
        data.count >= 2 && data[0] == 0xff && data[1] == 0x03 ? 2 : 0
    }

    private static func isCompressed(_ data: UnsafeRawBufferPointer) -> Bool {
        let start = pppStart(data)
        return start < data.count && data[start] & 1 == 1
    }

    private static func ethertype(ppp data: UnsafeRawBufferPointer) -> UInt16 {
        let start = pppStart(data)
        switch isCompressed(data) ? UInt16(data[start]) : data.network16(at: start) {
        case 0x0021: return 0x0800
        case 0x0057: return 0x86dd
        default: return 0xffff
        }
    }

    /// The ethertype of a frame that holds at least the link layer's header. Numbers below 0x600 (802.2 in
    /// cooked captures) stay as they are: no evaluator takes them for IP.
    func ethertype(_ data: UnsafeRawBufferPointer) -> UInt16 {
        switch self {
        case .ethernet: data.network16(at: 12)
        case .ipv4: 0x0800
        case .ipv6: 0x86dd
        // A raw packet of neither version is a broken IP packet, which IPv4's version check names.
        case .rawIP: (data.first ?? 0) >> 4 == 6 ? 0x86dd : 0x0800
        case .linuxCooked: data.network16(at: 14)
        case .linuxCooked2: data.network16(at: 0)
        // An address and a control byte, then the ethertype (RFC 1547 section 4.3.1).
        case .ciscoHDLC: data.network16(at: 2)
        case .null, .loop: Self.ethertype(family: data.network32(at: 0))
        case .ppp: Self.ethertype(ppp: data)
        }
    }

    /// The address family stands in the byte order of the machine that captured; 0xffff (reserved) where it
    /// is not IP.
    private static func ethertype(family: UInt32) -> UInt16 {
        switch family > 0xffff ? family.byteSwapped : family {
        case 2: 0x0800
        case 10, 23, 24, 28, 30: 0x86dd  // Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin
        default: 0xffff
        }
    }
}
