// SPDX-License-Identifier: Apache-2.0
// Which interfaces a policy goes to: `--dev`, or the policy's globs over what is there.
import Dataplane
import PolicyLanguage

/// - Parameters:
///   - devices: names or globs from the command line; they replace the policy's `interfaces`.
///   - available: this network namespace's interfaces.
/// - Throws: `ServiceError` naming an interface that does not exist, or that nothing was named.
func selectInterfaces(
    _ policy: CheckedPolicy, devices: [String], available: [NetworkInterface]
) throws -> [NetworkInterface] {
    let patterns = devices.isEmpty ? policy.interfaces : devices
    guard !patterns.isEmpty else {
        throw ServiceError(
            .usage,
            "policy '\(policy.name)' names no interfaces; add 'interfaces: [...]' to it or use --dev NAME")
    }
    var chosen: [NetworkInterface] = []
    for pattern in patterns {
        let found = available.filter { isMeant($0.name, by: pattern) }
        guard !found.isEmpty else {
            let names = available.map(\.name).joined(separator: ", ")
            throw ServiceError(
                .unavailable, "interface '\(pattern)' does not exist here; there are: \(names)")
        }
        chosen += found.filter { !chosen.contains($0) }
    }
    return chosen
}

/// The interfaces that `detach` is to leave.
/// - Parameters:
///   - patterns: names or globs from the command line.
///   - attached: where programs of ours are.
/// - Throws: `ServiceError` naming what means none of them.
func selectAttached(_ patterns: [String], of attached: [String]) throws -> Set<String> {
    var chosen: Set<String> = []
    for pattern in patterns {
        let found = attached.filter { isMeant($0, by: pattern) }
        guard !found.isEmpty else {
            let list =
                attached.isEmpty
                ? "nothing is attached here" : "attached: " + attached.sorted().joined(separator: ", ")
            throw ServiceError(.unavailable, "no policy runs on interface '\(pattern)'; \(list)")
        }
        chosen.formUnion(found)
    }
    return chosen
}

/// The kernel takes names with the signs of globs in them.
private func isMeant(_ name: String, by pattern: String) -> Bool {
    name == pattern || glob(pattern, matches: name)
}
