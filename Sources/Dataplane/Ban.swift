// SPDX-License-Identifier: Apache-2.0
// One ban, and how it lies in the kernel's table.
import Glibc
import GuardABI
import NetworkTypes

/// Who banned.
public enum BanOrigin: Sendable, Hashable {
    /// An operator.
    case manual
    /// A limit with `over: ban`.
    case limit(slot: UInt32)
    case inspector
}

/// One banned prefix.
public struct Ban: Sendable, Hashable {
    public var prefix: Prefix
    /// CLOCK_MONOTONIC nanoseconds; nil: for ever.
    public var endsNanoseconds: UInt64?
    /// CLOCK_MONOTONIC nanoseconds; of a time before the boot, modulo 2^64.
    public var sinceNanoseconds: UInt64
    public var origin = BanOrigin.manual
    /// What it has dropped.
    public var dropped: Count
    /// At most 63 bytes of UTF-8 are kept.
    public var reason: String

    /// A ban by hand that has dropped nothing yet.
    public init(_ prefix: Prefix, since: UInt64, ends: UInt64?, reason: String) {
        self.prefix = prefix
        self.sinceNanoseconds = since
        self.endsNanoseconds = ends
        self.reason = reason
        self.dropped = Count()
    }

    /// Whether it holds as long as another, or longer.
    func outlives(_ other: Ban) -> Bool {
        guard let ends = endsNanoseconds else { return true }
        return other.endsNanoseconds.map { ends >= $0 } ?? false
    }

    /// Whether it holds at a time of CLOCK_MONOTONIC.
    public func holds(at now: UInt64) -> Bool { endsNanoseconds.map { now < $0 } ?? true }
}

/// The clock of bans and of rules that expire: CLOCK_MONOTONIC, nanoseconds.
public func programClock() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension guard_ban_lengths {
    mutating func insert(_ prefix: Prefix) {
        withUnsafeMutableBytes(of: &self) {
            $0.bindMemory(to: UInt64.self)[Self.word(of: prefix)] |= Self.bit(of: prefix)
        }
    }

    /// The word of this structure that says whether there are bans of a length, and the bit in it.
    static func word(of prefix: Prefix) -> Int {
        prefix.address.family == .ipv4 ? 0 : 1 + prefix.length / 64
    }

    static func bit(of prefix: Prefix) -> UInt64 { UInt64(1) << UInt64(prefix.length % 64) }
}

extension guard_ban_key {
    /// The prefix as the program looks it up.
    public init(_ prefix: Prefix) {
        self.init()
        family = prefix.address.family == .ipv4 ? 4 : 6
        length = UInt32(prefix.length)
        high = UInt64(truncatingIfNeeded: prefix.address.bits >> 64)
        low = UInt64(truncatingIfNeeded: prefix.address.bits)
    }
}

extension guard_ban {
    public init(_ ban: Ban) {
        self.init()
        ends_ns = ban.endsNanoseconds ?? GUARD_FOREVER
        since_ns = ban.sinceNanoseconds
        packets = ban.dropped.packets
        bytes = ban.dropped.bytes
        switch ban.origin {
        case .manual: origin = GUARD_BAN_MANUAL.rawValue
        case .limit(let slot): (origin, limit_slot) = (GUARD_BAN_LIMIT.rawValue, slot)
        case .inspector: origin = GUARD_BAN_INSPECTOR.rawValue
        }
        // Whole characters only: a cut one would not be text any more.
        var text = ban.reason
        while text.utf8.count > Int(GUARD_BAN_REASON_SIZE) - 1 { text.removeLast() }
        withUnsafeMutableBytes(of: &reason) { $0.copyBytes(from: text.utf8) }
    }
}

extension Ban {
    init?(_ key: guard_ban_key, _ value: guard_ban) {
        guard
            let address = IPAddress(
                family: UInt8(truncatingIfNeeded: key.family), high: key.high, low: key.low),
            let prefix = Prefix(masking: address, length: Int(key.length))
        else { return nil }
        let reason = withUnsafeBytes(of: value.reason) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        self.init(
            prefix, since: value.since_ns, ends: value.ends_ns == GUARD_FOREVER ? nil : value.ends_ns,
            reason: reason)
        switch value.origin {
        case GUARD_BAN_LIMIT.rawValue: origin = .limit(slot: value.limit_slot)
        case GUARD_BAN_INSPECTOR.rawValue: origin = .inspector
        default: origin = .manual
        }
        dropped = Count(packets: value.packets, bytes: value.bytes)
    }
}
