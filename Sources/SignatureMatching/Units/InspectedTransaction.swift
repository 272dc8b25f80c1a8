// SPDX-License-Identifier: Apache-2.0
// One direction of an application's transaction as buffers: filled by the protocol parsers' owner as
// bytes come, inspected each time something is new.

import NetworkTypes
import Signatures

/// Fields of a transaction that signatures test and that are no bytes.
public struct TransactionFields: Sendable {
    public var dnsOpcode: UInt8?
    public var dnsRcode: UInt16?
    /// Types of the questions (to the server) or of the answers (to the client).
    public var dnsRecordTypes: [UInt16] = []
    public var tlsVersion: TLSVersions = []
    public var tlsStates: TLSStates = []
    /// As in "2.0".
    public var sshVersion: [UInt8] = []
    /// Events of the protocol's parser, as in "http.missing_host_header".
    public var events: [String] = []

    public init() {}
}

/// A transaction's buffers of one direction (HTTP request or response, DNS message, TLS handshake side, SSH
/// banner). Kept by the caller from its first bytes to its end; the matcher keeps its place in it.
public final class InspectedTransaction {
    /// Bytes of one buffer.
    struct Content {
        var buffer: Buffer
        var bytes: [UInt8]
        var isComplete: Bool
        /// Changed since the last scan.
        var isNew: Bool
        /// How often it was set anew, and how often it has grown since.
        var sets: UInt32 = 0
        var growths: UInt32 = 0
        /// A buffer that grows: how many bytes of it are no longer in `bytes`, and how many were searched,
        /// those among them.
        var forgotten = 0
        var searched = 0
        /// Signatures whose literals were found in what was searched.
        var literals: [UInt32] = []

        /// Where the search goes on for literals of at most so many bytes.
        func searchStart(_ longest: Int) -> Int {
            min(max(0, searched - forgotten - max(0, longest - 1)), bytes.count)
        }
    }

    public let direction: FlowDirection
    /// What it is of: signatures for another protocol do not see it.
    public let application: ApplicationProtocol
    /// To be kept up to date by the caller before each inspection.
    public var fields = TransactionFields()
    /// The other direction of the same transaction, for signatures of both (`=>`).
    public var request: InspectedTransaction?
    /// The first reading of the same message, which keeps what has matched in all of them: it does not match
    /// again. Nil where this is it.
    private var origin: InspectedTransaction?
    /// Nothing more comes: what is not here now never will be.
    public var isComplete = false
    /// For the caller: where it stands among what one packet brought, which may be thousands.
    public var place = 0
    /// Its events stand for themselves: nothing is known of the transaction that they are of.
    public var isEventOnly = false

    private(set) var contents: [Content] = []
    /// First entry of `contents` for each buffer, 0xff for none; by `Buffer.number`.
    private var places = InspectedTransaction.noPlaces
    private static let noPlaces = [UInt8](repeating: 0xff, count: Buffer.allCases.count)
    /// Signatures that may still match, in order; the matcher's own.
    var candidates: [UInt32] = []
    /// Signatures that have matched; the matcher's own.
    var matched: [UInt32] { origin?.matchedHere ?? matchedHere }
    private var matchedHere: [UInt32] = []
    /// What `candidates` and `matched` are positions in; 0: none has seen it.
    private var engine: UInt64 = 0
    /// Whose matches they are; the engine may be that of several.
    private var reader: ObjectIdentifier?
    private var matchedKeys: [(reader: ObjectIdentifier?, key: UInt64)] = []
    /// Where the others stand that look at it in turn: hardly ever any.
    private var turns: [Turn] = []

    /// How far one reader has come.
    private struct Turn {
        var engine: UInt64
        var reader: ObjectIdentifier?
        var candidates: [UInt32]
        var matched: [UInt32]
        var wasInspected: Bool
        var contents: [(sets: UInt32, growths: UInt32, isNew: Bool, searched: Int, literals: [UInt32])]
    }
    var wasInspected = false

    /// Buffers with all their instances that one transaction keeps; more are refused.
    public static let mostContents = 128

    public init(direction: FlowDirection, application: ApplicationProtocol) {
        self.direction = direction
        self.application = application
        contents.reserveCapacity(16)
    }

    /// Where another engine takes it over: everything is new to that one, but what has matched. Where several
    /// look at it in turn each goes on where it was.
    /// - Parameter reader: what it remembers its matches in, over reloads.
    func meet(_ next: SignatureEngine, _ reader: MatchMemory) {
        origin?.meet(next, reader)
        let identity = ObjectIdentifier(reader)
        guard engine != next.number || self.reader != identity else { return }
        defer { (engine, self.reader) = (next.number, identity) }
        guard engine != 0 else { return }
        if self.reader != identity {
            turns.append(turn())
            if let place = turns.firstIndex(where: { $0.reader == identity }) {
                let own = turns.remove(at: place)
                if own.engine == next.number { return goOn(from: own) }
            }
        }
        candidates.removeAll()
        let keys = Set(matchedKeys.lazy.filter { $0.reader == identity }.map(\.key))
        matchedHere =
            keys.isEmpty
            ? []
            : next.signatures.indices.filter { keys.contains(next.signatures[$0].key) }
                .map { UInt32(clamping: $0) }
        wasInspected = false
        for index in contents.indices {
            contents[index].isNew = true
            contents[index].searched = 0
            contents[index].literals = []
        }
    }

