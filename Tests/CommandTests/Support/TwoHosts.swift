// SPDX-License-Identifier: Apache-2.0
// The network of most tests: a guarded server and a client that holds many addresses, joined by veth pairs.
import Foundation

/// `guard0` at the server (198.51.100.1, 2001:db8:51::1), `peer0` at the client; more pairs by `addPair`.
final class TwoHosts {
    let server: Namespace
    let client: Namespace
    let folder: TemporaryFolder

    static let serverV4 = "198.51.100.1"
    static let serverV6 = "2001:db8:51::1"
    /// The client's addresses.
    static let clients = ["192.0.2.7", "192.0.2.8", "203.0.113.77", "203.0.113.78"]
    static let clientsV6 = ["2001:db8:1::7", "2001:db8:bad::77"]

    static let serverMAC = "02:00:00:00:00:01"
    private static let clientMAC = "02:00:00:00:00:02"

    init() throws {
        server = try Namespace()
        client = try Namespace()
        folder = try TemporaryFolder()
        try addPair(0)
        try server.ip("address", "add", Self.serverV4 + "/24", "dev", "guard0")
        try server.ip("route", "add", "default", "dev", "guard0")
        try client.ip("route", "add", "default", "dev", "peer0")
        for address in Self.clients {
            try client.ip("address", "add", address + "/32", "dev", "peer0")
            try server.ip(
                "neighbour", "add", address, "lladdr", Self.clientMAC, "dev", "guard0", "nud", "permanent")
        }
        try client.ip(
            "neighbour", "add", Self.serverV4, "lladdr", Self.serverMAC, "dev", "peer0", "nud", "permanent")
    }

    /// Joins `guardN` of the server and `peerN` of the client; both are up.
    func addPair(_ number: Int) throws {
        try prepare(
            "ip", "link", "add", "guard\(number)", "netns", server.name, "type", "veth", "peer", "name",
            "peer\(number)", "netns", client.name)
        if number == 0 {
            try server.ip("link", "set", "guard0", "address", Self.serverMAC)
            try client.ip("link", "set", "peer0", "address", Self.clientMAC)
        }
        try server.ip("link", "set", "guard\(number)", "up")
        try client.ip("link", "set", "peer\(number)", "up")
    }

    /// Switches IPv6 on for the pair 0, without address checks.
    func addIPv6() throws {
        for (host, link, addresses, mac) in [
            (server, "guard0", [Self.serverV6], Self.clientMAC),
            (client, "peer0", Self.clientsV6, Self.serverMAC),
        ] {
            try host.inside {
                for setting in ["all", link] {
                    try "0".write(
                        toFile: "/proc/sys/net/ipv6/conf/\(setting)/disable_ipv6", atomically: false,
                        encoding: .utf8)
                }
            }
            for address in addresses {
                try host.ip("-6", "address", "add", address + "/128", "dev", link, "nodad")
            }
            try host.ip("-6", "route", "add", "2001:db8::/32", "dev", link)
            let others = host === server ? Self.clientsV6 : [Self.serverV6]
            for address in others {
                try host.ip("-6", "neighbour", "add", address, "lladdr", mac, "dev", link, "nud", "permanent")
            }
        }
    }

    /// Writes a policy file.
    func policy(_ text: String, as name: String = "policy.conf") throws -> String {
        try folder.file(name, text)
    }

    /// Applies a policy's text to `guard0`, which must succeed.
    func apply(_ text: String, as name: String = "policy.conf") throws {
        try server.mustRun("apply", policy(text, as: name), "--dev", "guard0")
    }

    /// What the product has counted.
    func counters() throws -> JSON { try server.report("top", "--once", "--interval", "0.1") }
}
