// SPDX-License-Identifier: Apache-2.0
// Who is limited: guard_limited's records, which the program notes its drops in. In: the mapped table. Out:
// one value a client.
import Glibc
import GuardABI
import NetworkTypes
import Synchronization

/// A client that a limit dropped packets of. What is no part of the limit's key is nil.
public struct LimitedClient: Sendable, Hashable {
    /// Of the client's bucket.
    public var tag: UInt64
    /// The limit's counters.
    public var slot: UInt32
    /// The first and the last drop of the spell, in nanoseconds of the program's clock (CLOCK_MONOTONIC).
    public var sinceNanoseconds: UInt64
    public var lastNanoseconds: UInt64
    /// In the spell, as far as it was counted: CPUs that drop of one client at once may miss some.
    public var dropped: Count
    /// Masked to the limit's prefix.
    public var source: IPAddress?
    public var destination: IPAddress?
    public var ipProtocol: IPProtocol?
    /// Destination port or ICMP type.
    public var port: UInt16?
    public var sourcePort: UInt16?
    /// Monitor mode: what was to be dropped went on.
    public var isWatched: Bool
}

extension LimitedClient {
    /// A group's record.
    /// - Parameters:
    ///   - group: the bytes of a `guard_limited_group`, which the program may be writing.
    ///   - way: 0 to 3.
    /// - Returns: nil for a free record, and for one that is being written.
    public init?(group: UnsafeRawPointer, way: Int) {
        typealias Client = guard_limited_client
        let ways = Int(GUARD_LIMITED_WAYS)
        func word(_ row: Int) -> UInt64 {
            group.load(fromByteOffset: (row * ways + way) * MemoryLayout<UInt64>.size, as: UInt64.self)
        }
        let place = group + 4 * ways * MemoryLayout<UInt64>.size + way * MemoryLayout<Client>.stride
        let version = place.load(as: UInt32.self)
        atomicMemoryFence(ordering: .acquiring)
        let (tag, last) = (word(0), word(1))
        let dropped = Count(packets: word(2), bytes: word(3))
        let client = place.load(as: Client.self)
        atomicMemoryFence(ordering: .acquiring)
        guard tag != 0, version & 1 == 0, place.load(as: UInt32.self) == version else { return nil }
        self.init(tag: tag, last: last, dropped: dropped, client)
    }

    private init(tag: UInt64, last: UInt64, dropped: Count, _ client: guard_limited_client) {
        func has(_ field: Int32) -> Bool { client.fields & UInt8(truncatingIfNeeded: field) != 0 }
        func address(_ address: guard_address6) -> IPAddress? {
            IPAddress(family: client.family, high: address.high, low: address.low)
        }
        self.tag = tag
        slot = client.slot
        sinceNanoseconds = client.since_ns
        lastNanoseconds = max(last, client.since_ns)
        self.dropped = dropped
        let key = guard_limit_key(rawValue: UInt32(client.key))
        source = key == GUARD_LIMIT_DESTINATION ? nil : address(client.source)
        let hasDestination = key == GUARD_LIMIT_DESTINATION || key == GUARD_LIMIT_CONNECTION
        destination = hasDestination ? address(client.destination) : nil
        ipProtocol = has(GUARD_LIMITED_PROTOCOL) ? IPProtocol(rawValue: client.protocol) : nil
        port = has(GUARD_LIMITED_PORT) ? client.port : nil
        sourcePort = has(GUARD_LIMITED_SOURCE_PORT) ? client.source_port : nil
        isWatched = has(GUARD_LIMITED_WATCHED)
    }

    /// The records of a table.
    /// - Parameter table: `guard_limited_group`s, one behind the other.
    public static func all(in table: UnsafeRawBufferPointer) -> [LimitedClient] {
        guard let base = table.baseAddress else { return [] }
        let size = MemoryLayout<guard_limited_group>.stride
        var found: [LimitedClient] = []
        for group in 0..<table.count / size {
            for way in 0..<Int(GUARD_LIMITED_WAYS) {
                // One more look: writing takes some hundred nanoseconds.
                if let client = LimitedClient(group: base + group * size, way: way)
                    ?? LimitedClient(group: base + group * size, way: way)
                {
                    found.append(client)
                }
            }
        }
        return found
    }
}

extension SharedState {
    /// Clients that limits dropped packets of; those whose last drop is long ago too. None where the policy
    /// has no limits.
    public func limitedClients() throws(KernelError) -> [LimitedClient] {
        guard let map = maps[.limited]?.raw else { return [] }
        let size = try Int(entries(ofMap: map)) * MemoryLayout<guard_limited_group>.stride
        let memory = try MapMemory(map: map, length: size)
        return LimitedClient.all(in: UnsafeRawBufferPointer(start: memory.base, count: size))
    }
}
