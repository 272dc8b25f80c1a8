// SPDX-License-Identifier: Apache-2.0
// Limits: whether their values go together.
import Diagnostics
import NetworkTypes

/// In bytes: what every link of IPv4 hosts carries, and what Ethernet does.
private let smallestBurst: UInt64 = 576
private let usualPacket: UInt64 = 1500

/// Seconds; beyond them the datapath's clock of buckets would wrap too soon.
private let longestFill: UInt128 = 100 * 86_400

extension PolicyChecker {
    mutating func checkLimit(_ ast: LimitAST) {
        guard let rate = ast.rate, let key = ast.per else { return hasErrors = true }
        var limit = Limit(name: ast.name.value, rate: rate.value, key: key.value, range: ast.name.range)
        if let burst = ast.burst {
            do throws(ValueError) {
                limit.burst = try parseBurst(burst.value, for: rate.value)
                checkBurst(limit, burst, rate)
            } catch {
                self.error(error.id, error.message, burst.range, help: error.help)
            }
        }
        limit.over = ast.over?.value ?? .drop
        limit.monitor = ast.mode?.value == .monitor
        if let prefix = ast.ipv6Prefix {
            limit.ipv6Prefix = prefix.value
            if !limit.usesSourcePrefix {
                warn(
                    "no-effect", "'ipv6-prefix' is of no use here", prefix.range,
                    help:
                        "it says how much of an IPv6 source is one client, with per: source or "
                        + "source+service, and how much 'over: ban' bans"
                )
            }
        }
        checkBan(ast, key)
        policy.limits.append(limit)
    }

    /// A burst that no packet fits in lets nothing pass, and one that takes years to fill is none.
    private mutating func checkBurst(_ limit: Limit, _ burst: Positioned<String>, _ rate: Positioned<Rate>) {
        if case .bytes(let bytes)? = limit.burst, bytes < usualPacket {
            guard bytes >= smallestBurst else {
                return error(
                    "small-burst", "a burst of '\(burst.value)' is less than a packet", burst.range,
                    help: "write at least \(smallestBurst) B, better \(usualPacket) B or more")
            }
            warn(
                "small-burst", "packets of more than \(bytes) bytes never pass", burst.range,
                help: "write at least \(usualPacket) B, the usual size of a packet on Ethernet")
        }
        guard secondsToFill(limit) > longestFill else { return }
        note(
            Diagnostic(
                id: "large-burst", "a burst of '\(burst.value)' takes more than 100 days to fill",
                at: burst.range, related: [.init(rate.range, "at this rate")],
                help: "write a smaller burst, or a higher rate"))
    }

    private func secondsToFill(_ limit: Limit) -> UInt128 {
        switch (limit.rate, limit.burst) {
        case (.packets(let count, let seconds), .packets(let burst)?):
            UInt128(burst) * UInt128(seconds) / UInt128(count)
        case (.bits(let bits), .bytes(let burst)?): UInt128(burst) * 8 / UInt128(bits)
        default: 0
        }
    }

    /// `per: connection` beside `service: gre` and the like: no ports could tell buckets apart.
    mutating func checkPorts(
        of limit: LimitAST, _ reference: Positioned<String>, _ rule: RuleAST, _ match: RuleMatch
    ) {
        guard let key = limit.per, key.value.hasService, let service = match.service,
            let list = rule.match.service,
            service.isWithoutPorts
        else { return }
        note(
            Diagnostic(
                id: "limit-without-ports",
                "limit '\(reference.value)' is per \(key.value.text), but the rule's service has no ports",
                at: reference.range,
                related: [.init(list.range, "none of these"), .init(key.range, "asks for them")],
                help: "use a limit per source, or name a service with ports or types"))
    }

    private mutating func checkBan(_ ast: LimitAST, _ key: Positioned<LimitKey>) {
        guard let over = ast.over, case .ban = over.value else { return }
        guard key.value == .destination || key.value == .rule else { return }
        note(
            Diagnostic(
                id: "ban-without-source",
                "a limit per \(key.value == .rule ? "rule" : "destination") bans nobody",
                at: over.range, related: [.init(key.range, "counts all sources together")],
                help: "write per: source, or over: drop"))
    }
}

extension Limit {
    /// Whether a source's prefix is the bucket or part of it, or is banned.
    fileprivate var usesSourcePrefix: Bool {
        switch key {
        case .source, .sourceAndService: true
        case .connection: over != .drop
        case .destination, .rule: false
        }
    }
}

extension LimitKey {
    /// Whether ports and types are part of the bucket.
    fileprivate var hasService: Bool { self == .sourceAndService || self == .connection }
}

extension ServiceSet {
    /// It names some protocols, none of which has ports or types.
    fileprivate var isWithoutPorts: Bool {
        let named = exceptions.filter { $0.value != .none }.keys
        return !others && !named.isEmpty && named.allSatisfy { !$0.hasPorts && !$0.hasTypes }
    }
}
