// SPDX-License-Identifier: Apache-2.0
// The way back in: an entry's sources to its service, and the replies to them; docs/policy.md, "Failsafe".
import NetworkTypes
import PolicyLanguage

extension PacketReading {
    func isSaved(by entry: FailsafeEntry) -> Bool {
        isRequest(of: entry) || isReply(to: entry)
    }

    private func isRequest(of entry: FailsafeEntry) -> Bool {
        isWithin(entry.source, source) && isWithin(entry.service, key: serviceKey)
    }

    private func isReply(to entry: FailsafeEntry) -> Bool {
        guard isWithin(entry.source, destination) else { return false }
        guard let service = entry.service else { return true }
        guard let proto else { return false }
        let keys = service.keys(of: proto)
        // A service without ports or types asks for the protocol alone, whatever was read behind it.
        if keys == .all { return true }
        if proto.hasTypes { return icmpType.map { answers($0, proto, keys.values) } ?? keys.unread }
        return service.contains(proto, key: sourcePort)
    }

    /// Whether an ICMP type answers one of `asked`: echo replies answer echo requests.
    private func answers(_ type: UInt8, _ proto: IPProtocol, _ asked: IntervalSet<UInt16>) -> Bool {
        if proto == .icmp { return type == 0 && asked.contains(8) }
        return type == 129 && asked.contains(128)
    }

    private func isWithin(_ set: AddressSet?, _ address: IPAddress?) -> Bool {
        guard let set else { return true }
        return address.map(set.contains) ?? false
    }

    private func isWithin(_ service: ServiceSet?, key: UInt16?) -> Bool {
        guard let service else { return true }
        return proto.map { service.contains($0, key: key) } ?? false
    }
}
