// SPDX-License-Identifier: Apache-2.0
// A limit's rate and burst as the integers that charge packets: docs/policy.md, "Rate limits". In: what the
// policy says. Out: a cost and a tolerance in bucket time.
import GuardABI
import PolicyLanguage

/// What a packet or a byte costs, and how far a bucket may be overdrawn; times in 1/256 ns.
public struct TokenBucket: Hashable, Sendable {
    /// Of a packet; with a rate in bits of a byte, in 2^-`costShift` of the unit.
    public var cost: UInt64
    public var costShift: UInt8 = 0
    /// What the burst costs.
    public var tolerance: UInt64

    /// Bytes of the smallest burst that a rate in bits has where none is written: a packet of the usual size.
    private static let leastBytes: UInt64 = 1500
    /// Finer shares of a unit do not matter.
    private static let mostShift: UInt8 = 32

    /// - Parameter burst: in the unit of the rate; nil: one second's worth, at least one packet.
    public init(rate: Rate, burst: Burst?) {
        switch rate {
        case .packets(let count, let seconds):
            cost = Self.rounded(UInt128(GUARD_BUCKET_SECOND) * UInt128(seconds), by: UInt128(count))
            let second = (UInt128(count) * UInt128(cost) + UInt128(seconds) - 1) / UInt128(seconds)
            tolerance = UInt64(clamping: max(UInt128(cost), second))
            if case .packets(let packets) = burst {
                tolerance = UInt64(clamping: UInt128(packets) * UInt128(cost))
            }
        case .bits(let bits):
            let byte = UInt128(GUARD_BUCKET_SECOND) * 8
            (cost, costShift) = (Self.rounded(byte, by: UInt128(bits)), 0)
            // As many bits of a fraction as the longest packet leaves room for.
            while costShift < Self.mostShift {
                let finer = (byte << UInt128(costShift + 1) + UInt128(bits) / 2) / UInt128(bits)
                let longest = finer * UInt128(GUARD_LIMITED_LENGTH_MAX) + 1 << UInt128(costShift)
                if longest > UInt128(UInt64.max) { break }
                (cost, costShift) = (UInt64(finer), costShift + 1)
            }
            var bytes = max(bits / 8, Self.leastBytes)
            if case .bytes(let written) = burst { bytes = written }
            tolerance = 0
            tolerance = cost(ofBytes: bytes)
        }
    }

    /// What an IP packet of so many bytes costs where the rate is in bits.
    public func cost(ofBytes bytes: UInt64) -> UInt64 {
        let half = (UInt128(1) << UInt128(costShift)) >> 1
        return UInt64(clamping: (UInt128(bytes) * UInt128(cost) + half) >> UInt128(costShift))
    }

    private static func rounded(_ dividend: UInt128, by divisor: UInt128) -> UInt64 {
        UInt64(clamping: (dividend + divisor / 2) / divisor)
    }
}

extension Limit {
    /// A name, a number and a unit for all that makes one bucket another; what hashes of its keys begin with.
    /// `over` and `mode` are no part of it: a bucket stays what it is.
    /// - Parameter rule: the name of the one that charges; with `per: rule` each has a bucket of its own.
    public func definition(for rule: String? = nil) -> String {
        let rate: String
        switch self.rate {
        case .packets(let count, let seconds): rate = "packets|\(count)|\(seconds)"
        case .bits(let bits): rate = "bits|\(bits)|1"
        }
        let burst: UInt64
        switch self.burst {
        case .packets(let packets)?: burst = packets
        case .bytes(let bytes)?: burst = bytes
        case nil: burst = 0
        }
        let text = "\(name)|\(rate)|\(burst)|\(key.word)|\(prefixes.ipv4)|\(prefixes.ipv6)"
        if case .rule = key, let rule { return text + "|" + rule }
        return text
    }

    /// Leading bits of a source that are one client.
    public var prefixes: (ipv4: UInt8, ipv6: UInt8) {
        if case .source(let prefix) = key { return (prefix, ipv6Prefix) }
        return (32, ipv6Prefix)
    }
}

extension LimitKey {
    /// As policies spell it, without a prefix length.
    fileprivate var word: String {
        switch self {
        case .source: "source"
        case .destination: "destination"
        case .sourceAndService: "source+service"
        case .connection: "connection"
        case .rule: "rule"
        }
    }

    fileprivate var abi: guard_limit_key {
        switch self {
        case .source: GUARD_LIMIT_SOURCE
        case .destination: GUARD_LIMIT_DESTINATION
        case .sourceAndService: GUARD_LIMIT_SOURCE_SERVICE
        case .connection: GUARD_LIMIT_CONNECTION
        case .rule: GUARD_LIMIT_RULE
        }
    }
}

extension guard_limit {
    /// Bursts that are gone faster meet several ticks of the coarse clock.
    private static let coarseNanoseconds: UInt64 = 50_000_000

    /// - Parameters:
    ///   - slot: of the limit's counters.
    ///   - rule: whose packets are charged; nil: any rule's, but with `per: rule`.
    public init(_ limit: Limit, slot: UInt32, rule: String? = nil) {
        self.init(
            TokenBucket(rate: limit.rate, burst: limit.burst), definition: limit.definition(for: rule))
        self.slot = slot
        key = UInt8(limit.key.abi.rawValue)
        (prefix4, prefix6) = limit.prefixes
        if case .bits = limit.rate { flags |= UInt8(GUARD_LIMIT_BYTES) }
        if limit.monitor { flags |= UInt8(GUARD_LIMIT_MONITOR) }
        if case .ban(let nanoseconds) = limit.over {
            flags |= UInt8(GUARD_LIMIT_BAN)
            ban_ns = UInt64(max(0, nanoseconds))
        }
    }

    /// A bucket that all packets share and that has no counters.
    /// - Parameter definition: another text is another bucket.
    public init(_ bucket: TokenBucket, definition: String) {
        self.init()
        seed = fnv1a(definition)
        cost = bucket.cost
        cost_shift = bucket.costShift
        tolerance = bucket.tolerance
        slot = GUARD_NO_SLOT
        key = UInt8(GUARD_LIMIT_RULE.rawValue)
        (prefix4, prefix6) = (32, 64)
        if bucket.tolerance >> UInt64(GUARD_BUCKET_TIME_SHIFT) < Self.coarseNanoseconds {
            flags |= UInt8(GUARD_LIMIT_EXACT_CLOCK)
        }
    }
}

/// Fowler, Noll and Vo's hash of a text's bytes (RFC 9923).
func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
}
