// SPDX-License-Identifier: Apache-2.0
// DNS messages over UDP and TCP: sections, record types, pointers, and what the bounds refuse.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}

private func header(
    flags: Int = 0x0100, questions: Int = 1, answers: Int = 0, authorities: Int = 0, additionals: Int = 0
) -> [UInt8] {
    [0x12, 0x34] + [flags, questions, answers, authorities, additionals].flatMap(TLSBuilder.u16)
}

private func question(_ text: String, type: Int = 1) -> [UInt8] {
    name(text) + TLSBuilder.u16(type) + [0, 1]
}

/// A record for the first question's name, by pointer.
private func record(_ type: Int, _ data: [UInt8]) -> [UInt8] {
    [0xc0, 12] + TLSBuilder.u16(type) + [0, 1, 0, 0, 1, 0x2c] + TLSBuilder.block16(data)
}

private func read(_ messages: [UInt8]...) -> Reading {
    var conversation = Conversation()
    conversation.isDatagrams = true
    for message in messages { conversation.client(message) }
    return Reading(conversation)
}

@Test func `a query is read`() throws {
    let reading = read(header() + question("www.example.org", type: 28))
    #expect(reading.appProtocol == .dns)
    let message = try #require(reading.dns.first?.message)
    #expect(message.id == 0x1234)
    #expect(!message.isResponse)
    #expect(message.recursionDesired)
    #expect(message.opcode == 0)
    #expect(message.questions.map(\.name.text) == ["www.example.org"])
    #expect(message.questions.first?.type.name == "AAAA")
    #expect(!message.isIncomplete)
    #expect(reading.anomalies == [])
}

/// Servers answer a query whatever else it brings along.
@Test(arguments: [(0, 2, 0), (0, 0, 9), (1, 0, 0), (3, 5, 16), (0, 0, 17), (40, 30, 20)])
func `a query with further records is recognised`(
    _ answers: Int, _ authorities: Int, _ additionals: Int
) {
    let counts = header(answers: answers, authorities: authorities, additionals: additionals)
    let records = (0..<answers + authorities + additionals).flatMap { _ in record(1, [192, 0, 2, 1]) }
    let reading = read(counts + question("www.example.org") + records)
    #expect(reading.appProtocol == .dns)
    #expect(reading.dns.first?.message.questions.map(\.name.text) == ["www.example.org"])
}

/// A record's data, and what is read of it.
struct RecordCase: Sendable, CustomTestStringConvertible {
    let type: String
    let data: [UInt8]
    let read: DNSData
    var testDescription: String { type }
}

@Test(arguments: [
    RecordCase(type: "A", data: [192, 0, 2, 1], read: .address([192, 0, 2, 1])),
    RecordCase(type: "A", data: [192, 0, 2], read: .other([192, 0, 2])),
    RecordCase(
        type: "AAAA", data: [UInt8](repeating: 1, count: 16), read: .address([UInt8](repeating: 1, count: 16))
    ),
    RecordCase(type: "CNAME", data: [1, 0x61, 0xc0, 12], read: .name([UInt8]("a.example.org"))),
    RecordCase(type: "NS", data: name("ns"), read: .name([UInt8]("ns"))),
    RecordCase(type: "PTR", data: name("p.t"), read: .name([UInt8]("p.t"))),
    RecordCase(
        type: "MX", data: [0, 10] + name("m.x"), read: .mailExchange(preference: 10, name: [UInt8]("m.x"))),
    RecordCase(type: "TXT", data: [1, 0x61, 0, 2, 0x62, 0x63], read: .text([[0x61], [], [0x62, 0x63]])),
    RecordCase(
        type: "SRV", data: [0, 1, 0, 2, 0x01, 0xbb] + name("s"),
        read: .service(DNSService(priority: 1, weight: 2, port: 443, target: [UInt8]("s")))),
    RecordCase(
        type: "SOA", data: name("a") + name("b") + (1...5).flatMap { [0, 0, 0, UInt8($0)] },
        read: .startOfAuthority(
            DNSAuthority(
                primary: [0x61], mailbox: [0x62], serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5))),
    RecordCase(
        type: "SSHFP", data: [1, 2, 3, 4], read: .keyFingerprint(algorithm: 1, type: 2, fingerprint: [3, 4])),
    RecordCase(
        type: "CAA", data: [0] + TLSBuilder.block8([UInt8]("issue")) + [UInt8]("x"),
        read: .certificateAuthority(flags: 0, tag: [UInt8]("issue"), value: [0x78])),
    RecordCase(type: "NULL", data: [9, 9], read: .other([9, 9])),
    RecordCase(type: "SOA", data: [1], read: .other([1])),
])
func `a record's data is read by its type`(record one: RecordCase) throws {
    let type = try #require(DNSType(name: one.type))
    let reading = read(
        header(flags: 0x8180, answers: 1) + question("example.org") + record(Int(type.rawValue), one.data))
    let answer = try #require(reading.dns.first?.message.answers.first)
    #expect(answer.name.text == "example.org")
    #expect(answer.ttl == 300)
    #expect(answer.data == one.read)
    #expect(answer.rawData == one.data)
}

@Test func `sections keep their records apart and OPT is none`() throws {
    let bytes =
        header(flags: 0x8583, answers: 1, authorities: 1, additionals: 2) + question("example.org")
        + record(1, [192, 0, 2, 1]) + record(2, name("ns")) + record(1, [192, 0, 2, 2])
        + [0] + TLSBuilder.u16(41) + [0x10, 0, 0, 0, 0, 0, 0, 0]
    let message = try #require(read(bytes).dns.first?.message)
    #expect([message.answers.count, message.authorities.count, message.additionals.count] == [1, 1, 1])
    #expect(message.isResponse && message.isAuthoritative && message.recursionAvailable)
    #expect(message.responseCode == 3)
    #expect(message.responseCodeName == "NXDOMAIN")
}

