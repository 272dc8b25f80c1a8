// SPDX-License-Identifier: Apache-2.0
// Rates that rules have for themselves, behind the policy's limits in the image: those of SYN cookies, and of
// limits per rule. What cookies may agree to.
import GuardABI
import PolicyLanguage

/// What the stack of the host that will run the policy agrees to when it finishes a handshake that a cookie
/// began. All off: maximum segment sizes alone.
public struct CookieOffer: Sendable, Hashable {
    /// Without timestamps there is neither of the others: they travel in them.
    public var timestamps = false
    public var sack = false
    public var windowScaling = false
    /// Bits that this host scales its windows by: 0 to 14.
    public var scale: UInt8 = 0
    /// Bytes that a SYN+ACK announces.
    public var window = UInt16.max

    public init() {}

    func write(to config: inout guard_config) {
        func flag(_ flag: guard_cookie_offer, _ isOn: Bool) -> UInt8 { isOn ? UInt8(flag.rawValue) : 0 }
        config.cookie_offers =
            flag(GUARD_COOKIE_TIMESTAMPS, timestamps) | flag(GUARD_COOKIE_SACK, sack)
            | flag(GUARD_COOKIE_SCALE, windowScaling)
        config.cookie_scale = min(scale, 14)
        config.cookie_window = window
    }
}

extension PolicyCompiler {
    /// Adds the rate of a rule that asks for cookies to the limits.
    /// - Returns: its position; GUARD_NO_LIMIT for other rules.
    mutating func cookieRecord(_ rule: Rule) -> UInt16 {
        guard let limit = rule.synCookieLimit else { return UInt16(GUARD_NO_LIMIT) }
        return add(guard_limit(limit, slot: GUARD_NO_SLOT), of: rule)
    }

    /// The limit of a rule; one with `per: rule` is added anew for each rule, with a bucket of its own.
    /// - Parameter positions: of the policy's limits, by name.
    /// - Returns: its position; GUARD_NO_LIMIT for rules without one.
    mutating func limitRecord(_ rule: Rule, _ positions: [String: Int]) -> UInt16 {
        guard let name = rule.limit, let position = positions[name] else { return UInt16(GUARD_NO_LIMIT) }
        let limit = policy.limits[position]
        guard case .rule = limit.key else { return UInt16(clamping: position) }
        return add(guard_limit(limit, slot: limitRecords[position].slot, rule: rule.name), of: rule)
    }

    private mutating func add(_ record: guard_limit, of rule: Rule) -> UInt16 {
        guard limitRecords.count < Int(GUARD_NO_LIMIT) else {
            problems.append(
                self.limit(
                    "more than \(GUARD_NO_LIMIT) rules have limits 'per: rule' or syn-cookies",
                    "at most \(GUARD_NO_LIMIT) are possible", at: rule.range))
            return UInt16(GUARD_NO_LIMIT)
        }
        limitRecords.append(record)
        return UInt16(limitRecords.count - 1)
    }
}
