// SPDX-License-Identifier: Apache-2.0
// What a packet is charged by a limit, and to which bucket; docs/policy.md, "Rate limits".
import NetworkTypes
import PolicyLanguage

/// The longest IP packet; what is longer counts as it.
private let longestPacket = 65_575

extension Limit {
    /// - Parameter length: of the IP packet, in bytes.
    func size(length: Int) -> BucketSize {
        switch rate {
        case .packets(let count, let seconds): packetSize(UInt128(count), UInt128(seconds))
        case .bits(let bits): byteSize(UInt128(bits), length: UInt128(min(max(0, length), longestPacket)))
        }
    }

    private func packetSize(_ count: UInt128, _ seconds: UInt128) -> BucketSize {
        let second = UInt128(TokenBuckets.second)
        let cost = (2 * second * seconds + count) / (2 * count)
        guard case .packets(let packets)? = burst else {
            let (whole, rest) = (count * cost).quotientAndRemainder(dividingBy: seconds)
            return BucketSize(burst: UInt64(max(cost, whole + (rest > 0 ? 1 : 0))), cost: UInt64(cost))
        }
        return BucketSize(burst: UInt64(UInt128(packets) * cost), cost: UInt64(cost))
    }

    private func byteSize(_ bits: UInt128, length: UInt128) -> BucketSize {
        let price = BytePrice(bits: bits)
        var bytes = max(bits / 8, 1500)
        if case .bytes(let written)? = burst { bytes = UInt128(written) }
        return BucketSize(burst: UInt64(price.of(bytes)), cost: UInt64(price.of(length)))
    }

    /// The name of the bucket that a packet is charged to.
    /// - Parameter rule: that charges it; nil for a limit that but one rule can have.
    func bucket(of packet: PacketReading, for rule: String? = nil) -> UInt64 {
        let words = [definitionHash(for: rule)] + keyWords(packet)
        let name = words.reduce(UInt64(0)) { hash, word in
            let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
            return product ^ product >> 32
        }
        return name == 0 ? 1 : name
    }

    /// FNV-1a of what the limit is, in one line of text.
    func definitionHash(for rule: String?) -> UInt64 {
        var text = definitionText
        if key == .rule, let rule { text += "|" + rule }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    private var definitionText: String {
        var fields = [name]
        switch rate {
        case .packets(let count, let seconds): fields += ["packets", "\(count)", "\(seconds)"]
        case .bits(let bits): fields += ["bits", "\(bits)", "1"]
        }
        switch burst {
        case nil: fields.append("0")
        case .packets(let number)?, .bytes(let number)?: fields.append("\(number)")
        }
        switch key {
        case .source(let prefix): fields += ["source", "\(prefix)"]
        case .destination: fields += ["destination", "32"]
        case .sourceAndService: fields += ["source+service", "32"]
        case .connection: fields += ["connection", "32"]
        case .rule: fields += ["rule", "32"]
        }
        return (fields + ["\(ipv6Prefix)"]).joined(separator: "|")
    }

    /// What tells a packet's bucket from the limit's others.
    private func keyWords(_ packet: PacketReading) -> [UInt64] {
        guard let source = packet.source, let destination = packet.destination else { return [] }
        let family: UInt64 = source.family == .ipv4 ? 4 : 6
        switch key {
        case .rule: return []
        case .source: return [family] + words(client(source))
        case .destination: return [family] + words(destination)
        case .sourceAndService: return [family] + words(client(source)) + [service(packet)]
        case .connection:
            let port = UInt64(packet.sourcePort ?? 0) << 32
            return [family] + words(source) + words(destination) + [service(packet) | port]
        }
    }

    private func service(_ packet: PacketReading) -> UInt64 {
        UInt64(packet.proto?.rawValue ?? 0) << 16 | UInt64(packet.serviceKey ?? 0)
    }

    /// The first address of the source's aggregate.
    private func client(_ source: IPAddress) -> IPAddress { aggregate(of: source).address }

    /// All addresses that are one client with this one.
    func aggregate(of source: IPAddress) -> Prefix {
        var length = Int(ipv6Prefix)
        if source.family == .ipv4 {
            length = 32
            if case .source(let prefix) = key { length = Int(prefix) }
        }
        return Prefix(masking: source, length: length) ?? Prefix(source)
    }

    private func words(_ address: IPAddress) -> [UInt64] {
        let low = UInt64(truncatingIfNeeded: address.bits)
        return address.family == .ipv4 ? [low] : [UInt64(truncatingIfNeeded: address.bits >> 64), low]
    }
}

/// What a byte costs: a fraction with a power of two below the line.
private struct BytePrice {
    private let cost: UInt128
    private let shift: UInt128

    init(bits: UInt128) {
        let byte = 8 * UInt128(TokenBuckets.second)
        func cost(_ shift: UInt128) -> UInt128 { ((byte << shift) + bits / 2) / bits }
        // The finest of which the longest packet's cost fits in 64 bits.
        let shifts = (UInt128(0)...32).reversed()
        shift = shifts.first { UInt128(longestPacket) * cost($0) + Self.half($0) < 1 << 64 } ?? 0
        self.cost = cost(shift)
    }

    func of(_ bytes: UInt128) -> UInt128 { (bytes * cost + Self.half(shift)) >> shift }

    private static func half(_ shift: UInt128) -> UInt128 { (1 << shift) / 2 }
}
