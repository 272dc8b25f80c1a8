// SPDX-License-Identifier: Apache-2.0
// Prefixes: an address block by its leading bits.

/// An address prefix; bits beyond `length` are zero.
public struct Prefix: Hashable, Sendable, CustomStringConvertible {
    public let address: IPAddress
    /// Leading bits that are fixed: 0 to 32 or 128.
    public let length: Int

    /// The prefix of `length` bits that holds `address`; nil when the length does not fit the family.
    public init?(masking address: IPAddress, length: Int) {
        guard (0...address.family.bitWidth).contains(length) else { return nil }
        self.length = length
        self.address = IPAddress(
            family: address.family, bits: address.bits & ~Prefix.hostMask(address.family, length))
    }

    /// The prefix that holds one address only.
    public init(_ address: IPAddress) {
        self.address = address
        self.length = address.family.bitWidth
    }

    /// The first and last address as numbers.
    public var bounds: ClosedRange<UInt128> {
        address.bits...(address.bits | Prefix.hostMask(address.family, length))
    }

    public func contains(_ other: IPAddress) -> Bool {
        other.family == address.family && bounds.contains(other.bits)
    }

    /// CIDR text, as in "192.0.2.0/24"; a single address stands without a length.
    public var description: String {
        length == address.family.bitWidth ? "\(address)" : "\(address)/\(length)"
    }

    private static func hostMask(_ family: AddressFamily, _ length: Int) -> UInt128 {
        let hostBits = family.bitWidth - length
        return hostBits == 128 ? UInt128.max : (UInt128(1) << UInt128(hostBits)) - 1
    }
}
