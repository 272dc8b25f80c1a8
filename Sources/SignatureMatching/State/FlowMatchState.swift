// SPDX-License-Identifier: Apache-2.0
// What signatures remember of one flow: bits, counters, rates, what was reported already. Small, and empty
// for most.

import NetworkTypes

/// One flow's memory; the caller keeps it with the flow. Numbers keep their meaning over a reload when the
/// names of the old set were given to the new one.
public final class FlowMatchState {
    /// A `pass` signature on the stream or a transaction matched: nothing of the flow is reported from
    /// here on.
    public internal(set) var isPassed = false
    /// A signature with `bypass` matched: the caller may stop to inspect the flow.
    public internal(set) var isBypassed = false
    /// Bits and counters that were refused, rates and reports that were forgotten, because the flow has too
    /// many.
    public internal(set) var refused: UInt32 = 0

    private var bits: [UInt32] = []
    private var integers: [(name: UInt32, value: UInt32)] = []
    /// The one that was used last comes last.
    private var rates: [(signature: UInt64, rate: MatchRate)] = []
    private var reports: [StreamReport] = []
    /// Two bits of each `OnceKind`: its signatures were tried to the server, to the client.
    private var onceDone: UInt8 = 0
    /// Whose signatures `onceDone` is about; 0: none's.
    private var onceEngine: UInt64 = 0

    private struct StreamReport {
        /// Number of the signature over all sets: `Signature.key`.
        var signature: UInt64
        var direction: FlowDirection
        var end: UInt64
    }

    /// A signature whose literal was in a chunk that ended there.
    private struct LiteralNote {
        var signature: UInt32
        var direction: FlowDirection
        var chunkEnd: UInt64
    }

    private var literals: [LiteralNote] = []
    /// To here more literals were found than are noted, by direction.
    private var unnotedEnds: (toServer: UInt64, toClient: UInt64) = (0, 0)
    /// Whose signatures are noted, by direction; 0: none's.
    private var engines: (toServer: UInt64, toClient: UInt64) = (0, 0)
    /// Literals that are noted; beyond them the border of two chunks is searched whole.
    private static let mostLiterals = 64

    /// Bits, counters and remembered reports that a flow may have, each.
    static let most = 256
    /// Rates that it may have: they are larger.
    static let mostRates = 64

    public init() {}

    func hasBit(_ name: UInt32) -> Bool { bits.contains(name) }

    /// - Parameter isTaken: false for a packet that no host takes, which sees the bits of such ones too.
    func hasBit(_ name: UInt32, isTaken: Bool) -> Bool {
        bits.contains(name) || !isTaken && bits.contains(name | Self.untaken)
    }

    /// Sets a bit that only packets see that no host takes.
    func setUntakenBit(_ name: UInt32) { setBit(name | Self.untaken) }

    private static let untaken: UInt32 = 1 << 31

    func setBit(_ name: UInt32) {
        guard !bits.contains(name) else { return }
        if bits.count < FlowMatchState.most { bits.append(name) } else { refused &+= 1 }
    }

    func clearBit(_ name: UInt32) { bits.removeAll { $0 == name } }

    /// nil: it was never set.
    func integer(_ name: UInt32) -> UInt32? { integers.first { $0.name == name }?.value }

    func setInteger(_ name: UInt32, to value: UInt32) {
        if let index = integers.firstIndex(where: { $0.name == name }) {
            integers[index].value = value
        } else if integers.count < FlowMatchState.most {
            integers.append((name, value))
        } else {
            refused &+= 1
        }
    }

    /// Changes the rate of a signature's matches in this flow. Where a flow has too many the one that was not
    /// used for longest goes, so that a newcomer always finds a place.
    func changeRate<Result>(
        of signature: UInt64, at now: Int64, seconds: UInt32, _ change: (inout MatchRate) -> Result
    ) -> Result {
        var rate = MatchRate(at: now, seconds: seconds)
        if let index = rates.firstIndex(where: { $0.signature == signature }) {
            rate = rates.remove(at: index).rate
        } else if rates.count >= FlowMatchState.mostRates, rates.removeFirst().rate.isNeeded(at: now) {
            refused &+= 1
        }
        let result = change(&rate)
        rates.append((signature, rate))
        return result
    }

    /// Whether a kind of once-a-direction signature was tried.
    func wasTried(_ kind: OnceKind, _ direction: FlowDirection) -> Bool {
        onceDone & 1 << (kind.rawValue &* 2 &+ direction.rawValue) != 0
    }

