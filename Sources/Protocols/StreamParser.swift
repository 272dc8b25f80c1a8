// SPDX-License-Identifier: Apache-2.0
// A TCP flow's application protocol. In: both directions' bytes in order, gaps and ends. Out: records.
// Recognises the protocol by the first bytes, whatever the port, then hands on to that protocol's parser.
import NetworkTypes

/// A TCP flow's application protocol.
public final class StreamParser {
    private let http: HTTPConfiguration
    private let memory: ParserMemory
    private var state = State.probing
    private var directions = [Probed(), Probed()]
    /// What the side that spoke later speaks, where it is another protocol than the flow's.
    private var strange: (direction: FlowDirection, appProtocol: ApplicationProtocol)?
    /// A bit of each direction whose first bytes were compared with the flow's protocol.
    private var compared: UInt8 = 0
    /// CONNECT within CONNECT: how many tunnels are around this one.
    private let depth: Int

    private enum State {
        case probing
        case unknown
        case http(HTTPParser)
        case tls(TLSParser)
        case dns(DNSParser)
        case ssh(SSHParser)
        case tunnel(StreamParser)
    }

    /// A flow from its first byte on.
    /// - Parameter memory: the account that it shares with other flows.
    public convenience init(http: HTTPConfiguration, memory: ParserMemory = ParserMemory()) {
        self.init(http: http, memory: memory, depth: 0)
    }

    private init(http: HTTPConfiguration, memory: ParserMemory, depth: Int) {
        self.http = http
        self.memory = memory
        self.depth = depth
    }

    private static let all: [ApplicationProtocol] = [.http, .tls, .dns, .ssh]

    /// The protocol, once recognised; of a tunnel through a proxy the protocol within it.
    public var appProtocol: ApplicationProtocol? {
        switch state {
        case .probing, .unknown: nil
        case .http: .http
        case .tls: .tls
        case .dns: .dns
        case .ssh: .ssh
        case .tunnel(let inner): inner.appProtocol ?? .http
        }
    }

    /// What one direction speaks: the flow's protocol, unless its first bytes are those of another one.
    public func appProtocol(of direction: FlowDirection) -> ApplicationProtocol? {
        strange?.direction == direction ? strange?.appProtocol : appProtocol
    }

    /// A line far within what the client says was taken for a request, and the server has not answered it.
    public private(set) var isGuess = false

    /// Neither direction's bytes are a protocol that is read here, or all that can be read was: further bytes
    /// change nothing.
    public var isFinished: Bool {
        switch state {
        case .unknown: true
        case .tls(let parser): parser.isFinished
        case .ssh(let parser): parser.isFinished
        case .tunnel(let inner): inner.isFinished
        case .probing, .http, .dns: false
        }
    }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int {
        switch state {
        case .probing, .unknown: 0
        case .http(let parser): parser.suppressedAnomalies
        case .tls(let parser): parser.suppressedAnomalies
        case .dns(let parser): parser.suppressedAnomalies
        case .ssh(let parser): parser.suppressedAnomalies
        case .tunnel(let inner): inner.suppressedAnomalies
        }
    }

    /// The next bytes of a direction.
    public func feed(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        guard !bytes.isEmpty else { return }
        if isGuess, direction == .toClient, Self.ask(.http, bytes, direction) != .no { isGuess = false }
        if compared & Self.bit(direction) == 0, let own = appProtocol { compare(bytes, direction, own) }
        switch state {
        case .unknown: return
        case .probing: probe(bytes, direction, sink)
        case .http(let parser):
            parser.feed(bytes, direction, sink)
            if parser.isTunnel { enterTunnel(parser, sink) }
        case .tls(let parser): parser.feed(bytes, direction, sink)
        case .dns(let parser): parser.feed(bytes, direction, sink)
        case .ssh(let parser): parser.feed(bytes, direction, sink)
        case .tunnel(let inner): inner.feed(bytes, direction, sink)
        }
    }

    /// `count` bytes of a direction that were not seen.
    public func skip(_ count: Int, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        guard count > 0 else { return }
        switch state {
        case .unknown: return
        case .probing: enterHole(direction)
        case .http(let parser): parser.skip(count, direction, sink)
        case .tls(let parser): parser.skip(count, direction, sink)
        case .dns(let parser): parser.skip(count, direction)
        case .ssh(let parser): parser.skip(count, direction)
        case .tunnel(let inner): inner.skip(count, direction, sink)
        }
    }

    /// The direction has ended.
    public func end(_ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void) {
        switch state {
        case .http(let parser): parser.end(direction, sink)
        case .tls(let parser): parser.end(direction, sink)
        case .tunnel(let inner): inner.end(direction, sink)
        case .probing, .unknown, .dns, .ssh: return
        }
    }
}

// MARK: - Recognition

extension StreamParser {
    private func probe(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) {
        guard !directions[direction].isOverLimit else { return }
        if directions[direction].isBehindHole { return search(bytes, direction, sink) }
        // What comes in one piece is looked at whole; only what must wait is bounded.
        directions[direction].held.append(contentsOf: bytes)
        if let found = candidates(direction) { return start(found, direction, sink) }
        let isNone = directions[direction].candidates.isEmpty
        if directions[direction].isBehindGap, isNone || directions[direction].held.count > http.limits.probe {
            return searchHeld(direction, sink)
        }
        if directions[direction].held.count > http.limits.probe {
            if directions[direction].candidates == [.dns] { directions[direction].passOver(direction) }
            if directions[direction].held.count > http.limits.probe {
                if direction == .toServer, mayAnswerHTTP {
                    return searchHeld(direction, isPastLimit: true, sink)
                }
                giveUp(direction)
            }
        }
        endIfUnknown()
    }