    private func turn() -> Turn {
        Turn(
            engine: engine, reader: reader, candidates: candidates, matched: matchedHere,
            wasInspected: wasInspected,
            contents: contents.map { ($0.sets, $0.growths, $0.isNew, $0.searched, $0.literals) })
    }

    private func goOn(from turn: Turn) {
        (candidates, matchedHere, wasInspected) = (turn.candidates, turn.matched, turn.wasInspected)
        for index in contents.indices {
            contents[index].isNew = true
            contents[index].searched = 0
            contents[index].literals = []
            guard index < turn.contents.count, turn.contents[index].sets == contents[index].sets else {
                continue
            }
            let known = turn.contents[index]
            contents[index].isNew = known.isNew || known.growths != contents[index].growths
            contents[index].searched = known.searched
            contents[index].literals = known.literals
        }
    }

    /// - Returns: false where another reading of the message has matched it.
    func noteMatch(_ position: UInt32, _ key: UInt64) -> Bool {
        if let origin {
            return !origin.matchedHere.contains(position) && origin.noteMatch(position, key)
        }
        matchedHere.append(position)
        matchedKeys.append((reader, key))
        return true
    }

    /// This is one more reading of a message. Before the first inspection.
    public func goOn(from former: InspectedTransaction) { origin = former.origin ?? former }

    /// Sets a buffer that grows, again and again: `bytes` are its bytes but for the first `forgotten`, and
    /// those that stood in it the last time are the same still.
    public func grow(_ buffer: Buffer, _ bytes: [UInt8], forgotten: Int, isComplete: Bool) {
        let place = Int(places[buffer.number])
        guard place < contents.count, forgotten >= contents[place].forgotten else {
            set(buffer, bytes, isComplete: isComplete)
            if let place = first(buffer) { contents[place].forgotten = forgotten }
            return
        }
        contents[place].bytes = bytes
        contents[place].forgotten = forgotten
        contents[place].isComplete = isComplete
        contents[place].isNew = true
        contents[place].growths &+= 1
    }

    /// Sets a buffer; again with `isComplete` false as it grows (all its bytes from the first one that is
    /// still looked at).
    public func set(_ buffer: Buffer, _ bytes: [UInt8], isComplete: Bool = true) {
        let place = Int(places[buffer.number])
        var content = Content(buffer: buffer, bytes: bytes, isComplete: isComplete, isNew: true)
        if place < contents.count {
            content.sets = contents[place].sets &+ 1
            contents[place] = content
        } else {
            append(content)
        }
    }

    /// Adds one more instance of a buffer that can come several times. False: refused, there are too many.
    @discardableResult
    public func append(_ buffer: Buffer, _ bytes: [UInt8]) -> Bool {
        append(Content(buffer: buffer, bytes: bytes, isComplete: true, isNew: true))
    }

    @discardableResult
    private func append(_ content: Content) -> Bool {
        guard contents.count < InspectedTransaction.mostContents else { return false }
        if places[content.buffer.number] == 0xff {
            places[content.buffer.number] = UInt8(contents.count)
        }
        contents.append(content)
        return true
    }

    /// Nothing has come since the last inspection.
    public var isSearched: Bool { !contents.contains(where: \.isNew) }

    /// Index of the first instance of a buffer in `contents`.
    func first(_ buffer: Buffer) -> Int? {
        let place = Int(places[buffer.number])
        return place < contents.count ? place : nil
    }

    /// Index of the next instance behind `index`.
    func next(after index: Int) -> Int? {
        let buffer = contents[index].buffer
        var next = index + 1
        while next < contents.count {
            if contents[next].buffer == buffer { return next }
            next += 1
        }
        return nil
    }

    func markScanned() {
        for index in contents.indices where contents[index].isNew {
            contents[index].isNew = false
            contents[index].searched = contents[index].forgotten + contents[index].bytes.count
        }
    }

    /// Notes what a search of the buffer at `index` found, for the next one, which begins behind it.
    func note(literalsOf signatures: [UInt32], at index: Int) {
        for signature in signatures where !contents[index].literals.contains(signature) {
            contents[index].literals.append(signature)
        }
    }
}

extension Buffer {
    /// Position in the list of all buffers. An enumeration without payloads is one byte, its case's
    /// position; a test holds that against `allCases`.
    @inline(__always) var number: Int { Int(unsafeBitCast(self, to: UInt8.self)) }
}
