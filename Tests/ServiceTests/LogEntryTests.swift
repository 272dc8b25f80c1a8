// SPDX-License-Identifier: Apache-2.0
// Logged packets as EVE lines.
import JSONOutput
import NetworkTypes
import Testing

@testable import Dataplane
@testable import Service

private let verdicts: [(packet: String, verdict: String, told: String)] = [
    ("tcp 192.0.2.7:40000 > 198.51.100.1:22 syn", "pass", #"{"action":"pass"}"#),
    ("tcp 192.0.2.7:40000 > 198.51.100.1:22 syn", "drop", #"{"action":"drop"}"#),
    (
        "tcp 192.0.2.7:40000 > 198.51.100.1:22 syn", "reject",
        #"{"action":"drop","reject-target":"to_client","reject":["tcp-reset"]}"#
    ),
    (
        "udp [2001:db8::7]:40000 > [2001:db8::1]:53", "reject",
        #"{"action":"drop","reject-target":"to_client","reject":["icmp-prohib"]}"#
    ),
]

@Test(arguments: verdicts)
func `an EVE line tells a reject from a drop, and what answers it`(
    _ given: (packet: String, verdict: String, told: String)
) throws {
    let logged = LoggedPacket(
        nanoseconds: 1, interfaceIndex: 1, verdict: given.verdict, reason: "rule", detail: "",
        wouldDrop: false, packet: try PacketDescription(parsing: given.packet))
    let entry = LogEntry(wallNanoseconds: 0, interface: "eth0", rule: "r", wouldDrop: nil, logged: logged)
    #expect(entry.eve.text.hasSuffix(#""verdict":\#(given.told)}"#))
}
