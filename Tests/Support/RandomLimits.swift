// SPDX-License-Identifier: Apache-2.0
// Random limits of every kind, each called by what shares a bucket: slow ones, as the small world has few
// packets in a second.

extension SeededGenerator {
    /// The names that random limits have, with the value of `per` that each stands for.
    public static let limitKinds = [
        "by-source": "source", "by-network": "source/24", "by-destination": "destination",
        "by-service": "source+service", "by-connection": "connection", "by-rule": "rule",
    ]

    /// Some of all kinds; in many policies none.
    mutating func limits() -> [Entry] {
        guard chance(60) else { return [] }
        return Self.limitKinds.sorted { $0.key < $1.key }.compactMap { name, key in
            chance(60) ? Entry(name, limit(per: key)) : nil
        }
    }

    private mutating func limit(per key: String) -> String {
        var parts = ["per: \(key)"]
        if chance(60) {
            parts.append(
                "rate: \(pick(["1 pps", "3 pps", "40/s", "30/m", "7/m", "333 pps", "1k pps", "100M pps"]))")
            if chance(70) { parts.append("burst: \(pick(["1", "2", "5", "40"]))") }
        } else {
            parts.append("rate: \(pick(["8 kbit/s", "99999 bit/s", "1 Mbit/s", "7 Gbit/s", "100 Gbit/s"]))")
            if chance(70) { parts.append("burst: \(pick(["1500 B", "2 KB", "10 KiB", "80 KB"]))") }
        }
        if chance(30) { parts.append("ipv6-prefix: \(pick([1, 32, 63, 64, 65, 127, 128]))") }
        if chance(15) { parts.append("mode: monitor") }
        return "{ " + parts.joined(separator: ", ") + " }"
    }

    /// The lines of buckets that all engines have: mostly so few that buckets push each other out.
    mutating func bucketLines() -> UInt32 { pick([1, 1, 2, 16, 1 << 18]) }
}
