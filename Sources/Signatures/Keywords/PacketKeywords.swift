// SPDX-License-Identifier: Apache-2.0
// Tests of the packet's headers: dsize, flags, ttl, itype and the like. They make a TCP signature one of
// packets.
import NetworkTypes

let packetKeywords: [String: KeywordHandler] = {
    var table = numberKeywords()
    table.merge(otherKeywords) { $1 }
    return table
}()

private let otherKeywords: [String: KeywordHandler] = [
    "flags": { draft, option throws(RuleProblem) in try flags(&draft, option) },
    "tcp.flags": { draft, option throws(RuleProblem) in try flags(&draft, option) },
    "fragbits": { draft, option throws(RuleProblem) in try fragmentBits(&draft, option) },
    "ipopts": { draft, option throws(RuleProblem) in try ipOption(&draft, option) },
    "tos": { draft, option throws(RuleProblem) in try typeOfService(&draft, option) },
    "ip_proto": { draft, option throws(RuleProblem) in try ipProtocol(&draft, option) },
    "sameip": { draft, option throws(RuleProblem) in try sameAddress(&draft, option) },
]

private func numberKeywords() -> [String: KeywordHandler] {
    var table: [String: KeywordHandler] = [:]
    for field in numberFields { table[field.name] = numberKeyword(field) }
    return table
}

private func numberKeyword(_ field: ComparedField) -> KeywordHandler {
    { draft, option throws(RuleProblem) in
        let value = try required(option, "a number, or as in '>1'")
        let test = try numberTest(value, field.name, most: field.most)
        // Suricata's meaning: a packet without payload has no size that could differ.
        if field.field == .payloadSize, case .notEqual = test {
            draft.test(.number(.payloadSize, .greater(0)))
        }
        draft.test(.number(field.field, test))
    }
}

/// As other numbers, and hexadecimal behind an `x`: `[!]x12`
private func typeOfService(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let expected = "a number to 255, or as in 'x12', '>1'"
    let value = try required(option, expected)
    let sign: Slice? = value.plain.trimmed.dropping("!")
    let digits = sign ?? value.plain.trimmed
    guard let hexadecimal = digits.dropping("x") ?? digits.dropping("X") else {
        return draft.test(.number(.typeOfService, try numberTest(value, option.name, most: 255)))
    }
    guard (1...2).contains(hexadecimal.count), let number = UInt64(hexadecimal.text, radix: 16),
        !hexadecimal.contains(UInt8(ascii: "+"))
    else { throw RuleProblem(option.name, value: value, expected: expected) }
    draft.test(.number(.typeOfService, sign == nil ? .equal(number) : .notEqual(number)))
}

private func sameAddress(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    try withoutValue(option)
    draft.test(.sameAddress)
}

/// A keyword that compares a field of the packet with a number up to `most`.
private typealias ComparedField = (name: String, field: PacketField, most: UInt64)

private let numberFields: [ComparedField] = [
    ("dsize", .payloadSize, 65535), ("ttl", .ttl, 255), ("id", .ipID, 65535),
    ("seq", .tcpSequence, 0xffff_ffff), ("tcp.seq", .tcpSequence, 0xffff_ffff),
    ("ack", .tcpAcknowledgement, 0xffff_ffff), ("tcp.ack", .tcpAcknowledgement, 0xffff_ffff),
    ("window", .tcpWindow, 65535), ("tcp.window", .tcpWindow, 65535), ("tcp.mss", .tcpMaxSegmentSize, 65535),
    ("itype", .icmpType, 255), ("icode", .icmpCode, 255), ("icmp_id", .icmpID, 65535),
    ("icmp_seq", .icmpSequence, 65535), ("icmpv6.mtu", .icmpv6MTU, 0xffff_ffff),
    ("fragoffset", .fragmentOffset, 8191),
]

extension SignatureDraft {
    /// A test of the very packet: its payload is looked at, not the stream.
    mutating func test(_ test: PacketTest) {
        signature.packetTests.append(test)
        requiresPacket = true
    }
}

/// The sign of `flags` and `fragbits`, before or behind the letters, and the letters.
private func sign(_ text: Slice) -> (BitMatch, Slice) {
    let signs: [UInt8: BitMatch] = [0x2b: .all, 0x2a: .anyOf, 0x21: .notAll]
    if let first = text.first, let match = signs[first] { return (match, text.dropFirst().trimmed) }
    if let last = text.last, let match = signs[last] { return (match, text.dropLast().trimmed) }
    return (.exact, text)
}

