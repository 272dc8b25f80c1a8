// SPDX-License-Identifier: Apache-2.0
// packet + stream chunk + transactions -> the signatures that match, in order: one object for each worker.

import NetworkTypes
import Signatures

/// Runs an engine's signatures. Not shared: each worker has its own, with its own scratch memory, bits of
/// hosts and rates.
public final class SignatureMatcher {
    public let engine: SignatureEngine
    /// What is remembered beyond flows.
    public let memory: MatchMemory
    /// What was done, refused and bounded so far.
    public internal(set) var counters = MatchCounters()

    /// Matches of one call; more are counted.
    public static let mostMatches = 64
    /// Candidates of one call; more are counted.
    static let mostCandidates = 16_384

    let plan: MatchPlan
    let scanner = LiteralScanner()
    let runner: ChainRunner
    let subject = Subject()
    var candidates: [Candidate] = []
    var found: [SignatureMatch] = []
    /// For each signature the round in which it became a candidate: a cheap set.
    var rounds: [UInt32]
    var round: UInt32 = 0
    var costs: [SignatureCost] = []
    /// Signatures whose literals one search of a transaction's buffer found.
    var literalUsers: [UInt32] = []
    /// The bytes around a border of two chunks, while they are looked at.
    var borderBytes: [UInt8] = []

    /// - Parameter former: for a reload: what it remembers and has counted goes on.
    public init(
        _ engine: SignatureEngine, after former: SignatureMatcher? = nil
    ) throws(SignatureEngineError) {
        self.engine = engine
        memory = former?.memory ?? MatchMemory()
        counters = former?.counters ?? MatchCounters()
        plan = engine.plan
        runner = ChainRunner(
            limits: engine.settings.regexLimits, mostSteps: engine.settings.mostSteps,
            usesMachineCode: engine.settings.usesMachineCode)
        rounds = Array(repeating: 0, count: plan.signatures.count)
        if engine.settings.isProfiled {
            costs = plan.signatures.indices.map { SignatureCost(signature: $0) }
        }
        do {
            for case let database? in plan.prefilters.map(\.database) { try scanner.prepare(for: database) }
        } catch {
            throw SignatureEngineError(description: "hyperscan: no scratch memory: \(error)")
        }
    }

    /// The signatures that match, in the order of the engine's list, at most `mostMatches` of them.
    /// `flow`: the packet's flow; nil where there is none: then conditions on flows fail.
    public func inspect(_ packet: borrowing InspectedPacket, flow: FlowMatchState?) -> [SignatureMatch] {
        counters.inspections &+= 1
        if let flow, flow.isPassed || flow.isBypassed { return [] }
        flow?.meet(engine.number)
        if let flow, let stream = packet.stream {
            flow.meet(engine.number, packet.header.direction, at: stream.streamOffset)
        }
        candidates.removeAll(keepingCapacity: true)
        found.removeAll(keepingCapacity: true)
        let streamIsPayload = packet.streamIsPayload
        if packet.payload != nil { collectFromPacket(packet, flow, isStream: streamIsPayload) }
        if packet.stream != nil { collectFromStream(packet, flow, isSearched: streamIsPayload) }
        for index in packet.transactions.indices {
            collect(from: packet.transactions[index], at: index, packet.header)
        }
        return candidates.isEmpty ? [] : answer(packet, flow)
    }

    /// Tries the candidates, one after the other.
    func answer(_ packet: borrowing InspectedPacket, _ flow: FlowMatchState?) -> [SignatureMatch] {
        if candidates.count > 1 { candidates.sort { $0.order < $1.order } }
        evaluate(packet, flow)
        counters.matches &+= UInt64(found.count)
        return found
    }

    /// Cost by signature, in the engine's order; empty unless `Settings.isProfiled`.
    public var profile: [SignatureCost] { costs }
}

/// A signature that may match, and where.
struct Candidate {
    /// Signature in the upper half, place in the lower: sorted by it, signatures are tried in order.
    let order: UInt64

    init(_ signature: UInt32, _ place: SignatureMatch.Place) {
        let low: UInt64 =
            switch place {
            case .stream: 0
            case .packet: 1
            case .transaction(let index): UInt64(UInt32(clamping: index)) + 2
            }
        order = UInt64(signature) << 32 | low
    }

    var signature: Int { Int(order >> 32) }

    var place: SignatureMatch.Place {
        switch order & 0xffff_ffff {
        case 0: .stream
        case 1: .packet
        case let index: .transaction(Int(index) - 2)
        }
    }
}
