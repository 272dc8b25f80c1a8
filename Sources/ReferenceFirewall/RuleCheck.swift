// SPDX-License-Identifier: Apache-2.0
// Whether a rule's keys hold for a packet: all of them must, and a key whose field was not read never does.
import NetworkTypes
import PolicyLanguage

extension Rule {
    /// Gone from the second `expires` on.
    func isExpired(atNanoseconds time: Int64) -> Bool {
        guard let expires else { return false }
        let (end, isBeyondAllTime) = expires.multipliedReportingOverflow(by: 1_000_000_000)
        return isBeyondAllTime ? expires < 0 : time >= end
    }

    /// What it would do is only reported.
    var onlyWatches: Bool { monitor && (action == .drop || action == .reject) }
}

extension RuleMatch {
    func holds(_ packet: PacketReading, on interface: String?) -> Bool {
        holds(source, packet.source) { $0.contains($1) }
            && holds(destination, packet.destination) { $0.contains($1) }
            && holds(service, packet.proto) { $0.contains($1, key: packet.serviceKey) }
            && holds(sourcePort, packet.sourcePort) { $0.contains($1) }
            && holds(tcpFlags, packet.tcpFlags) { $0.holds($1) }
            && holds(families, packet.source?.family) { $0.contains($1) }
            // Every packet comes in somewhere: an interface without a name is named by no name, not unread.
            && holds(self.interface, interface ?? "") { $0.holds($1) }
            && vlanHolds(packet)
            && holds(length, packet.length) { $0.contains($1) }
            && holds(ttl, packet.ttl) { $0.contains($1) }
            && holds(dscp, packet.dscp) { $0.contains($1) }
            && holds(fragment, packet.fragment) { $0.contains($1) }
            && holds(ipOptions, packet.ipOptions) { $0 == $1 }
            && holds(payload, packet.payload) { patterns, payload in patterns.contains { $0.holds(payload) } }
    }

    /// A key that is not there holds for every packet, any other for no packet whose field could not be read.
    private func holds<Key, Field>(_ key: Key?, _ field: Field?, _ test: (Key, Field) -> Bool) -> Bool {
        guard let key else { return true }
        guard let field else { return false }
        return test(key, field)
    }

    private func vlanHolds(_ packet: PacketReading) -> Bool {
        tagHolds(vlan, 0, packet) && tagHolds(innerVLAN, 1, packet)
    }

    /// A tag can be known to be absent only where all tags were read.
    private func tagHolds(_ key: TagMatch?, _ position: Int, _ packet: PacketReading) -> Bool {
        guard let key else { return true }
        if position < packet.tags.count { return key.holds(packet.tags[position]) }
        return packet.tagsWereRead && key.holds(nil)
    }
}

extension PayloadPattern {
    func holds(_ payload: [UInt8]) -> Bool {
        let window = Window(payload[...])
        guard offset >= 0, offset <= payload.count - bytes.count else { return false }
        return zip(bytes, mask).enumerated().allSatisfy { index, wanted in
            window.byte(offset + index) & wanted.1 == wanted.0 & wanted.1
        }
    }
}
