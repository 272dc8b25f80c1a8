// SPDX-License-Identifier: Apache-2.0
// The model of `limits`: what limits did, who is limited, how one address stands. Pure: text and JSON are
// made from it.
import Dataplane
import GuardABI
import NetworkTypes

public struct LimitReport: Sendable {
    public struct Row: Sendable {
        public var limit: GenerationInfo.LimitInfo
        /// Since the limit's name got its counters.
        public var count: LimitCount
        /// Of which packets were dropped within the last minute, as far as the table has room for them.
        public var clients: Int
    }

    public var policy: String
    public var mode: String
    /// In the policy's order.
    public var rows: [Row]
    /// Nil where no policy had limits so far.
    public var buckets: BucketFill?
}

/// A client whose packets a limit drops.
public struct LimitedRow: Sendable {
    public var limit: GenerationInfo.LimitInfo
    public var client: LimitedClient
    /// On the wall clock, in nanoseconds since 1970: the spell's first and last drop.
    public var sinceNanoseconds: Int64
    public var lastNanoseconds: Int64
    /// For how long: from the first drop to now.
    public var spanNanoseconds: UInt64
    public var dropsPerSecond: Double
    public var tokens: BucketTokens
}

/// How an address stands with a limit whose key it is.
public struct AddressRow: Sendable {
    public var limit: GenerationInfo.LimitInfo
    /// What shares the bucket: the address or the prefix it is in.
    public var key: Prefix
    /// As a packet's source, or else as its destination.
    public var isSource: Bool
    public var tokens: BucketTokens
    /// While packets are dropped.
    public var limited: LimitedRow?
}

public struct AddressReport: Sendable {
    public var address: IPAddress
    /// In the policy's order.
    public var rows: [AddressRow]
    /// Of limits whose key has more than the address: those that mention it and are limited, most first.
    public var clients: [LimitedRow]
    /// That hold for the address, longest prefix last.
    public var bans: [BanEntry]
}

/// What was read at one time, for all reports.
struct LimitReading {
    var info: GenerationInfo
    /// The program's clock and the wall clock, in nanoseconds.
    var now: UInt64
    var wall: Int64
    var clients: [LimitedClient]
    /// A tag's theoretical arrival time; nil: no bucket.
    var time: (UInt64) throws -> UInt64?

    var limits: [GenerationInfo.LimitInfo] { info.header.limits }

    /// Those whose spell goes on.
    var limited: [LimitedClient] {
        clients.filter { now < $0.lastNanoseconds || now - $0.lastNanoseconds < GUARD_LIMITED_SPELL_NS }
    }

    /// The clients that are limited now, most dropped packets first.
    func rows() throws -> [LimitedRow] {
        let bySlot = Dictionary(limits.map { ($0.slot, $0) }, uniquingKeysWith: { first, _ in first })
        let found = try limited.compactMap { client in
            try bySlot[client.slot].map { try row(client, of: $0) }
        }
        return found.sorted {
            ($1.client.dropped.packets, $0.client.sinceNanoseconds, $0.client.tag)
                < ($0.client.dropped.packets, $1.client.sinceNanoseconds, $1.client.tag)
        }
    }

    func row(_ client: LimitedClient, of limit: GenerationInfo.LimitInfo) throws -> LimitedRow {
        let offset = wall &- Int64(clamping: now)
        // Over at least a second, so that two packets in a row are no rate.
        let span = max(1e9, Double(client.lastNanoseconds &- client.sinceNanoseconds))
        return LimitedRow(
            limit: limit, client: client,
            sinceNanoseconds: Int64(clamping: client.sinceNanoseconds) &+ offset,
            lastNanoseconds: Int64(clamping: client.lastNanoseconds) &+ offset,
            spanNanoseconds: now > client.sinceNanoseconds ? now - client.sinceNanoseconds : 0,
            dropsPerSecond: Double(client.dropped.packets) * 1e9 / span,
            tokens: limit.tokens(time: try time(client.tag), now: now))
    }

    func clientCount(of limit: GenerationInfo.LimitInfo) -> Int {
        limited.count { $0.slot == limit.slot }
    }

    /// - Parameter tag: of a limit's bucket for an address or prefix.
    func report(
        on address: IPAddress, bans: [BanEntry], tag: (GenerationInfo.LimitInfo, Prefix) -> UInt64
    ) throws -> AddressReport {
        let all = try rows()
        var known: Set<UInt64> = []
        let rows = try limits.compactMap { limit -> AddressRow? in
            guard let key = limit.key(of: address) else { return nil }
            let tag = tag(limit, key.prefix)
            known.insert(tag)
            return AddressRow(
                limit: limit, key: key.prefix, isSource: key.isSource,
                tokens: limit.tokens(time: try time(tag), now: now),
                limited: all.first { $0.client.tag == tag })
        }
        let clients = all.filter { row in
            !known.contains(row.client.tag) && row.mentions(address)
        }
        let holding = bans.filter { $0.prefix.contains(address) }.sorted {
            $0.prefix.length < $1.prefix.length
        }
        return AddressReport(address: address, rows: rows, clients: clients, bans: holding)
    }
}

extension GenerationInfo.LimitInfo {
    /// What an address alone is a key of; nil where the limit's key is more than that, or none.
    func key(of address: IPAddress) -> (prefix: Prefix, isSource: Bool)? {
        switch guard_limit_key(rawValue: UInt32(key)) {
        case GUARD_LIMIT_SOURCE: Prefix(masking: address, length: length(for: address)).map { ($0, true) }
        case GUARD_LIMIT_DESTINATION: (Prefix(address), false)
        default: nil
        }
    }

    fileprivate func length(for address: IPAddress) -> Int {
        address.family == .ipv4 ? Int(ipv4Prefix) : Int(ipv6Prefix)
    }
}

extension LimitedRow {
    /// The client as far as it is a source: of an aggregate its prefix.
    public var source: Prefix? {
        client.source.flatMap { source in
            let isConnection = client.destination != nil
            return Prefix(
                masking: source, length: isConnection ? source.family.bitWidth : limit.length(for: source))
        }
    }

    func mentions(_ address: IPAddress) -> Bool {
        client.destination == address || source?.contains(address) == true
    }

    /// As in "203.0.113.0/24", "203.0.113.7 tcp/443", "tcp 203.0.113.7:40000 > 198.51.100.1:443".
    public var text: String {
        switch (client.source, client.destination) {
        case (let source?, let destination?):
            let proto = client.ipProtocol ?? IPProtocol(rawValue: 0)
            var packet = PacketDescription(proto: proto, source: source, destination: destination)
            packet.tcpFlags = []
            packet.sourcePort = client.sourcePort
            if proto.hasTypes {
                packet.icmpType = client.port.map { UInt8(truncatingIfNeeded: $0) }
            } else {
                packet.destinationPort = client.port
            }
            return packet.flowText
        case (nil, let destination?): return "\(destination)"
        case (.some, nil):
            return ([source.map(\.description)] + [service]).compactMap { $0 }.joined(separator: " ")
        case (nil, nil): return "all packets"
        }
    }

    /// Protocol and port or type, where they are part of the key, as policies write them.
    public var service: String? {
        guard let proto = client.ipProtocol else { return nil }
        let name = proto.name ?? "proto/\(proto.rawValue)"
        guard let port = client.port, proto.hasPorts || proto.hasTypes else { return name }
        let type = proto.hasTypes ? ICMPTypeNames.name(of: UInt8(truncatingIfNeeded: port), in: proto) : nil
        return "\(name)/\(type ?? String(port))"
    }
}
