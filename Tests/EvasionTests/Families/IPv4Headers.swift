// SPDX-License-Identifier: Apache-2.0
// IPv4 options of every kind and size, and header lengths that lie.
import NetworkTypes
import TestSupport

private let honoured =
    "RFC 791 3.1: IHL points to the beginning of the data; options, known or not, only move it"
private let nop = [UInt8](repeating: 1, count: 40)

private let options: [(String, [UInt8])] =
    stride(from: 4, through: 40, by: 4).map { ("\($0) bytes of no-operation", Array(nop.prefix($0))) } + [
        ("end of options", zeros(4)),
        ("end of options, then 36 bytes", zeros(40)),
        ("record route", [7, 39, 4] + zeros(37)),
        ("loose source route (131)", [131, 7, 4, 198, 51, 100, 9, 0]),
        ("strict source route (137)", [137, 7, 4, 198, 51, 100, 9, 0]),
        ("timestamp (68)", [68, 12, 5, 0] + zeros(8)),
        ("router alert (148)", [148, 4, 0, 0]),
        ("CIPSO (134)", [134, 8, 0, 0, 0, 1, 5, 2]),
        ("an option whose length says 255", [7, 255, 4, 0]),
        ("an option of length 0", [7, 0, 4, 0]),
        ("options that look like a TCP header to port 80", decoy(80)),
        ("options that look like a TCP header to port 23", decoy(23)),
    ]

func ipv4HeaderCases() throws -> [EvasionCase] {
    var cases = Cases("IPv4 options and header length")
    for (name, bytes) in options {
        try cases.add(Dress(name, honoured) { $0.ipOptions = bytes }, over: .ipv4)
    }
    for words: UInt8 in 0...4 {
        let dress = Dress(
            "header length of \(words * 4) bytes", "RFC 791 3.1: the least correct IHL is 5",
            malformed: "ip header length"
        ) { $0.headerWords = words }
        try cases.add(dress, over: .ipv4)
    }
    for words: UInt8 in [11, 15] {
        let dress = Dress(
            "header length of \(words * 4) bytes in a packet of 40",
            "RFC 791 3.1: no header is longer than "
                + "its packet", malformed: "ip length"
        ) { $0.headerWords = words }
        try cases.add(dress, over: .ipv4)
    }
    let inside = Dress(
        "header length that reaches into the TCP header",
        "RFC 9293 3.1: what is left has no 20 bytes of TCP", malformed: "truncated l4 header"
    ) { $0.headerWords = 6 }
    try cases.add(inside, over: .ipv4)
    for (name, version) in [("IPv6", UInt8(6)), ("0", 0), ("5", 5), ("15", 15)] {
        let dress = Dress(
            "version \(name) under IPv4's ethertype",
            "RFC 791 3.1, RFC 7042 B: 0x0800 carries version 4 only", malformed: "ip version"
        ) { $0.ipHeader[0] = version << 4 | 5 }
        try cases.add(dress, over: .ipv4)
    }
    try addMovedHeaders(&cases)
    return cases.all
}

/// Two TCP headers, one where the header length points and one where a parser of fixed offsets looks.
private func addMovedHeaders(_ cases: inout Cases) throws {
    let moved = Cases.Variant("two TCP headers, the header length points to the second", honoured)
    let behind23 = try packet(AddressFamily.ipv4.tcp(23)) { $0.ipOptions = decoy(80) }
    let behind80 = try packet(AddressFamily.ipv4.tcp(80)) { $0.ipOptions = decoy(23) }
    cases.add(moved, "port 80, then port 23", behind23, (.closed, .telnet))
    cases.add(moved, "port 23, then port 80", behind80, (.closed, .web))
    let first = Cases.Variant("two TCP headers, the header length points to the first", honoured)
    let payload23 = try packet(AddressFamily.ipv4.tcp(80)) { $0.segment += decoy(23) }
    cases.add(first, "port 80, then port 23 as payload", payload23, (.open, .web))
}
