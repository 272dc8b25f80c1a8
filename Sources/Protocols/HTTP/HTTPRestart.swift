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
    /// Read bodies in which that began, or seems to have begun; the latest is the last.
    private var bodies: [HTTPParser] = []
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
        for parser in bodies { parser.skip(count, direction, sink) }
        parser?.skip(count, direction, sink)
        dropBodies(sink)
    }

    private func dropBodies(_ sink: RecordSink) {
        bodies.removeAll { parser in
            guard !parser.isWithinBody(direction) else { return false }
            parser.giveUp(sink)
            return true
        }
    }

    func end(_ sink: RecordSink) {
        finder.finish { give($0, isStart: $1, sink) }
        for parser in bodies { parser.end(direction, sink) }
        parser?.end(direction, sink)
    }

    /// The message that stopped goes on with what was read of it and is needed to read its rest.
    func goOn(_ stop: HTTPStop, _ bytes: UnsafeRawBufferPointer, _ sink: RecordSink) {
        if !stop.head.isEmpty { begin(stop, sink) }
        dropsLine = stop.isWithinLine
        feed(bytes, sink)
    }

    private func begin(_ stop: HTTPStop, _ sink: RecordSink) {
        // What looks like a message may be what a body says: which of them it is is the server's.
        if let last = parser {
            if last.isWithinBody(direction) { bodies.append(last) } else { last.giveUp(sink) }
            parser = nil
        }
        // The first of them is the one of which most is known.
        if bodies.count > Self.mostBodies { bodies.remove(at: 1).giveUp(sink) }
        guard tally.nextIndex < configuration.limits.httpTransactions else { return }
        parser = HTTPParser(configuration: configuration, tally)
        parser?.continues = stop.index
        stop.head.withUnsafeBytes { parser?.feedHead($0, direction, sink) }
    }

    private func give(_ bytes: UnsafeRawBufferPointer, isStart: Bool, _ sink: RecordSink) {
        if isStart { begin(HTTPStop(), sink) }
        var ends: [HTTPStop] = []
        if !bodies.isEmpty {
            for parser in bodies { parser.feed(bytes, direction, sink) }
            // A request behind one of them, within the line.
            ends = bodies.compactMap(\.stop).filter { !$0.head.isEmpty && $0.index == nil }
            dropBodies(sink)
        }
        parser?.feed(bytes, direction, sink)
        goOn(bytes, sink)
        for stop in ends {
            begin(stop, sink)
            parser?.feed(UnsafeRawBufferPointer(rebasing: bytes[stop.rest...]), direction, sink)
        }
    }

    /// Goes on where the parser stopped in the newest bytes, if it did.
    private func goOn(_ bytes: UnsafeRawBufferPointer, _ sink: RecordSink) {
        var bytes = bytes
        // Each round takes a thousand headers in, or is the last.
        var rounds = 1 + bytes.count / Self.leastRound
        while let stopped = parser, let stop = stopped.stop {
            parser = nil
            // What goes on with it looks for what the signatures know of it.
            defer { stopped.giveUp(sink) }
            guard !stop.head.isEmpty, rounds > 0 else { return }
            rounds &-= 1
            bytes = UnsafeRawBufferPointer(rebasing: bytes[min(stop.rest, bytes.count)...])
            begin(stop, sink)
            if stop.isWithinLine {
                guard let end = bytes.firstIndex(of: 0x0a) else { return dropsLine = true }
                bytes = UnsafeRawBufferPointer(rebasing: bytes[(end &+ 1)...])
            }
            parser?.feed(bytes, direction, sink)
        }
    }

    private static let leastRound = 1024
    private static let mostBodies = 3
}

/// What the parsers of one connection count together.
final class HTTPTally {
    /// The number of the next transaction.
    var nextIndex = 0
    var reporter: AnomalyReporter
    /// What its parsers hold, estimated.
    private(set) var held = 0
    let memory: ParserMemory

    init(_ limits: ProtocolLimits, _ memory: ParserMemory) {
        reporter = AnomalyReporter(limit: limits.anomalies)
        self.memory = memory
    }

    func change(by count: Int) {
        held &+= count
        memory.change(by: count)
    }
}

/// Where and in what libhtp gave up.
struct HTTPStop {
    /// The bytes that begin the same message again, without what libhtp did not take; empty where its rest
    /// can mean nothing.
    var head: [UInt8] = []
    /// The transaction whose message `head` begins again, or would; nil where it is not one that stopped.
    var index: Int?
    /// Where in the newest bytes reading goes on.
    var rest = 0
    /// That is not at a line's start.
    var isWithinLine = false
}

extension HTTPTransaction {
    func progress(_ direction: FlowDirection) -> HTTPProgress {
        direction == .toServer ? requestProgress : responseProgress
    }
}

extension HTTPHeaders {
    /// A message's first line, and those of its headers that say how its rest is to be read.
    /// - Parameter most: bytes of each that are kept.
    func headOfRest(behind line: [UInt8], isWhole: Bool, most: Int) -> [UInt8] {
        let lineEnd: [UInt8] = [0x0d, 0x0a]
        var head = line + lineEnd
        for (name, text) in Self.kept {
            guard let value = value(of: name) else { continue }
            head += text.withUTF8Buffer { Array($0) } + value.prefix(most) + lineEnd
        }
        let coding = value(of: "transfer-encoding")?.map(\.asciiLowercase) ?? []
        if coding.indices.contains(where: { coding[$0...].starts(with: "chunked".utf8) }) {
            head += Array("Transfer-Encoding: chunked".utf8) + lineEnd
        } else if let length = value(of: "content-length")?.prefix(while: { (0x30...0x39).contains($0) }),
            !length.isEmpty
        {
            head += Array("Content-Length: ".utf8) + length.prefix(most) + lineEnd
        }
        return isWhole ? head + lineEnd : head
    }

    private static let kept: [(StaticString, StaticString)] = [
        ("host", "Host: "), ("content-type", "Content-Type: "), ("content-encoding", "Content-Encoding: "),
    ]
}

extension ArraySlice<UInt8> {
    /// Whether the line is that header, alone and whole.
    func isHeader(_ header: HTTPHeader) -> Bool {
        guard starts(with: header.name), let colon = firstIndex(of: 0x3a),
            colon == startIndex + header.name.count
        else { return false }
        let value = self[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d && $0 != 0x0a }
        return value[..<(end.map { $0 + 1 } ?? value.startIndex)].elementsEqual(header.value)
    }
}
