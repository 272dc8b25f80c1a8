// SPDX-License-Identifier: Apache-2.0
// What could be read of a frame. The reading itself is one file a header: Ethernet, IPv4, IPv6, L4, in the
// order of docs/policy.md, "How a packet is read".
import NetworkTypes

/// The checks that make a packet malformed, by the words that `detail` shows.
enum MalformedCheck: String, CaseIterable {
    case truncatedEthernet = "truncated ethernet header"
    case tooManyTags = "more than two vlan tags"
    case truncatedTag = "truncated vlan tag"
    case truncatedIP = "truncated ip header"
    case ipVersion = "ip version"
    case ipHeaderLength = "ip header length"
    case ipLengthZero = "ip length zero"
    case ipLength = "ip length"
    case jumbogram = "jumbogram"
    case truncatedPacket = "truncated packet"
    case tooManyExtensions = "too many extension headers"
    case hopByHopNotFirst = "hop-by-hop not first"
    case truncatedExtension = "truncated extension header"
    case routingType0 = "routing type 0"
    case fragmentOffset1 = "fragment offset 1"
    case tinyFragment = "tiny fragment"
    case truncatedL4 = "truncated l4 header"
    case tcpHeaderLength = "tcp header length"
    case tcpFlags = "tcp flags"
    case udpLength = "udp length"
    case secondFragmentHeader = "second fragment header"
    case overlappingFragment = "overlapping fragment"
    case truncatedTunnel = "truncated tunnel header"
}

/// Where a fragment belongs.
struct FragmentPlace {
    var identification: UInt32
    /// IPv4's protocol, the next header of IPv6's fragment header.
    var proto: UInt8
    /// Bytes from the start of what is fragmented to this piece of it.
    var offset: Int
    /// Bytes of this piece, as its header says.
    var count: Int
}

/// Every field that a step of the firewall looks at; nil where it could not be read.
struct PacketReading {
    /// The first check that failed; nil in a well-formed packet.
    var malformed: MalformedCheck?
    /// What follows the tags is neither IPv4 nor IPv6.
    var isNonIP = false

    /// VLAN ids but for those of priority tags (0), the outer one first.
    var tags: [UInt16] = []
    /// All tags were read, so that a tag that is not in `tags` is not there.
    var tagsWereRead = false

    /// The addresses are nil together: no IP header was read.
    var source: IPAddress?
    var destination: IPAddress?
    var ttl: UInt8?
    var dscp: UInt8?
    /// Bytes: IPv4's total length, 40 + IPv6's payload length. The largest IPv6 packets count as 65535.
    var length: UInt16?
    /// The same, also of those.
    var wholeLength: Int?
    var proto: IPProtocol?
    var ipOptions: Bool?
    var fragment: FragmentKind?
    /// Of a first or later fragment.
    var fragmentPlace: FragmentPlace?
    /// Bytes that the IPv6 header announces and that are not there.
    var bytesMissing = 0
    /// The layer stands in a first fragment, so that it cannot be whole.
    let isCut: Bool

    var sourcePort: UInt16?
    var destinationPort: UInt16?
    var icmpType: UInt8?
    var icmpCode: UInt8?
    var tcpFlags: TCPFlags?
    var payload: [UInt8]?

    init(frame: [UInt8]) {
        isCut = false
        readEthernet(Window(frame[...]))
    }

    /// A layer in a tunnel, from its Ethernet header on.
    init(ethernet content: Window, in outer: PacketReading) {
        isCut = outer.isCut || outer.fragment == .first
        readEthernet(content)
    }

    /// A layer in a tunnel, from its IP header on. Tags are those of the Ethernet header above.
    init(_ content: Window, _ family: AddressFamily, in outer: PacketReading) {
        isCut = outer.isCut || outer.fragment == .first
        tags = outer.tags
        tagsWereRead = outer.tagsWereRead
        if family == .ipv4 { readIPv4(content) } else { readIPv6(content) }
    }

    /// Neither a fragment nor in one: its lengths can be judged.
    var isWhole: Bool { fragment != .first && !isCut }

    /// Only the first check that fails counts; reading goes on where the caller can.
    mutating func fail(_ check: MalformedCheck) {
        if malformed == nil { malformed = check }
    }

    /// What `service` compares: the destination port or the ICMP type; nil where none was read.
    var serviceKey: UInt16? { destinationPort ?? icmpType.map(UInt16.init) }
}

/// A run of a frame's bytes. Positions beyond its end read as zero, so that no frame can trap; callers check
/// `count` before they believe what they read.
struct Window {
    private let slice: ArraySlice<UInt8>
    init(_ slice: ArraySlice<UInt8>) { self.slice = slice }

    var count: Int { slice.count }
    var bytes: [UInt8] { Array(slice) }

    func byte(_ position: Int) -> UInt8 {
        position >= 0 && position < count ? slice[slice.startIndex + position] : 0
    }

    /// Two bytes in network order.
    func number(_ position: Int) -> UInt16 { UInt16(byte(position)) << 8 | UInt16(byte(position + 1)) }

    /// Four or sixteen bytes in network order.
    func address(_ position: Int, _ family: AddressFamily) -> IPAddress {
        let bits = (0..<family.bitWidth / 8).reduce(UInt128(0)) { $0 << 8 | UInt128(byte(position + $1)) }
        return IPAddress(family: family, bits: bits)
    }

    func behind(_ length: Int) -> Window { Window(slice.dropFirst(max(0, length))) }
    func upTo(_ length: Int) -> Window { Window(slice.prefix(max(0, length))) }
}
