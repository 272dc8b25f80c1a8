// SPDX-License-Identifier: Apache-2.0
// EVE's `ssh` object. In: both sides' banners and offers. Out: its fields in Suricata's order.
import JSONOutput
import Protocols

extension SSHSession {
    /// What an `ssh` event, or an alert on this connection, says of it.
    var eve: JSONValue {
        var members = EventMembers()
        if let side = client.eve { members.add("client", side) }
        if let side = server.eve { members.add("server", side) }
        return members.object
    }

    var summary: String {
        let sides = [client, server].map { eventText($0.banner?.softwareVersion ?? [], limit: longestName) }
        return sides.map { $0.isEmpty ? "?" : $0 }.joined(separator: " with ")
    }
}

extension SSHPeer {
    fileprivate var eve: JSONValue? {
        var members = EventMembers()
        if let banner {
            members.text("proto_version", banner.protocolVersion)
            members.text("software_version", banner.softwareVersion)
        }
        if let keyExchange {
            members.add(
                "hassh",
                .object([
                    ("hash", eventValue(keyExchange.hassh)), ("string", eventValue(keyExchange.hasshText)),
                ]))
        }
        return members.isEmpty ? nil : members.object
    }
}
