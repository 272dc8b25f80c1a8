// SPDX-License-Identifier: Apache-2.0
// The rate above which a rule's SYNs are asked for cookies, as the limit that it is.

extension Rule {
    /// One bucket for all SYNs of the rule, of one second's worth; nil where the rule asks for no cookies.
    /// Its name is one that no limit of a policy can have.
    public var synCookieLimit: Limit? {
        guard let rate = synCookiesAbove, action == .pass else { return nil }
        return Limit(name: "syn-cookies of \(name)", rate: rate, key: .rule, range: range)
    }
}