/// A broken message and what it is called.
struct BrokenDNS: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }
}

@Test(arguments: [
    BrokenDNS(name: "malformed_data", bytes: [1, 2, 3]),
    BrokenDNS(name: "malformed_data", bytes: header(answers: 1) + question("a.b")),
    BrokenDNS(name: "infinite_loop", bytes: header() + [0xc0, 12, 0, 1, 0, 1]),
    BrokenDNS(name: "infinite_loop", bytes: header() + [0xc0, 14, 0xc0, 12, 0, 1, 0, 1]),
    BrokenDNS(name: "malformed_data", bytes: header() + [1, 0x61, 0xc0, 200, 0, 1, 0, 1]),
    BrokenDNS(name: "malformed_data", bytes: header() + [0x80, 1, 0, 1, 0, 1]),
    BrokenDNS(name: "z_flag_set", bytes: header(flags: 0x0140) + question("a.b")),
    BrokenDNS(name: "invalid_opcode", bytes: header(flags: 0x3900) + question("a.b")),
    BrokenDNS(
        name: "records_over_limit", bytes: header(questions: 300) + (0..<300).flatMap { _ in question("a") }),
])
func `what DNS forbids is named`(broken: BrokenDNS) {
    let parser = DNSParser()
    var names: [String] = []
    broken.bytes.withUnsafeBytes {
        parser.feed(datagram: $0, .toServer) {
            if case .anomaly(let anomaly) = $0 { names.append(anomaly.name) }
        }
    }
    #expect(names.contains(broken.name))
}

/// masscan asks so for version.bind; dnsmasq follows it.
@Test func `a name whose end is a pointer to what follows it is read`() throws {
    let asked = header() + name("version.bind").dropLast() + [0xc0, 27, 0, 16, 0, 3]
    let reading = read(asked)
    #expect(reading.appProtocol == .dns)
    #expect(reading.dns.first?.message.questions.first?.name.text == "version.bind")
    let split = header() + name("www.evil").dropLast() + [0xc0, 27, 0, 1, 0, 1] + name("example.org")
    #expect(read(split).dns.first?.message.questions.first?.name.text == "www.evil.example.org")
}

@Test func `names that pointers blow up are bounded`() throws {
    // 60 labels of 15 bytes, then 250 questions that point at them: 250 x 960 bytes.
    let label: [UInt8] = [15] + [UInt8](repeating: 0x61, count: 15)
    let pointer: [UInt8] = [0xc0, 12, 0, 1, 0, 1]
    let long = [[UInt8]](repeating: label, count: 60).joined() + [0]
    let bytes =
        header(questions: 251) + long + [0, 1, 0, 1]
        + [[UInt8]](repeating: pointer, count: 250).joined()
    let parser = DNSParser()
    var found: DNSMessage?
    bytes.withUnsafeBytes {
        parser.feed(datagram: $0, .toServer) { if case .dns(let message, _) = $0 { found = message } }
    }
    let message = try #require(found)
    #expect(message.isIncomplete)
    #expect(message.questions.reduce(0) { $0 + $1.name.count } <= 65_536)
    #expect(message.questions.count > 10)
}

@Test func `messages over TCP are read one after the other`() {
    let query = header() + question("a.example.org")
    var conversation = Conversation()
    conversation.client(TLSBuilder.block16(query) + TLSBuilder.block16(query))
    conversation.server(
        TLSBuilder.block16(
            header(flags: 0x8180, answers: 1) + question("a.example.org") + record(1, [192, 0, 2, 1])))
    let reading = Reading(conversation)
    #expect(reading.appProtocol == .dns)
    #expect(reading.dns.map(\.direction) == [.toServer, .toServer, .toClient])
}

@Test func `a query with a response code is a query all the same`() {
    #expect(read(header(flags: 0x0103) + question("a.b")).appProtocol == .dns)
}

@Test(arguments: [
    [UInt8](repeating: 0, count: 40), [UInt8]("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
    header(questions: 0) + question("a"), header(flags: 0x1900) + question("a.b"),
    header() + name("a.b") + [0, 1, 0x12, 0x34],
    header(questions: 2) + question("a.b"), header(questions: 2) + question("a.b") + question("c.d") + [0],
    header(questions: 2) + question("a.b") + name("c.d") + [0, 1, 0x12, 0x34],
    header(questions: 17) + (0..<17).flatMap { _ in question("a.b") },
])
func `other datagrams are not taken for DNS`(bytes: [UInt8]) {
    #expect(read(bytes).appProtocol == nil)
}

@Test(arguments: [2, 3, 16])
func `a message with several questions is read, though it be the first`(count: Int) {
    let names = (0..<count).map { "q\($0).example.org" }
    let message = header(questions: count) + names.flatMap { question($0) }
    let datagram = read(message)
    #expect(datagram.appProtocol == .dns)
    #expect(datagram.dns.first?.message.questions.map(\.name.text) == names)
    for size in [1, 40, .max] {
        var conversation = Conversation()
        var rest = TLSBuilder.block16(message)[...]
        while !rest.isEmpty {
            conversation.client(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        let stream = Reading(conversation)
        #expect(stream.appProtocol == .dns, "pieces of \(size)")
        #expect(stream.dns.first?.message.questions.map(\.name.text) == names)
    }
}
