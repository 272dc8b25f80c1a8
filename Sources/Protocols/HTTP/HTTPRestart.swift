// SPDX-License-Identifier: Apache-2.0
// One direction behind a message that libhtp gave up, which servers may well have answered (nginx counts no
// headers): in a new connection of libhtp's from each place on where a message may begin. In: the bytes from
// where it stopped. Out: records, numbered on.
import CHTP
import NetworkTypes

/// Reads on behind a message that stopped libhtp.
final class HTTPRestart {
    private let configuration: HTTPConfiguration
    private let tally: HTTPTally
    private let direction: FlowDirection
    private var finder: HTTPMessageFinder
    /// Reads the message that began last; nil before there is one.
    private var parser: HTTPParser?
    /// The rest of the line in which libhtp stopped is no header.
    private var dropsLine = false

    init(_ parser: HTTPParser, _ direction: FlowDirection) {
        configuration = parser.configuration
        tally = parser.tally
        self.direction = direction
        finder = HTTPMessageFinder(direction, limit: parser.configuration.limits.httpField)
    }

    func feed(_ bytes: UnsafeRawBufferPointer, _ sink: RecordSink) {
        var bytes = bytes
        if dropsLine {
            guard let end = bytes.firstIndex(of: 0x0a) else { return }
            dropsLine = false
            bytes = UnsafeRawBufferPointer(rebasing: bytes[(end &+ 1)...])
        }
        finder.feed(bytes) { give($0, isStart: $1, sink) }
    }

    func skip(_ count: Int, _ sink: RecordSink) {
        finder.finish { give($0, isStart: $1, sink) }
        dropsLine = false
        parser?.skip(count, direction, sink)
    }

    func end(_ sink: RecordSink) {
        finder.finish { give($0, isStart: $1, sink) }
        parser?.end(direction, sink)
    }

    /// The message that stopped goes on with what was read of it and is needed to read its rest.
    func goOn(_ stop: HTTPStop, _ bytes: UnsafeRawBufferPointer, _ sink: RecordSink) {
        if !stop.head.isEmpty { begin(stop.head, sink) }
        dropsLine = stop.isWithinLine
        feed(bytes, sink)
    }

    private func begin(_ head: [UInt8], _ sink: RecordSink) {
        parser = nil
        guard tally.nextIndex < configuration.limits.httpTransactions else { return }
        parser = HTTPParser(configuration: configuration, tally)
        head.withUnsafeBytes { parser?.feed($0, direction, sink) }
    }

    private func give(_ bytes: UnsafeRawBufferPointer, isStart: Bool, _ sink: RecordSink) {
        if isStart { begin([], sink) }
        parser?.feed(bytes, direction, sink)
        var bytes = bytes
        // Each round takes a thousand headers in, or is the last.
        var rounds = 1 + bytes.count / Self.leastRound
        while let stop = parser?.stop {
            parser = nil
            guard !stop.head.isEmpty, rounds > 0 else { return }
            rounds &-= 1
            bytes = UnsafeRawBufferPointer(rebasing: bytes[min(stop.rest, bytes.count)...])
            begin(stop.head, sink)
            if stop.isWithinLine {
                guard let end = bytes.firstIndex(of: 0x0a) else { return dropsLine = true }
                bytes = UnsafeRawBufferPointer(rebasing: bytes[(end &+ 1)...])
            }
            parser?.feed(bytes, direction, sink)
        }
    }

    private static let leastRound = 1024
}

/// What the parsers of one connection count together.
final class HTTPTally {
    /// The number of the next transaction.
    var nextIndex = 0
    var reporter: AnomalyReporter

    init(_ limits: ProtocolLimits) { reporter = AnomalyReporter(limit: limits.anomalies) }
}

/// Where and in what libhtp gave up.
struct HTTPStop {
    /// The bytes that begin the same message again, without what libhtp did not take; empty where its rest
    /// can mean nothing.
    var head: [UInt8] = []
    /// Where in the newest bytes reading goes on.
    var rest = 0
    /// That is not at a line's start.
    var isWithinLine = false
}

extension HTTPRequest {
    /// The request line, and the headers that say how its rest is to be read.
    func headOfRest(isWhole: Bool) -> [UInt8] {
        let lineEnd: [UInt8] = [0x0d, 0x0a]
        var head = line + lineEnd
        if let host = headers.value(of: "host") { head += Array("Host: ".utf8) + host + lineEnd }
        let coding = headers.value(of: "transfer-encoding")?.map(\.asciiLowercase) ?? []
        if coding.indices.contains(where: { coding[$0...].starts(with: "chunked".utf8) }) {
            head += Array("Transfer-Encoding: chunked".utf8) + lineEnd
        } else if let length = headers.value(of: "content-length")?.prefix(while: {
            (0x30...0x39).contains($0)
        }),
            !length.isEmpty
        {
            head += Array("Content-Length: ".utf8) + length + lineEnd
        }
        return isWhole ? head + lineEnd : head
    }
}
