// SPDX-License-Identifier: Apache-2.0
// What several suites ask of counters, programs and packets.
import NetworkTypes
import Testing

/// Frames of packets in text.
func frames(_ texts: [String]) throws -> [[UInt8]] {
    try texts.map { try PacketDescription(parsing: $0).frame() }
}

/// Each rule's packets.
func expect(_ top: JSON, rules: [String: Int], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(
        top["rules"].members.mapValues { $0["packets"].int ?? -1 } == rules, sourceLocation: sourceLocation)
}

/// Packets seen are those passed, dropped and rejected: in all, by reason and by CPU; rules add up to their
/// reason.
func expectSums(_ top: JSON, sourceLocation: SourceLocation = #_sourceLocation) {
    func sum(_ rows: some Sequence<JSON>, _ name: String) -> Int {
        rows.reduce(0) { $0 + ($1[name].int ?? 0) }
    }
    let reasons = top["reasons"].members.values
    let cpus = top["cpus"].members.values
    for name in ["packets", "bytes", "pass", "drop", "reject", "would_drop"] {
        #expect(top["total"][name].int == sum(reasons, name), "\(name)", sourceLocation: sourceLocation)
        #expect(top["total"][name].int == sum(cpus, name), "\(name)", sourceLocation: sourceLocation)
    }
    for row in reasons + [top["total"]] {
        let verdicts = ["pass", "drop", "reject"].reduce(0) { $0 + (row[$1].int ?? 0) }
        #expect(row["packets"].int == verdicts, sourceLocation: sourceLocation)
    }
    // A later fragment counts for the rule of its first, if that had one.
    // A packet that a limit dropped, or a SYN that met a cookie, counts for the rule that asked for it.
    let limited = top["reasons"]["limit"]["packets"].int ?? 0
    let cookies = top["reasons"]["syn-cookie"]["packets"].int ?? 0
    let decided = (top["reasons"]["rule"]["packets"].int ?? 0) + limited + cookies
    let followed = top["reasons"]["fragment"]["packets"].int ?? 0
    let ruled = sum(top["rules"].members.values, "packets")
    #expect((decided...decided + followed).contains(ruled), sourceLocation: sourceLocation)
}

/// Frames arrive a moment after they were sent: asks until a rule has decided so many, and no more.
func expectEventually(
    _ net: TwoHosts, rule: String, _ packets: Int, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    var last: Int?
    let reached = try eventually {
        last = try net.counters()["rules"][rule]["packets"].int
        return (last ?? 0) >= packets
    }
    #expect(reached && last == packets, "rule \(rule) has \(last ?? -1)", sourceLocation: sourceLocation)
}
