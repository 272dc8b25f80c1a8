// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: IP options and extension headers for which the host discards the packet, as Linux does
// with its settings as they come: no source routes, no segment routing, no security labels, no mobility, no
// keys for AH. What stands behind them must move nothing here either.

/// Why a host's IP or transport layer discards a packet, whatever its connection is like.
public enum DiscardReason: Sendable {
    case wrongChecksum
    /// IPv4's options or IPv6's extension headers.
    case ipOptions
}

extension PacketReader {
    /// The first reason stays: it is the one for which the host discards.
    mutating func discard(_ reason: DiscardReason) {
        if packet.discardReason == nil { packet.discardReason = reason }
    }

    /// What this host sent is for another one, which may take what this one would not.
    mutating func discardForOptions(_ anomaly: Anomaly) {
        guard !packet.isSentByHost else { return }
        note(anomaly)
        discard(.ipOptions)
    }

    /// Whether Linux discards a packet with these options of IPv4 (ip_options_compile, ip_rcv_options).
    static func hostDiscards(_ options: UnsafeRawBufferPointer) -> Bool {
        var hasRoute = false
        var hasTimestamp = false
        var index = 0
        while index < options.count, options[index] != 0 {
            guard options[index] != 1 else {
                index += 1
                continue
            }
            guard index + 1 < options.count else { return true }
            let length = Int(options[index + 1])
            guard length >= 2, index + length <= options.count else { return true }
            let option = UnsafeRawBufferPointer(rebasing: options[index..<index + length])
            switch option[0] {
            case 7:
                if hasRoute || !isRecordRoute(option) { return true }
                hasRoute = true
            case 68:
                if hasTimestamp || !isTimestamp(option) { return true }
                hasTimestamp = true
            // Source routes, and CIPSO's labels of a domain that nobody set up.
            case 131, 134, 137: return true
            case 148: if length < 4 { return true }
            default: break
            }
            index += length
        }
        return false
    }

    /// The pointer is that of a place for an address, or behind the end.
    private static func isRecordRoute(_ option: UnsafeRawBufferPointer) -> Bool {
        guard option.count >= 3, option[2] >= 4 else { return false }
        let pointer = Int(option[2])
        return pointer > option.count || pointer + 3 <= option.count
    }

    /// Likewise, with room for an address where one belongs to each time; nor have more hosts found no room
    /// than can be counted.
    private static func isTimestamp(_ option: UnsafeRawBufferPointer) -> Bool {
        guard option.count >= 4, option[2] >= 5 else { return false }
        let (pointer, kind) = (Int(option[2]), option[3] & 15)
        guard pointer <= option.count else { return kind == 3 || option[3] >> 4 != 15 }
        return pointer + (kind == 1 || kind == 3 ? 7 : 3) <= option.count
    }

    /// Whether Linux discards a packet with a hop-by-hop header, or one of destination options, at `range`
    /// (ip6_parse_tlv).
    func hostDiscardsOptions(in range: Range<Int>, isHopByHop: Bool) -> Bool {
        let bytes = packet.bytes
        // At most 7 bytes of padding in a row, and 8 options.
        var (padding, count) = (0, 0)
        var index = range.lowerBound + 2
        while index < range.upperBound {
            let kind = bytes[index]
            guard kind != 0 else {
                padding += 1
                if padding > 7 { return true }
                index += 1
                continue
            }
            guard index + 1 < range.upperBound else { return true }
            let end = index + 2 + Int(bytes[index + 1])
            guard end <= range.upperBound else { return true }
            if kind == 1 {
                padding += end - index
                if padding > 7 || bytes[(index + 2)..<end].contains(where: { $0 != 0 }) { return true }
            } else {
                count += 1
                if count > 8 || hostDiscardsOption(index..<end, isHopByHop) { return true }
                padding = 0
            }
            index = end
        }
        return false
    }

    /// One option that is no padding. A type whose two upper bits are not 00 asks hosts that do not know it
    /// to discard the packet (RFC 8200 4.2); none of those is known: jumbo payloads are longer than a packet
    /// here can be, home addresses need mobile IPv6.
    private func hostDiscardsOption(_ range: Range<Int>, _ isHopByHop: Bool) -> Bool {
        switch packet.bytes[range.lowerBound] {
        // Router alert.
        case 5 where isHopByHop: range.count != 4
        // CALIPSO: labels of a domain that nobody set up.
        case 7 where isHopByHop: true
        // IOAM is on even words (RFC 9486 3).
        case 49 where isHopByHop: range.lowerBound % 4 != 0
        case let kind: kind & 0xc0 != 0
        }
    }

    /// Whether Linux discards a packet with the extension header `next` at `range`.
    func hostDiscardsExtension(_ next: UInt8, at range: Range<Int>, isFragmentHeaderSeen: Bool) -> Bool {
        switch next {
        // Read where it is the first header, and nowhere else.
        case 0:
            range.lowerBound != 40 || isFragmented(range) || hostDiscardsOptions(in: range, isHopByHop: true)
        case 43: hostDiscardsRoute(range)
        case 44: isFragmentHeaderSeen || packet.isReassembled
        case 60: hostDiscardsOptions(in: range, isHopByHop: false)
        // AH without a key for it, mobility, HIP and Shim6: nothing that is read stands behind them.
        default: true
        }
    }

    private func isFragmented(_ range: Range<Int>) -> Bool { range.lowerBound >= fragmentedStart }

    /// Nobody is left to be visited, or this host is who passes it on, which it is not; mobile IPv6 (type 2),
    /// RPL (3) and segment routing (4) are not switched on (RFC 6275, 6554, 8754).
    private func hostDiscardsRoute(_ range: Range<Int>) -> Bool {
        let (type, left) = (packet.bytes[range.lowerBound + 2], packet.bytes[range.lowerBound + 3])
        return left != 0 || (2...4).contains(type)
    }
}
