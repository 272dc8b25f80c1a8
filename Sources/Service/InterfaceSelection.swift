// SPDX-License-Identifier: Apache-2.0
// Which interfaces a policy goes to: `--dev`, or the policy's globs over what is there.
import Dataplane
import PolicyLanguage

/// - Parameters:
///   - devices: names from the command line; they replace the policy's `interfaces`.
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
        let found = available.filter {
            devices.isEmpty ? glob(pattern, matches: $0.name) : $0.name == pattern
        }
        guard !found.isEmpty else {
            let names = available.map(\.name).joined(separator: ", ")
            throw ServiceError(
                .unavailable, "interface '\(pattern)' does not exist here; there are: \(names)")
        }
        chosen += found.filter { !chosen.contains($0) }
    }
    return chosen
}
