// SPDX-License-Identifier: Apache-2.0
// Address texts in, address sets out: "192.0.2.7", "192.0.2.0/24", "192.0.2.5-192.0.2.9".
import NetworkTypes

/// What an address, prefix or range stands for.
public struct AddressItem: Hashable, Sendable {
    public var addresses: AddressSet
    /// The prefix that was taken in place of one with host bits set (lenient reading only), else nil.
    public var maskedHostBits: Prefix?

    public init(addresses: AddressSet, maskedHostBits: Prefix? = nil) {
        self.addresses = addresses
        self.maskedHostBits = maskedHostBits
    }
}

/// An address, a prefix, or a range of addresses of one family.
/// - Parameter lenientHostBits: take `192.0.2.7/24` as `192.0.2.0/24` (and say so), as set files are read.
public func parseAddressItem(_ text: String, lenientHostBits: Bool) throws(ValueError) -> AddressItem {
    if let slash = text.firstIndex(of: "/") {
        return try parsePrefix(text, slash: slash, lenientHostBits: lenientHostBits)
    }
    if let dash = text.firstIndex(of: "-") {
        return AddressItem(addresses: try parseAddressRange(text, dash: dash))
    }
    let address = try parseAddress(text, meantIn: { $0 })
    return AddressItem(addresses: AddressSet(address, address))
}

/// An address or a prefix without host bits, which nearly all are; nil for what takes a closer look.
func plainPrefix(_ word: UnsafeBufferPointer<UInt8>) -> Prefix? {
    guard let slash = word.lastIndex(of: UInt8(ascii: "/")) else {
        return IPAddress(utf8: word).map { Prefix($0) }
    }
    guard let address = IPAddress(utf8: UnsafeBufferPointer(rebasing: word[..<slash])),
        let length = smallNumber(UnsafeBufferPointer(rebasing: word[(slash + 1)...])),
        let prefix = Prefix(masking: address, length: length), prefix.address == address
    else { return nil }
    return prefix
}

/// Up to three digits without leading zeros.
private func smallNumber(_ digits: UnsafeBufferPointer<UInt8>) -> Int? {
    guard (1...3).contains(digits.count), digits.count == 1 || digits[0] != 0x30 else { return nil }
    var value = 0
    for digit in digits {
        guard digit >= 0x30, digit <= 0x39 else { return nil }
        value = value * 10 + Int(digit - 0x30)
    }
    return value
}

private func parsePrefix(
    _ text: String, slash: String.Index, lenientHostBits: Bool
) throws(ValueError) -> AddressItem {
    let (left, right) = (text[..<slash], text[text.index(after: slash)...])
    let address = try parseAddress(left, meantIn: { "\($0)/\(withoutLeadingZeros(right))" })
    let width = address.family.bitWidth
    let length: UInt64
    do throws(ValueError) {
        length = try parseNumber(right, in: 0...UInt64(width), named: "prefix length")
    } catch {
        throw prefixLengthError(error, left: left, right: right, width: width)
    }
    guard let prefix = Prefix(masking: address, length: Int(length)) else {
        throw ValueError(id: "out-of-range", "prefix length '\(length)' is out of range")
    }
    let masked = prefix.address != address
    guard !masked || lenientHostBits else {
        throw ValueError(
            id: "host-bits", "prefix '\(text)' has host bits set",
            help: "write \(prefix.address)/\(length) for the network or \(address) for the address")
    }
    return AddressItem(addresses: AddressSet(prefix), maskedHostBits: masked ? prefix : nil)
}

private func prefixLengthError(
    _ error: ValueError, left: some StringProtocol, right: some StringProtocol, width: Int
) -> ValueError {
    if error.id == "leading-zero" {
        return ValueError(
            id: error.id, error.message, help: "write \(left)/\(withoutLeadingZeros(right))")
    }
    return ValueError(
        id: error.id, error.message, help: "write \(left)/N with N from 0 to \(width)")
}

private func parseAddressRange(_ text: String, dash: String.Index) throws(ValueError) -> AddressSet {
    let (left, right) = (text[..<dash], text[text.index(after: dash)...])
    let low = try parseAddress(left, meantIn: { "\($0)-\(right)" })
    let high = try parseAddress(right, meantIn: { "\(left)-\($0)" })
    guard low.family == high.family else {
        throw ValueError(
            id: "range-families", "range '\(text)' goes from \(low.family) to \(high.family)",
            help: "write both ends in one family")
    }
    guard low <= high else {
        throw ValueError(
            id: "range-reversed", "address range '\(text)' ends before it starts",
            help: "write \(high)-\(low)")
    }
    return AddressSet(low, high)
}

/// - Parameter meantIn: what the whole item would read like with the address spelt right.
private func parseAddress(
    _ text: some StringProtocol, meantIn: (String) -> String
) throws(ValueError) -> IPAddress {
    if let address = IPAddress(text) { return address }
    let fixed = withoutLeadingZeros(inAddress: text)
    if IPAddress(fixed) != nil, fixed != String(text) {
        throw ValueError(
            id: "leading-zero", "address '\(text)' has a leading zero", help: "write \(meantIn(fixed))")
    }
    throw ValueError(
        id: "address-syntax", "'\(text)' is no address",
        help: "write an address, a prefix or a range, as in 192.0.2.7, 2001:db8::/32 or 192.0.2.5-192.0.2.9")
}

extension AddressSet {
    /// All addresses from `low` to `high`, which are of one family and in order.
    init(_ low: IPAddress, _ high: IPAddress) {
        self.init()
        if let first = low.v4Bits, let last = high.v4Bits, first <= last {
            v4 = IntervalSet(first...last)
        } else if low.family == .ipv6, high.family == .ipv6, low <= high {
            v6 = IntervalSet(low.bits...high.bits)
        }
    }

    init(_ prefix: Prefix) {
        self.init()
        let bounds = prefix.bounds
        if let low = prefix.address.v4Bits {
            v4 = IntervalSet(low...max(low, UInt32(truncatingIfNeeded: bounds.upperBound)))
        } else {
            v6 = IntervalSet(bounds)
        }
    }
}
