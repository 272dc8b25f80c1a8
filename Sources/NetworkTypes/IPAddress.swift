// SPDX-License-Identifier: Apache-2.0
// IPv4 and IPv6 addresses as numbers: text in, RFC 5952 text out.

/// The two address families a packet can have.
public enum AddressFamily: String, Sendable, CaseIterable {
    case ipv4, ipv6

    /// Bits in an address: 32 or 128.
    public var bitWidth: Int { self == .ipv4 ? 32 : 128 }
    /// The number of the family's last address.
    public var lastBits: UInt128 { self == .ipv4 ? UInt128(UInt32.max) : UInt128.max }
}

/// An IPv4 or IPv6 address. `bits` is the address as a number in host order; IPv4 uses the low 32 bits.
public struct IPAddress: Hashable, Sendable, Comparable {
    public let family: AddressFamily
    public let bits: UInt128

    public init(family: AddressFamily, bits: UInt128) {
        self.family = family
        self.bits = family == .ipv4 ? bits & UInt128(UInt32.max) : bits
    }

    public init(v4 bits: UInt32) { self.init(family: .ipv4, bits: UInt128(bits)) }
    public init(v6 bits: UInt128) { self.init(family: .ipv6, bits: bits) }

    /// The IPv4 address as a number; nil for IPv6.
    public var v4Bits: UInt32? { family == .ipv4 ? UInt32(truncatingIfNeeded: bits) : nil }

    /// The IPv4 address in an IPv4-mapped one (RFC 4291, 2.5.5.2), as sockets of both families write peers;
    /// nil for others.
    public var mappedIPv4: IPAddress? {
        family == .ipv6 && bits >> 32 == 0xffff ? IPAddress(v4: UInt32(truncatingIfNeeded: bits)) : nil
    }

    /// The address in network byte order: 4 or 16 bytes.
    public var bytes: [UInt8] {
        let count = family.bitWidth / 8
        return (0..<count).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt128(count - 1 - $0))) }
    }

    /// From 4 or 16 bytes in network order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.init(family: bytes.count == 4 ? .ipv4 : .ipv6, bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }

    /// Families first, then numbers.
    public static func < (a: IPAddress, b: IPAddress) -> Bool {
        a.family == b.family ? a.bits < b.bits : a.family == .ipv4
    }
}

extension IPAddress: CustomStringConvertible {
    /// Parses dotted-quad IPv4 (no leading zeros, four parts) and RFC 4291 IPv6 text, also with an embedded
    /// IPv4 tail.
    public init?(_ text: some StringProtocol) {
        var copy = String(text)
        guard let address = copy.withUTF8({ IPAddress(utf8: $0) }) else { return nil }
        self = address
    }

    /// RFC 5952 for IPv6; dotted quad for IPv4 and for the tail of IPv4-mapped addresses.
    public var description: String {
        if let v4 = v4Bits { return Self.quad(v4) }
        if bits >> 32 == 0xffff { return "::ffff:" + Self.quad(UInt32(truncatingIfNeeded: bits)) }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: bits >> (16 * UInt128(7 - $0))) }
        guard let gap = Self.longestZeroRun(groups) else { return Self.hex(groups[...]) }
        return Self.hex(groups[..<gap.lowerBound]) + "::" + Self.hex(groups[gap.upperBound...])
    }

    private static func quad(_ v4: UInt32) -> String {
        "\(v4 >> 24).\(v4 >> 16 & 255).\(v4 >> 8 & 255).\(v4 & 255)"
    }

    private static func hex(_ groups: ArraySlice<UInt16>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// RFC 5952 4.2: the first longest run of at least two zero groups.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > (best?.count ?? 0) { best = start..<end }
            start = max(end, start + 1)
        }
        return best
    }
}

/// A decimal number of digits only, without leading zeros; nil otherwise or beyond UInt64.
public func decimalNumber(_ digits: some Collection<UInt8>) -> UInt64? {
    guard let first = digits.first, digits.count == 1 || first != UInt8(ascii: "0") else { return nil }
    var value: UInt64 = 0
    for digit in digits {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
        guard !overflow, !carry else { return nil }
        value = sum
    }
    return value
}
