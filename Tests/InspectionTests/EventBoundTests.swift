// SPDX-License-Identifier: Apache-2.0
// Events are as long as a message of the inspector's process takes, whatever the records hold that they tell
// of: no alert is lost for what stands in it.
import Foundation
import Glibc
import InspectorProcess
import JSONOutput
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

/// Texts that grow most when they are written: as `\u0001`, as `\\xff`, as `\"`, and not at all.
private let fillings: [[UInt8]] = [[1], [0xff], [0x22], [0xc2, 0x9b], [0x61]]

private func filled(_ filling: [UInt8], _ count: Int) -> [UInt8] {
    (0..<count).map { filling[$0 % filling.count] }
}

/// The same bytes so many times.
private func repeated(_ bytes: [UInt8], _ times: Int) -> [UInt8] {
    var all: [UInt8] = []
    for _ in 0..<times { all += bytes }
    return all
}

/// Three labels, each as long as one may be, 70 records of a type in each section, all with that name.
private func reply(_ type: Int, _ data: [UInt8], _ filling: [UInt8]) -> [UInt8] {
    let label: [UInt8] = [63, 0x78] + filled(filling, 62)
    var record: [UInt8] = [0xc0, 12] + number(type)
    record += [0, 1, 0xff, 0xff, 0xff, 0xff] as [UInt8]
    record += number(data.count) + data
    var message: [UInt8] = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 70, 0, 70, 0, 70]
    message += repeated(label, 3)
    message += [0, 0, 1, 0, 1] as [UInt8]
    return message + repeated(record, 210)
}

private let pointer: [UInt8] = [0xc0, 12]

/// A ClientHello with protocols that fill the lists of an event.
private func hello(_ filling: [UInt8]) -> [UInt8] {
    let names = repeated([200] + filled(filling, 200), 60)
    var content: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32)
    content += [0, 0, 2, 0x13, 1, 1, 0] as [UInt8]
    content += number(names.count + 6) + [0, 16] + number(names.count + 2) + number(names.count)
    content += names
    var message: [UInt8] = [0x16, 3, 1]
    message += number(content.count + 4)
    message += [1, 0] as [UInt8]
    return message + number(content.count) + content
}

private func headers(_ names: [String], _ filling: [UInt8]) -> [UInt8] {
    var block: [UInt8] = []
    for name in names {
        block += Array("\(name): ".utf8)
        block += filled(filling, 4096)
        block += [13, 10] as [UInt8]
    }
    return block
}

private func request(_ filling: [UInt8]) -> [UInt8] {
    var message = Array("POST /".utf8) + filled(filling, 4096)
    message += Array(" HTTP/1.1\r\n".utf8)
    message += headers(["User-Agent", "Referer", "Host"], filling)
    return message + Array("Content-Length: 12\r\n\r\nunion select".utf8)
}

private func response(_ filling: [UInt8]) -> [UInt8] {
    var message = Array("HTTP/1.1 301 x\r\n".utf8)
    message += headers(["Location", "Content-Type"], filling)
    return message + Array("Content-Length: 0\r\n\r\n".utf8)
}

private let rules = """
    alert ip any any -> any any (msg:"every packet"; sid:1;)
    alert http any any -> any any (msg:"body"; http.request_body; content:"union select"; sid:2;)
    alert dns any any -> any any (msg:"reply"; dns.rcode:0; sid:3;)
    alert tls any any -> any any (msg:"hello"; tls.version:1.2; sid:4;)
    alert ssh any any -> any any (msg:"banner"; ssh.proto; content:"2"; sid:5;)
    alert tcp any any -> any any (msg:"stream"; content:"|01 01|"; sid:6;)
    """

/// An inspector that has been told records as long as they may be.
private func told(_ filling: [UInt8], _ contents: AlertContents) throws -> Bench {
    let bench = try Bench(rules) { $0.alertContents = contents }
    let banner = Array("SSH-2.0-".utf8) + filled(filling, 240) + [13, 10] as [UInt8]
    bench.feed([
        Talk(serverPort: 80, client: request(filling), server: response(filling)),
        Talk(serverPort: 443, client: hello(filling)), Talk(serverPort: 22, client: banner, server: banner),
    ])
    let authority = pointer + pointer + [UInt8](repeating: 0xff, count: 20)
    let records: [(Int, [UInt8])] = [(5, pointer), (6, authority), (16, [200] + filled(filling, 200))]
    for (type, data) in records {
        let talk = Conversation(serverPort: 53, clientPort: 41_000 + UInt16(type))
        bench.feed(talk.datagram(.toClient, reply(type, data, filling)))
    }
    bench.finish()
    return bench
}

