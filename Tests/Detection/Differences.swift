// SPDX-License-Identifier: Apache-2.0
// The differences from ndpiReader's answers that are known, and why they are there. A class that is not in
// this table, or has more flows than it says, fails the test.

/// A class of differences.
struct KnownDifference {
    /// How the class's name begins.
    let name: String
    /// Flows of it, at most.
    let most: Int
    let reason: String

    static let all: [KnownDifference] = [
        KnownDifference(
            name: "flow missing", most: 2,
            reason: """
                IPv6 packets beyond 65,535 bytes, whose length ndpiReader counts in 16 bits; a TCP header \
                behind Cisco HDLC's own messages
                """),
        KnownDifference(
            name: "packets of", most: 140,
            reason: """
                ndpiReader counts a reply as forward where its search tree finds a flow only at the second \
                try; the protocol is not touched
                """),
        KnownDifference(
            name: "host name of SSH", most: 23,
            reason: "ndpiReader prints the client's software there; it is no host name"),
        KnownDifference(
            name: "JA3 server of DTLS", most: 1,
            reason: "ndpiReader prints a server's JA3 only beside a client's"),
        KnownDifference(
            name: "risks of Telnet", most: 2,
            reason: "a control character in the user name broke ndpiReader's printed line before the risks"),
    ]

    /// The entry for a class of `Agreement.classes`.
    static func of(_ name: String) -> KnownDifference? { all.first { name.hasPrefix($0.name) } }
}
