// SPDX-License-Identifier: Apache-2.0
// What the policy's `protocols` say holds however a protocol's first bytes are cut into segments, and
// whatever a port lets one guess.
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import TestSupport
import Testing

@testable import Inspection

/// How a connection begins.
struct SplitStart: Sendable, CustomTestStringConvertible {
    let name: String
    let first: [UInt8]
    let answer: [UInt8]
    /// Lengths of segments; the last one goes on to the end.
    let lengths: [Int]
    var testDescription: String { "\(name), segments of \(lengths)" }

    static let all: [SplitStart] = {
        let torrent = [19] + Array("BitTorrent protocol".utf8) + [UInt8](repeating: 0, count: 48)
        let banner = Array("SSH-2.0-OpenSSH_9.2\r\n".utf8)
        let starts: [(String, [UInt8], [UInt8])] = [
            ("http", Array(request.utf8), Array(reply.utf8)), ("ssh", banner, banner),
            ("bittorrent", torrent, torrent), ("tls", clientHello, [21, 3, 3, 0, 2, 2, 40]),
        ]
        return starts.flatMap { name, first, answer in
            [[2], [5], [1], [3, 2, 30]].map { lengths in
                let isEach = lengths == [1]
                return SplitStart(
                    name: name, first: first, answer: answer,
                    lengths: isEach ? [Int](repeating: 1, count: first.count - 1) : lengths)
            }
        }
    }()

    var segments: [ArraySlice<UInt8>] {
        var rest = first[...]
        var segments = lengths.map { length in
            defer { rest = rest.dropFirst(length) }
            return rest.prefix(length)
        }
        segments.append(rest)
        return segments.filter { !$0.isEmpty }
    }
}

/// A ClientHello for `www.example.com`, TLS 1.2.
private let clientHello: [UInt8] = {
    let host = Array("www.example.com".utf8)
    let names = number(host.count + 3) + [0] + number(host.count) + host
    let extensions = [0, 0] + number(names.count) + names + [0, 10, 0, 4, 0, 2, 0, 29]
    let ciphers: [UInt8] = [0, 4, 0xc0, 0x2f, 0x00, 0x2f]
    let body =
        [3, 3] + [UInt8](repeating: 7, count: 32) + [0] + ciphers + [1, 0]
        + number(extensions.count) + extensions
    let message = [1, 0] + number(body.count) + body
    return [22, 3, 1] + number(message.count) + message
}()

private func number(named name: String) throws -> UInt16 {
    try ProtocolDetector().names.id(named: name).rawValue
}

private func noise(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

struct SpokenProtocolTests {
    @Test(arguments: SplitStart.all)
    func `a forbidden protocol is found though its first bytes come apart`(_ start: SplitStart) throws {
        var bounds = ProtocolBounds()
        bounds.forbidden = [try number(named: start.name)]
        for isRead in [true, false] {
            let bench = try Bench(onMatch: .dropFlow, protocols: bounds) { $0.writesProtocolEvents = isRead }
            var talk = Conversation(serverPort: 6000)
            bench.feed(talk.open())
            for segment in start.segments { bench.feed(talk.say(.toServer, segment)) }
            bench.feed(talk.say(.toClient, start.answer))
            #expect(bench.outcome.findings.count == 1)
        }
    }

    @Test(arguments: SplitStart.all)
    func `a protocol that is allowed is not taken for an unknown one`(_ start: SplitStart) throws {
        var bounds = ProtocolBounds()
        bounds.allowedOnly = [try number(named: start.name)]
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: 6000)
        bench.feed(talk.open())
        for segment in start.segments { bench.feed(talk.say(.toServer, segment)) }
        var random = SeededGenerator(seed: 1)
        bench.feed(talk.say(.toClient, start.answer))
        for _ in 0..<60 {
            bench.feed(talk.say(.toServer, noise(40, &random)))
            bench.feed(talk.say(.toClient, noise(40, &random)))
        }
        bench.finish()
        #expect(bench.outcome.findings.isEmpty)
    }

    @Test func `a first segment behind the second is no way around either`() throws {
        var bounds = ProtocolBounds()
        bounds.forbidden = [try number(named: "bittorrent")]
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: 6000)
        let start = try #require(SplitStart.all.first { $0.name == "bittorrent" })
        bench.feed(talk.open())
        let segments = start.segments.map { talk.say(.toServer, $0) }
        bench.feed(Array(segments.reversed()) + [talk.say(.toClient, start.answer)])
        #expect(bench.outcome.findings.count == 1)
    }

    @Test func `the flow event tells what nDPI says of the packets as they came`() throws {
        var bounds = ProtocolBounds()
        bounds.forbidden = [try number(named: "ssh")]
        for protocols in [bounds, ProtocolBounds()] {
            let bench = try Bench(onMatch: .alert, protocols: protocols)
            var talk = Conversation(serverPort: 6000)
            bench.feed(talk.open() + [talk.say(.toServer, "GE")])
            bench.feed(talk.say(.toServer, String(request.dropFirst(2))))
            bench.finish()
            #expect(try bench.events(.flow).first?["app_proto"] as? String == "Unknown")
        }
    }

    /// nDPI names what it does not recognise by the port.
    @Test(arguments: [22, 25, 80, 443, 22_222] as [UInt16])
    func `what is no protocol is not allowed on any port`(_ port: UInt16) throws {
        var bounds = ProtocolBounds()
        bounds.allowedOnly = [try number(named: "tls")]
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: port)
        var random = SeededGenerator(seed: 1)
        bench.feed(talk.open())
        for _ in 0..<45 {
            bench.feed(talk.say(.toServer, noise(200, &random)))
            bench.feed(talk.say(.toClient, noise(300, &random)))
        }
        #expect(bench.outcome.findings.map(\.cause) == [.protocolName("Unknown")])
    }

    @Test func `a guess forbids nothing, and nothing at a flow's end`() throws {
        var forbidding = ProtocolBounds()
        forbidding.forbidden = [try number(named: "smtp")]
        var allowing = ProtocolBounds()
        allowing.allowedOnly = [try number(named: "tls")]
        for (bounds, count) in [(forbidding, 45), (allowing, 3)] {
            let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
            var talk = Conversation(serverPort: 25)
            var random = SeededGenerator(seed: 1)
            bench.feed(talk.open())
            for _ in 0..<count {
                bench.feed(talk.say(.toServer, noise(200, &random)))
                bench.feed(talk.say(.toClient, noise(300, &random)))
            }
            bench.finish()
            #expect(bench.outcome.findings.isEmpty)
        }
    }

    /// Its beginning was not seen: a guess is all that there can be.
    @Test func `of a connection in its middle a guess by the port stands`() throws {
        var bounds = ProtocolBounds()
        bounds.allowedOnly = [try number(named: "tls")]
        let bench = try Bench(onMatch: .dropFlow, protocols: bounds)
        var talk = Conversation(serverPort: 443)
        var random = SeededGenerator(seed: 1)
        _ = talk.open()
        for _ in 0..<45 {
            bench.feed(talk.say(.toServer, noise(200, &random)))
            bench.feed(talk.say(.toClient, noise(300, &random)))
        }
        #expect(bench.outcome.findings.isEmpty)
    }
}
