// SPDX-License-Identifier: Apache-2.0
// Limits: whether their values go together.
import Diagnostics

extension PolicyChecker {
    mutating func checkLimit(_ ast: LimitAST) {
        guard let rate = ast.rate, let key = ast.per else { return hasErrors = true }
        var limit = Limit(name: ast.name.value, rate: rate.value, key: key.value, range: ast.name.range)
        if let burst = ast.burst {
            do throws(ValueError) {
                limit.burst = try parseBurst(burst.value, for: rate.value)
            } catch {
                self.error(error.id, error.message, burst.range, help: error.help)
            }
        }
        limit.over = ast.over?.value ?? .drop
        limit.monitor = ast.mode?.value == .monitor
        if let prefix = ast.ipv6Prefix {
            limit.ipv6Prefix = prefix.value
            if !key.value.hasSource {
                warn(
                    "no-effect", "'ipv6-prefix' is of no use here", prefix.range,
                    help:
                        "it says how much of an IPv6 source is one client, with per: source or source+service"
                )
            }
        }
        checkBan(ast, key)
        policy.limits.append(limit)
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

extension LimitKey {
    /// Whether a source's prefix is the bucket or part of it.
    fileprivate var hasSource: Bool {
        switch self {
        case .source, .sourceAndService: true
        case .destination, .connection, .rule: false
        }
    }
}