    /// The server's bytes, as far as they were seen, can still be HTTP.
    private var mayAnswerHTTP: Bool {
        directions[.toClient].candidates.contains(.http) || directions[.toClient].isBehindGap
    }

    private func endIfUnknown() {
        if directions[.toServer].isPastLimit, !mayAnswerHTTP { giveUp(.toServer) }
        guard directions.allSatisfy({ $0.candidates.isEmpty }) else { return }
        state = .unknown
        directions = [Probed(), Probed()]
    }

    /// Behind a hole in front of all that was seen the first bytes may be a beginning of what has no lines;
    /// else, and behind other holes, lines are searched.
    private func enterHole(_ direction: FlowDirection) {
        let probed = directions[direction]
        guard !probed.isOverLimit else { return }
        if probed.held.isEmpty, !probed.isBehindHole, !probed.isCut {
            directions[direction].isBehindGap = true
            directions[direction].candidates.removeAll { $0 == .http }
        } else {
            searchLines(direction)
        }
    }

    /// Searches what is held, and what comes. Behind what is none servers of HTTP answer with an error, or
    /// pass it over, and read on: requests of one segment would hide those with it.
    private func searchHeld(_ direction: FlowDirection, isPastLimit: Bool = false, _ sink: RecordSink) {
        let held = directions[direction].held
        searchLines(direction)
        directions[direction].isPastLimit = isPastLimit
        held.withUnsafeBytes { search($0, direction, sink) }
    }

    /// Of what is read here only HTTP can be recognised in its middle: by a message's first line.
    private func searchLines(_ direction: FlowDirection) {
        let searched = directions[direction].searched
        directions[direction] = Probed()
        directions[direction].candidates = [.http]
        directions[direction].isBehindHole = true
        directions[direction].searched = searched
    }

    /// Looks for a line that begins a message.
    private func search(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink) {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let end = rest.firstIndex(of: 0x0a)
            let count = end.map { $0 &+ 1 } ?? rest.count
            if directions[direction].takes(
                UnsafeRawBufferPointer(rebasing: rest[..<count]), direction, http.limits)
            {
                isGuess = directions[direction].isPastLimit && directions[direction.opposite].held.isEmpty
                self.start(.http, direction, sink)
                let behind = UnsafeRawBufferPointer(rebasing: rest[count...])
                return feed(behind, direction, sink)
            }
            start &+= count
        }
        directions[direction].searched &+= bytes.count
        guard directions[direction].searched > http.limits.searchedBehindHole else { return }
        giveUp(direction)
        endIfUnknown()
    }

    /// Asks each candidate about the held bytes: the protocol that they are, if one is.
    private func candidates(_ direction: FlowDirection) -> ApplicationProtocol? {
        let held = directions[direction].held
        var still: [ApplicationProtocol] = []
        for candidate in directions[direction].candidates {
            let answer = held.withUnsafeBytes { Self.ask(candidate, $0, direction) }
            if answer == .match { return candidate }
            if answer == .needMore { still.append(candidate) }
        }
        directions[direction].candidates = still
        return nil
    }

    private static func ask(
        _ candidate: ApplicationProtocol, _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection
    ) -> ProtocolMatch {
        switch candidate {
        case .http: HTTPParser.probe(bytes, direction)
        case .tls: TLSParser.probe(bytes, direction)
        case .dns: DNSParser.probe(bytes, direction)
        case .ssh: SSHParser.probe(bytes, direction)
        case .quic: .no
        }
    }

    private static func bit(_ direction: FlowDirection) -> UInt8 { 1 << direction.rawValue }

    /// Looks once whether a direction's first bytes are the flow's protocol, or rather another one.
    private func compare(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ own: ApplicationProtocol
    ) {
        compared |= Self.bit(direction)
        guard Self.ask(own, bytes, direction) == .no else { return }
        let other = Self.all.first { $0 != own && Self.ask($0, bytes, direction) == .match }
        strange = other.map { (direction, $0) }
    }

    private func giveUp(_ direction: FlowDirection) {
        directions[direction] = Probed()
        directions[direction].candidates = []
        directions[direction].isOverLimit = true
    }

    /// Hands what was held to the protocol's parser, requests first.
    /// - Parameter from: the direction that shows it.
    private func start(_ found: ApplicationProtocol, _ from: FlowDirection, _ sink: RecordSink) {
        switch found {
        case .http: state = .http(HTTPParser(configuration: http, memory: memory))
        case .tls: state = .tls(TLSParser(limits: http.limits))
        case .dns: state = .dns(DNSParser(limits: http.limits))
        case .ssh: state = .ssh(SSHParser(limits: http.limits))
        case .quic: state = .unknown
        }
        // However the bytes came, the same of them is let go.
        if found == .dns {
            for direction in FlowDirection.allCases { directions[direction].passOver(direction) }
        }
        let held = directions
        directions = [Probed(), Probed()]
        for direction in FlowDirection.allCases {
            let isCut = held[direction].isCut && found != .dns
            let isBehindGap = held[direction].isBehindGap && direction != from
            if held[direction].isOverLimit || held[direction].isBehindHole || isBehindGap || isCut {
                skip(1, direction, sink)
            }
            if isCut { continue }
            held[direction].held.withUnsafeBytes { feed($0, direction, sink) }
        }
    }

    /// Behind a CONNECT another protocol begins.
    private func enterTunnel(_ parser: HTTPParser, _ sink: RecordSink) {
        guard depth < 2 else {
            state = .unknown
            return
        }
        let inner = StreamParser(http: http, memory: memory, depth: depth + 1)
        state = .tunnel(inner)
        for direction in FlowDirection.allCases {
            parser.takeHeldBack(direction).withUnsafeBytes { inner.feed($0, direction, sink) }
        }
    }
}