    /// Whether the engine's signatures have yet to see the flow.
    func isNew(to engine: UInt64) -> Bool { onceEngine != engine }

    /// Whether this is the first time that a kind of once-a-direction signature is tried.
    func isFirstTime(_ kind: OnceKind, _ direction: FlowDirection) -> Bool {
        let bit: UInt8 = 1 << (kind.rawValue &* 2 &+ direction.rawValue)
        defer { onceDone |= bit }
        return onceDone & bit == 0
    }

    /// As what a packet's addresses are looked at: of what no host takes only where nothing else came before.
    func addressKind(isTaken: Bool, _ direction: FlowDirection) -> OnceKind {
        let bit: UInt8 = 1 << (OnceKind.addresses.rawValue &* 2 &+ direction.rawValue)
        return isTaken || onceDone & bit != 0 ? .addresses : .untakenAddresses
    }

    /// Where another engine takes it over, its signatures are tried for the first time.
    func meet(_ engine: UInt64) {
        guard onceEngine != engine else { return }
        (onceEngine, onceDone) = (engine, 0)
    }

    /// Signatures that are tried once for each direction of a flow.
    enum OnceKind: UInt8 {
        case addresses = 0, recognition = 1
        /// Recognition ones again: the sides speak different protocols.
        case disagreement = 2
        /// Those by addresses, of packets that no host takes.
        case untakenAddresses = 3
    }

    /// Where another engine takes it over, what was noted means nothing: of bytes before `offset` it knows
    /// no literals.
    func meet(_ engine: UInt64, _ direction: FlowDirection, at offset: UInt64) {
        let known = direction == .toServer ? engines.toServer : engines.toClient
        guard known != engine else { return }
        if direction == .toServer { engines.toServer = engine } else { engines.toClient = engine }
        guard known != 0 else { return }
        literals.removeAll { $0.direction == direction }
        if direction == .toServer { unnotedEnds.toServer = offset } else { unnotedEnds.toClient = offset }
    }

    /// Notes that a signature's literal stands in a chunk of the stream that ends at `chunkEnd`, or itself
    /// ends there across a border.
    func noteLiteral(of signature: UInt32, _ direction: FlowDirection, chunkEnd: UInt64) {
        for index in literals.indices
        where literals[index].signature == signature && literals[index].direction == direction {
            literals[index].chunkEnd = max(literals[index].chunkEnd, chunkEnd)
            return
        }
        guard literals.count >= FlowMatchState.mostLiterals else {
            return literals.append(
                LiteralNote(signature: signature, direction: direction, chunkEnd: chunkEnd))
        }
        if direction == .toServer {
            unnotedEnds.toServer = max(unnotedEnds.toServer, chunkEnd)
        } else {
            unnotedEnds.toClient = max(unnotedEnds.toClient, chunkEnd)
        }
    }

    /// Forgets what was noted of chunks that end at or before `start`.
    func forgetLiterals(_ direction: FlowDirection, before start: UInt64) {
        guard !literals.isEmpty else { return }
        literals.removeAll { $0.direction == direction && $0.chunkEnd <= start }
    }

    /// Whether all literals behind `start` are noted.
    func hasNotedAll(_ direction: FlowDirection, from start: UInt64) -> Bool {
        (direction == .toServer ? unnotedEnds.toServer : unnotedEnds.toClient) <= start
    }

    /// Tells of each signature with a literal in a chunk that ends behind `start`.
    @inline(__always) func forEachLiteral(
        _ direction: FlowDirection, from start: UInt64, _ body: (_ signature: UInt32) -> Void
    ) {
        for note in literals where note.direction == direction && note.chunkEnd > start {
            body(note.signature)
        }
    }

    /// Notes a report on stream bytes `start..<end`; false if the signature reported bytes that overlap
    /// them.
    func noteReport(_ signature: UInt64, _ direction: FlowDirection, bytes: Range<UInt64>) -> Bool {
        if let index = reports.firstIndex(where: { $0.signature == signature && $0.direction == direction }) {
            let isNew = bytes.lowerBound >= reports[index].end
            if isNew { reports[index].end = bytes.upperBound }
            return isNew
        }
        if reports.count >= FlowMatchState.most {
            refused &+= 1
            reports.removeFirst()
        }
        reports.append(StreamReport(signature: signature, direction: direction, end: bytes.upperBound))
        return true
    }
}
