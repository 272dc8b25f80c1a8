// SPDX-License-Identifier: Apache-2.0
// Frames byte by byte, so that a test can lie in any field. Lengths that are not given are the true ones.
import NetworkTypes

/// Two bytes in network order.
func be16(_ value: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

/// Address text to bytes; a text that is none gives no bytes, and the test fails.
func address(_ text: String) -> [UInt8] { IPAddress(text)?.bytes ?? [] }

/// - Parameter tags: (ethertype of the tag, its 16 bits) in their order on the wire.
func ethernet(_ type: Int, _ content: [UInt8], tags: [(Int, Int)] = []) -> [UInt8] {
    let head: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
    return head + tags.flatMap { be16($0.0) + be16($0.1) } + be16(type) + content
}

struct IPv4Bytes {
    var source = "192.0.2.7"
    var destination = "198.51.100.1"
    var proto: UInt8 = 6
    var content: [UInt8] = tcp()
    var ttl: UInt8 = 64
    var dscp: UInt8 = 0
    var version: UInt8 = 4
    var options: [UInt8] = []
    /// The header length's field, in words; nil: the true one.
    var words: UInt8?
    var totalLength: Int?
    /// Flags and offset: 0x2000 is more-fragments.
    var fragment = 0
    var identification = 1

    var packet: [UInt8] {
        let ihl = words ?? UInt8(5 + options.count / 4)
        let total = totalLength ?? 20 + options.count + content.count
        let length = [version << 4 | ihl, dscp << 2] + be16(total)
        return length + be16(identification) + be16(fragment) + [ttl, proto] + zeros(2)
            + address(source) + address(destination) + options + content
    }
    var frame: [UInt8] { ethernet(0x0800, packet) }
}

struct IPv6Bytes {
    var source = "2001:db8::7"
    var destination = "2001:db8::1"
    var next: UInt8 = 6
    /// Extension headers and what follows.
    var content: [UInt8] = tcp()
    var hopLimit: UInt8 = 64
    var dscp: UInt8 = 0
    var version: UInt8 = 6
    var payloadLength: Int?

    var packet: [UInt8] {
        [version << 4 | dscp >> 2, (dscp & 3) << 6] + zeros(2) + be16(payloadLength ?? content.count)
            + [next, hopLimit] + address(source) + address(destination) + content
    }
    var frame: [UInt8] { ethernet(0x86dd, packet) }
}

func tcp(
    _ source: Int = 40000, _ destination: Int = 22, flags: TCPFlags = .syn, words: UInt8 = 5
) -> [UInt8] {
    be16(source) + be16(destination) + zeros(8) + [words << 4, flags.rawValue] + be16(1024) + zeros(4)
}

func udp(_ source: Int = 40000, _ destination: Int = 53, _ payload: [UInt8] = [], length: Int? = nil)
    -> [UInt8]
{
    be16(source) + be16(destination) + be16(length ?? 8 + payload.count) + zeros(2) + payload
}

func sctp(_ source: Int = 40000, _ destination: Int = 5060, _ payload: [UInt8] = []) -> [UInt8] {
    be16(source) + be16(destination) + zeros(8) + payload
}

func icmp(_ type: UInt8, code: UInt8 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    [type, code] + zeros(6) + payload
}

/// An extension header of 8 x (`units` + 1) bytes.
func extensionHeader(next: UInt8, units: UInt8 = 0, third: UInt8 = 1) -> [UInt8] {
    [next, units, third] + zeros(5 + 8 * Int(units))
}

/// - Parameter offset: in units of 8 bytes.
func fragmentHeader(next: UInt8, offset: Int, more: Bool, identification: Int = 0) -> [UInt8] {
    [next, 0] + be16(offset << 3 | (more ? 1 : 0)) + be16(identification >> 16) + be16(identification)
}