/// All that comes out at the controller's end.
private func received(_ lines: [String]) throws -> (lines: [String], lost: UInt64) {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
    defer { for end in ends { close(end) } }
    var channel = WorkerChannel(socket: ends[0])
    var received: [String] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 17)
    for line in lines {
        channel.add(lines: Array(line.utf8) + [0x0a])
        channel.flush()
        while true {
            let count = recv(ends[1], &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { break }
            let message = try buffer.withUnsafeBytes { bytes throws(WireError) in
                try WorkerMessage(decoding: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
            }
            guard case .events(let bytes) = message else { continue }
            received += bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        }
    }
    return (received, channel.eventsLost)
}

@Test(arguments: fillings, [AlertContents.flow, [.flow, .payload, .packet]])
func `no record makes a line longer than what reaches the controller`(
    _ filling: [UInt8], _ contents: AlertContents
) throws {
    let bench = try told(filling, contents)
    let sids = Set(try bench.alerts())
    #expect(sids.isSuperset(of: filling == [1] ? [1, 2, 3, 4, 5, 6] : [1, 2, 3, 4, 5]), "\(sids)")
    let lines = bench.outcome.events.map(\.line)
    for (line, event) in zip(lines, bench.outcome.events) {
        #expect(line.utf8.count <= longestLine, "\(event.kind): \(line.utf8.count) bytes")
        let parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(parsed?["event_type"] as? String == event.kind.rawValue)
    }
    let (arrived, lost) = try received(lines)
    #expect(lost == 0 && arrived == lines)
}

/// Fields of an event, each longer than one of any protocol.
private func members(_ random: inout SeededGenerator, _ record: String) -> [(String, JSONValue)] {
    func text(_ random: inout SeededGenerator, _ most: Int) -> JSONValue {
        let filling = fillings[Int.random(in: fillings.indices, using: &random)]
        return eventValue(filled(filling, Int.random(in: 0...most, using: &random)))
    }
    let kinds = Int.random(in: 0...400, using: &random)
    let lists = (0..<Int.random(in: 0...20, using: &random)).map { number in
        let list = (0..<Int.random(in: 0...80, using: &random)).map { _ in text(&random, 100) }
        return ("list\(number)", JSONValue.array(list))
    }
    let metadata = (0..<kinds).map { ("key\($0)", JSONValue.array([text(&random, 60)])) }
    let alert = JSONValue.object([
        ("signature_id", 7), ("signature", text(&random, 4096)), ("metadata", .object(metadata)),
        ("references", .array((0..<kinds).map { _ in text(&random, 60) })),
    ])
    return [
        ("alert", alert), (record, .object(lists + [("url", text(&random, 4096))])), ("app_proto", "http"),
        ("payload", .string(base64([UInt8](repeating: 7, count: 4096)))),
        ("payload_printable", text(&random, 4096)),
        ("packet", .string(base64([UInt8](repeating: 7, count: 24 << 10)))),
    ]
}

@Test(arguments: ["http", "dns", "tls", "quic", "ssh", "dhcp"])
func `whatever an alert's fields hold, its line is bounded and says what matched`(_ record: String) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<4 {
        let members = members(&random, record)
        let event = InspectionEvent(.alert, at: 0, header: nil, members: members, summary: "")
        let line = event.line
        #expect(line.utf8.count <= longestLine, "seed \(seed): \(line.utf8.count) bytes")
        let parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let object = try #require(parsed, "seed \(seed)")
        #expect((object["alert"] as? [String: Any])?["signature_id"] as? Int == 7, "seed \(seed)")
        #expect((object["payload"] as? String)?.count == 5464, "seed \(seed)")
        #expect((object["packet"] as? String)?.count == 32_768, "seed \(seed)")
        #expect(object["timestamp"] as? String == "1970-01-01T00:00:00.000000+0000")
    }
}

@Test func `of a long record the longest texts are cut, and nothing is left out`() throws {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    let bytes = request([1])
    for start in stride(from: 0, to: bytes.count, by: 1400) {
        bench.feed(talk.say(.toServer, bytes[start..<min(bytes.count, start + 1400)]))
    }
    let alert = try #require(
        try bench.events(.alert).last { ($0["alert"] as? [String: Any])?["signature_id"] as? Int == 2 })
    let http = try #require(alert["http"] as? [String: Any])
    #expect(http["http_method"] as? String == "POST" && http["protocol"] as? String == "HTTP/1.1")
    for name in ["url", "http_user_agent", "http_refer"] {
        let text = try #require(http[name] as? String)
        #expect(text.hasSuffix("\u{1}...") && text.utf8.count > 2000, "\(name): \(text.utf8.count) bytes")
    }
}

@Test func `texts that have room are told whole`() throws {
    let url = JSONValue.string(String(repeating: "a", count: 40_000))
    let event = InspectionEvent(
        .http, at: 0, header: nil, members: [("http", .object([("url", url)]))], summary: "")
    #expect(event.line.utf8.count > 40_000 && !event.line.contains("..."))
}

@Test func `a packet is told up to 24 KiB`() throws {
    let bench = try Bench(rules) { $0.alertContents = .packet }
    bench.feed(Conversation(serverPort: 9).datagram(.toServer, [UInt8](repeating: 0x61, count: 60_000)))
    let alert = try #require(try bench.events(.alert).first)
    #expect((alert["packet"] as? String)?.count == 32_768)
}
