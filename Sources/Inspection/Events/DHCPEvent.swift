// SPDX-License-Identifier: Apache-2.0
// EVE's `dhcp` object of an alert: who asks, and what is given. In: a datagram's payload. Out: the fields
// that RFC 2131 has at fixed places; nothing of the options.
import JSONOutput
import NetworkTypes

struct DHCPMessage {
    private let bytes: UnsafeRawBufferPointer

    /// Nil for what is no DHCP message: RFC 2131 section 3 has a number before the options.
    init?(_ payload: UnsafeRawBufferPointer) {
        guard payload.count >= 240, payload[0] == 1 || payload[0] == 2,
            payload[236..<240].elementsEqual([0x63, 0x82, 0x53, 0x63])
        else { return nil }
        bytes = payload
    }

    var eve: JSONValue {
        var members = EventMembers()
        members.add("type", .string(bytes[0] == 1 ? "request" : "reply"))
        members.add("id", .unsigned(UInt64(number(4))))
        // Ethernet's addresses; others have other lengths.
        if bytes[1] == 1, bytes[2] == 6 {
            members.add("client_mac", .string(bytes[28..<34].map(hexPair).joined(separator: ":")))
        }
        for (name, place) in [
            ("client_ip", 12), ("assigned_ip", 16), ("next_server_ip", 20), ("relay_ip", 24),
        ]
        where number(place) != 0 {
            members.add(name, .string(IPAddress(v4: number(place)).description))
        }
        return members.object
    }

    /// Four bytes in network order; all places are within the fixed part.
    private func number(_ place: Int) -> UInt32 {
        bytes[place..<(place + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
