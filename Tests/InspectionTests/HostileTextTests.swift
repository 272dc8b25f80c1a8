// SPDX-License-Identifier: Apache-2.0
// What an attacker writes into names, paths and banners, as it comes out of events: one line of valid JSON,
// no control character in either output, and a bounded length.
import Foundation
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

/// Bytes that somebody puts wherever he may choose some.
struct HostileText: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }

    init(_ name: String, _ text: String) { (self.name, bytes) = (name, Array(text.utf8)) }
    init(_ name: String, bytes: [UInt8]) { (self.name, self.bytes) = (name, bytes) }
}

private let texts = [
    HostileText("the end of the string and a field of its own", #"x","event_type":"stats","y":"#),
    HostileText("the end of the object and another line", "x\"}\n{\"event_type\":\"alert\"}"),
    HostileText("backslashes before a quote", #"x\\\"\\"#),
    HostileText("escapes of a terminal", "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred\u{9b}1m"),
    HostileText("text that goes backwards", "safe\u{202e}exe.\u{2066}x\u{2069}\u{200b}"),
    HostileText("line separators", "a\u{2028}b\u{2029}c\u{85}d"),
    HostileText("every byte but those that end a line", bytes: (0...255).filter { $0 != 10 && $0 != 13 }),
    HostileText("broken UTF-8", bytes: [0x41, 0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80]),
    HostileText("17,000 bytes", String(repeating: "a", count: 17_000)),
    HostileText("64 KiB", String(repeating: "a", count: 65_536)),
    HostileText("17,000 bytes that take six each", bytes: [UInt8](repeating: 1, count: 17_000)),
]

/// Lines of a header block, each with the text.
private func lines(_ first: String, _ names: [String], _ text: [UInt8]) -> [UInt8] {
    var block = Array(first.utf8)
    for name in names {
        block += Array("\(name): ".utf8)
        block += text
        block += [13, 10]
    }
    return block + [13, 10]
}

private func request(_ text: [UInt8]) -> [UInt8] {
    let names = ["Host", "User-Agent", "Referer", "Cookie"]
    return Array("GET /".utf8) + text + lines(" HTTP/1.1\r\n", names, text)
}

private func response(_ text: [UInt8]) -> [UInt8] {
    Array("HTTP/1.1 301 ".utf8) + text + lines("\r\n", ["Content-Type", "Location"], text)
}

private func banner(_ start: String, _ text: [UInt8]) -> [UInt8] { Array(start.utf8) + text + [13, 10] }

/// A ClientHello with a server name.
private func hello(_ name: [UInt8]) -> [UInt8] {
    let name = Array(name.prefix(16_000))
    let list = [0] + number(name.count) + name
    let sni = [0, 0] + number(list.count + 2) + number(list.count) + list
    let body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0]
    let content = body + number(sni.count) + sni
    return [0x16, 3, 1] + number(content.count + 4) + [1, 0] + number(content.count) + content
}

/// A query whose labels are as long as they may be, and a response with the text in a record.
private func answer(_ text: [UInt8]) -> [UInt8] {
    let label = Array(text.prefix(63))
    let name = [UInt8(label.count)] + label + [0]
    let strings = stride(from: 0, to: min(text.count, 4000), by: 255).flatMap { start -> [UInt8] in
        let part = text[start..<min(text.count, start + 255)]
        return [UInt8(part.count)] + part
    }
    let record = [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1] + number(strings.count) + strings
    return [0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + name + [0, 16, 0, 1] + record
}

private let rules = """
    alert ip any any -> any any (msg:"every packet"; sid:1;)
    alert http any any -> any any (msg:"every request"; http.method; content:"G"; sid:2;)
    """

/// An inspector that has been told the text wherever one may be.
private func told(_ text: [UInt8]) throws -> Bench {
    let bench = try Bench(rules)
    let dns = answer(text)
    bench.feed([
        Talk(serverPort: 80, client: request(text), server: response(text)),
        Talk(serverPort: 443, client: hello(text)),
        Talk(serverPort: 22, client: banner("SSH-2.0-", text), server: banner("SSH-2.0-x ", text)),
        Talk(serverPort: 53, client: number(dns.count) + dns),
    ])
    bench.feed(Conversation(serverPort: 53, clientPort: 41_000).datagram(.toClient, dns))
    bench.finish()
    return bench
}

@Test(arguments: texts)
func `whatever somebody sends, an event is one line of JSON, without controls, and bounded`(
    _ hostile: HostileText
) throws {
    let bench = try told(hostile.bytes)
    let kinds = Set(bench.outcome.events.map(\.kind))
    #expect(kinds.isSuperset(of: [.alert, .flow]), "\(kinds)")
    for event in bench.outcome.events {
        let line = event.line
        #expect(line.utf8.count <= longestLine, "\(event.kind): \(line.utf8.count) bytes")
        #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "\(event.kind)")
        #expect(!line.unicodeScalars.contains { (0x80...0x9f).contains($0.value) }, "\(event.kind)")
        let parsed = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(parsed?["event_type"] as? String == event.kind.rawValue, "\(line)")
    }
}

@Test(arguments: texts)
func `an event's line for people obeys nobody else`(_ hostile: HostileText) throws {
    for event in try told(hostile.bytes).outcome.events {
        let text = event.text
        #expect(text.utf8.count <= 4096, "\(event.kind): \(text.utf8.count) bytes")
        // A tab moves no cursor back.
        let bad = text.unicodeScalars.filter {
            $0 != "\t"
                && [.control, .format, .lineSeparator, .paragraphSeparator].contains(
                    $0.properties.generalCategory)
        }
        #expect(bad.isEmpty, "\(event.kind): \(bad.map { String($0.value, radix: 16) })")
    }
}

@Test func `a name of 64 KiB stops the request, and the anomaly says so`() throws {
    let bench = try told([UInt8](repeating: 0x61, count: 65_536))
    let names = try bench.events(.anomaly).compactMap {
        ($0["anomaly"] as? [String: Any])?["event"] as? String
    }
    #expect(names.contains("request_field_too_long"), "\(names)")
}