/// `[!+*]FSRPAUEC120[,IGNORED]`
private func flags(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "flags, as in 'S' or 'SA'")
    let parts = value.plain.parts()
    let (match, letters) = sign(parts[0])
    let wanted = try tcpFlags(letters, option)
    let ignored = parts.count > 1 ? try tcpFlags(parts[1], option) : []
    let all = TCPFlags(rawValue: 255)
    draft.test(.tcpFlags(wanted.subtracting(ignored), match, considered: all.subtracting(ignored)))
}

private let flagLetters: [UInt8: TCPFlags] = [
    UInt8(ascii: "f"): .fin, UInt8(ascii: "s"): .syn, UInt8(ascii: "r"): .rst, UInt8(ascii: "p"): .psh,
    UInt8(ascii: "a"): .ack, UInt8(ascii: "u"): .urg, UInt8(ascii: "e"): .ece, UInt8(ascii: "c"): .cwr,
    // The reserved bits by their old numbers: 1 is the header byte's highest.
    UInt8(ascii: "1"): .cwr, UInt8(ascii: "2"): .ece, UInt8(ascii: "0"): [],
]

private func tcpFlags(_ letters: Slice, _ option: RuleOption) throws(RuleProblem) -> TCPFlags {
    var flags: TCPFlags = []
    // "CE" as "C,E" is not written: the comma starts the ignored ones.
    for letter in letters where !letter.isBlank {
        guard let flag = flagLetters[letter.lowered] else {
            throw RuleProblem(option.name, value: letters, expected: "letters of FSRPAUEC, or 0 for none")
        }
        flags.insert(flag)
    }
    return flags
}

/// `[!+*]MDR`
private func fragmentBits(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "bits, as in 'M' or '!D'")
    let (match, letters) = sign(value.plain)
    var bits: UInt8 = 0
    for letter in letters where !letter.isBlank {
        switch letter.lowered {
        case UInt8(ascii: "m"): bits |= 1
        case UInt8(ascii: "d"): bits |= 2
        case UInt8(ascii: "r"): bits |= 4
        default: throw RuleProblem(option.name, value: value, expected: "letters of MDR")
        }
    }
    draft.test(.fragmentBits(bits, match))
}

private let optionWords: [String: IPOption] = [
    "eol": .endOfList, "nop": .noOperation, "sec": .security, "esec": .extendedSecurity, "lsrr": .looseRoute,
    "lsrre": .looseRoute, "ssrr": .strictRoute, "ts": .timestamp, "rr": .recordRoute, "satid": .streamID,
    "cipso": .cipso, "qs": .quickStart, "any": .any,
]

private func ipOption(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "an option, as in 'rr'").plain
    guard let word = optionWords[value.text] else {
        throw RuleProblem(
            option.name, value: value, expected: "one of \(optionWords.keys.sorted().joined(separator: ", "))"
        )
    }
    draft.test(.ipOption(word))
}

private let protocolWords: [String: UInt8] = [
    "icmp": 1, "igmp": 2, "ipip": 4, "ipencap": 4, "tcp": 6, "egp": 8, "udp": 17, "ipv6": 41, "rsvp": 46,
    "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "eigrp": 88, "ospf": 89, "pim": 103,
    "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136, "mpls-in-ip": 137,
]

/// `[!<>]NUMBER|NAME`
private func ipProtocol(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "a protocol, as in '47' or '!tcp'").plain
    var (sign, word) = (value.first, value.dropFirst().trimmed)
    if sign != UInt8(ascii: "!"), sign != UInt8(ascii: "<"), sign != UInt8(ascii: ">") {
        (sign, word) = (nil, value)
    }
    guard let number = word.number.flatMap(UInt8.init(exactly:)) ?? protocolWords[word.text.lowercased()]
    else {
        throw RuleProblem(option.name, value: value, expected: "a number to 255, or a name as in 'tcp'")
    }
    var transports = TransportProtocols(low: 0, high: 0)
    for candidate in UInt8.min...UInt8.max {
        let isMeant =
            switch sign {
            case UInt8(ascii: "!"): candidate != number
            case UInt8(ascii: "<"): candidate < number
            case UInt8(ascii: ">"): candidate > number
            default: candidate == number
            }
        if isMeant { transports.insert(IPProtocol(rawValue: candidate)) }
    }
    // No payload test: "ip_proto:47" beside a content is about its packet anyway.
    draft.signature.packetTests.append(.transports(transports))
}
