// SPDX-License-Identifier: Apache-2.0
// The built-in set $bogons: sources that no packet from the internet can honestly have. From the IANA
// special-purpose address registries (RFC 6890, RFC 8190), entries that are not globally reachable, and
// multicast.
import NetworkTypes

/// `$bogons`.
public enum Bogons {
    public static let name = "bogons"

    /// Prefix or range, and the RFC that sets it apart.
    static let table: [(addresses: String, reference: String)] = [
        ("0.0.0.0/8", "RFC 791: this network"),
        ("10.0.0.0/8", "RFC 1918: private use"),
        ("100.64.0.0/10", "RFC 6598: shared address space"),
        ("127.0.0.0/8", "RFC 1122: loopback"),
        ("169.254.0.0/16", "RFC 3927: link local"),
        ("172.16.0.0/12", "RFC 1918: private use"),
        // All of 192.0.0.0/24 but the anycast addresses of RFC 7723 (.9) and RFC 8155 (.10).
        ("192.0.0.0-192.0.0.8", "RFC 6890: IETF protocol assignments"),
        ("192.0.0.11-192.0.0.255", "RFC 6890: IETF protocol assignments"),
        ("192.0.2.0/24", "RFC 5737: documentation"),
        ("192.88.99.0/24", "RFC 7526: 6to4 relay anycast, deprecated"),
        ("192.168.0.0/16", "RFC 1918: private use"),
        ("198.18.0.0/15", "RFC 2544: benchmarking"),
        ("198.51.100.0/24", "RFC 5737: documentation"),
        ("203.0.113.0/24", "RFC 5737: documentation"),
        ("224.0.0.0/4", "RFC 1112: multicast, never a source"),
        ("240.0.0.0/4", "RFC 1112: reserved; with RFC 919's limited broadcast"),
        ("::/96", "RFC 4291: unspecified, loopback, IPv4-compatible"),
        ("::ffff:0:0/96", "RFC 4291: IPv4-mapped"),
        ("64:ff9b:1::/48", "RFC 8215: local-use translation"),
        ("100::/64", "RFC 6666: discard only"),
        ("100:0:0:1::/64", "RFC 9780: dummy prefix"),
        ("2001:2::/48", "RFC 5180: benchmarking"),
        ("2001:10::/28", "RFC 4843: ORCHID, deprecated"),
        ("2001:db8::/32", "RFC 3849: documentation"),
        ("3fff::/20", "RFC 9637: documentation"),
        ("5f00::/16", "RFC 9602: segment routing identifiers"),
        ("fc00::/7", "RFC 4193: unique local"),
        ("fe80::/10", "RFC 4291: link local"),
        ("fec0::/10", "RFC 3879: site local, deprecated"),
        ("ff00::/8", "RFC 4291: multicast, never a source"),
    ]

    public static let addresses = table.reduce(into: AddressSet()) { all, entry in
        guard let item = try? parseAddressItem(entry.addresses, lenientHostBits: false) else { return }
        all = all.union(item.addresses)
    }
}
