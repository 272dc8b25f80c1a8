// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: what is wrong with IPv4's options, as Suricata names it; and whether the host discards
// the packet for them, which is another question: it skips what it does not know, and looks into others.

extension PacketReader {
    /// RFC 791 and the lengths that RFC 1108, 2113, 4782 and the CIPSO draft give their options.
    mutating func readIPv4Options() {
        let options = packet.ipOptions
        if Self.hostDiscards(options) { discardForOptions(.ipv4OptionDiscarded) }
        if options.count % 8 != 0 { note(.ipv4OptionPaddingRequired) }
        var seen: UInt64 = 0
        var index = 0
        while index < options.count, options[index] != 0 {
            let type = options[index]
            guard type != 1 else {
                index += 1
                continue
            }
            guard index + 1 < options.count else { return note(.ipv4OptionEndRequired) }
            let length = Int(options[index + 1])
            guard length >= 2, index + length <= options.count else { return note(.ipv4OptionInvalidLength) }
            judgeIPv4Option(type, length, &seen)
            index += length
        }
    }

    private mutating func judgeIPv4Option(_ type: UInt8, _ length: Int, _ seen: inout UInt64) {
        guard let bit = Self.known.firstIndex(where: { $0.type == type }) else {
            return note(.ipv4OptionUnknown)
        }
        if !Self.known[bit].lengths.contains(length) { note(.ipv4OptionInvalidLength) }
        if seen >> UInt64(bit) & 1 == 1 { note(.ipv4OptionDuplicate) }
        seen |= 1 << UInt64(bit)
    }

    /// Record route, quick start, timestamp, security, loose source route, extended security, CIPSO, stream
    /// id, strict source route, router alert.
    private static let known: [(type: UInt8, lengths: ClosedRange<Int>)] = [
        (7, 3...39), (25, 8...8), (68, 5...40), (130, 3...11), (131, 3...39), (133, 3...40), (134, 6...40),
        (136, 4...4), (137, 3...39), (148, 4...4),
    ]
}
