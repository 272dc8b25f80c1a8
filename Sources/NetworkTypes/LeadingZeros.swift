// SPDX-License-Identifier: Apache-2.0
// What a number or an address with leading zeros was meant to be: some readers take 022 for octal, so none
// is taken.

/// The text with each run of digits freed of its leading zeros: "192.0.02.7/024" gives "192.0.2.7/24".
public func withoutLeadingZeros(_ text: some StringProtocol) -> String {
    var result: [UInt8] = []
    var pendingZero = false
    var inNumber = false
    for byte in text.utf8 {
        let isDigit = (0x30...0x39).contains(byte)
        if !isDigit || inNumber {
            if pendingZero, !isDigit { result.append(0x30) }
            if !isDigit { (pendingZero, inNumber) = (false, false) }
            result.append(byte)
        } else if byte == 0x30 {
            pendingZero = true
        } else {
            (pendingZero, inNumber) = (false, true)
            result.append(byte)
        }
    }
    if pendingZero { result.append(0x30) }
    return String(decoding: result, as: UTF8.self)
}

/// The text with its dotted quad, the whole or behind an IPv6 address's last colon, freed of leading zeros.
public func withoutLeadingZeros(inAddress text: some StringProtocol) -> String {
    guard text.contains(".") else { return String(text) }
    guard let colon = text.lastIndex(of: ":") else { return withoutLeadingZeros(text) }
    let tail = text.index(after: colon)
    return String(text[..<tail]) + withoutLeadingZeros(text[tail...])
}

/// The number that digits with leading zeros stand for; nil where there are none, or no number.
func meantNumber(_ digits: Substring) -> UInt64? {
    guard digits.utf8.count > 1, digits.utf8.first == UInt8(ascii: "0") else { return nil }
    return decimalNumber(withoutLeadingZeros(digits).utf8)
}
