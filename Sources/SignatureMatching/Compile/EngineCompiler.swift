// SPDX-License-Identifier: Apache-2.0
// a list of checked signatures -> the plan that the matcher runs, and what had to be left out.

import NetworkTypes
import Signatures

/// Collects what a plan is made of, signature by signature.
struct EngineCompiler {
    /// What a load gives.
    struct Result {
        var signatures: [Signature]
        var refused: [SignatureEngine.Refused]
        var outcome: DatabaseCache.Outcome
        var plan: MatchPlan
    }

    private var plan = MatchPlan()
    private var viewNumbers: [BufferView: Int] = [:]
    private var patterns = PatternCollector()
    private var refused: [SignatureEngine.Refused] = []

    static func compile(
        _ signatures: [Signature], settings: SignatureEngine.Settings
    ) throws(SignatureEngineError) -> Result {
        var compiler = EngineCompiler()
        compiler.plan.packetLists = Array(repeating: PortLists(), count: PayloadKind.allCases.count * 2)
        compiler.plan.bufferLists = Array(repeating: [], count: Buffer.allCases.count * 2)
        for position in trialOrder(signatures, settings.actionOrder) {
            compiler.add(signatures[position], position)
        }
        let outcome = try compiler.makeDatabases(cache: settings.cache)
        return Result(
            signatures: compiler.plan.signatures.map(\.signature), refused: compiler.refused,
            outcome: outcome,
            plan: compiler.plan)
    }

    private mutating func add(_ signature: Signature, _ position: Int) {
        do {
            var groups: [CompiledGroup] = []
            for matches in signature.matches { groups.append(try compile(matches)) }
            let compiled = CompiledSignature(signature, habitat: Habitat(of: signature), groups: groups)
            let number = UInt32(plan.signatures.count)
            plan.signatures.append(compiled)
            plan.gates.append(Gate(signature))
            for matches in signature.matches { plan.wantsBuffer[matches.buffer.number] = true }
            index(compiled, number)
        } catch {
            let reason = "pcre: \(error.reason) at offset \(error.offset)"
            refused.append(SignatureEngine.Refused(position: position, signature: signature, reason: reason))
        }
    }

    private mutating func compile(_ matches: BufferMatches) throws(RegexError) -> CompiledGroup {
        let steps = try Step.compile(matches.inspections)
        let view = viewNumber(BufferView(buffer: matches.buffer, transforms: matches.transforms))
        let mayBeAbsent = steps.contains { if case .absent = $0 { true } else { false } }
        return CompiledGroup(
            view: view, buffer: matches.buffer, isTransformed: !matches.transforms.isEmpty, steps: steps,
            needsWholeBuffer: !matches.transforms.isEmpty || steps.contains(where: \.needsWholeBuffer),
            holdsWithoutBuffer: matches.holdsWithoutBuffer || mayBeAbsent)
    }

    private mutating func viewNumber(_ view: BufferView) -> Int {
        if let known = viewNumbers[view] { return known }
        plan.views.append(view)
        viewNumbers[view] = plan.views.count - 1
        return plan.views.count - 1
    }

    private static func directions(of signature: Signature) -> [FlowDirection] {
        (signature.flow.toServer ? [FlowDirection.toServer] : [])
            + (signature.flow.toClient ? [FlowDirection.toClient] : [])
    }

    /// Files the signature under the literal that must be there, or in a list where there is none.
    private mutating func index(_ compiled: CompiledSignature, _ number: UInt32) {
        let directions = EngineCompiler.directions(of: compiled.signature)
        for direction in directions {
            switch compiled.habitat {
            case .addresses: plan.addressLists[Int(direction.rawValue)].append(number)
            case .recognition: plan.recognitionLists[Int(direction.rawValue)].append(number)
            case .transaction: indexTransaction(compiled, number, direction)
            case .packet, .application, .stream, .packetOrStream:
                indexPacket(compiled, number, direction)
            }
        }
    }

    private mutating func indexPacket(
        _ compiled: CompiledSignature, _ number: UInt32, _ direction: FlowDirection
    ) {
        let pattern = RequiredPattern(of: compiled.signature) { $0 == .payload }
        var tcpPlaces: UsePlaces = []
        let transports = compiled.signature.transports
        for kind in PayloadKind.allCases where kind.isMeant(by: transports) {
            if kind == .tcpStream, compiled.habitat == .packet || compiled.habitat == .application {
                continue
            }
            if kind == .tcpPacket, compiled.habitat == .stream { continue }
            guard let pattern else {
                plan.packetLists[MatchPlan.slot(kind, direction)].insert(number, compiled.signature.header)
                continue
            }
            switch kind {
            case .tcpPacket: tcpPlaces.insert(.packet)
            case .tcpStream: tcpPlaces.insert(.stream)
            case .udp, .icmp, .other: add(pattern, compiled, number, MatchPlan.slot(kind, direction))
            }
        }
        guard let pattern, !tcpPlaces.isEmpty else { return }
        add(pattern, compiled, number, MatchPlan.slot(.tcpPacket, direction), tcpPlaces)
    }

    private mutating func add(
        _ pattern: RequiredPattern, _ compiled: CompiledSignature, _ number: UInt32, _ slot: Int,
        _ places: UsePlaces = .packet
    ) {
        let use = PatternUse(signature: number, mostEnd: pattern.mostEnd, places: places)
        patterns.add(pattern, use, to: .payload(slot: slot, view: compiled.groups[pattern.group].view))
    }

    private mutating func indexTransaction(
        _ compiled: CompiledSignature, _ number: UInt32, _ direction: FlowDirection
    ) {
        // A signature of both directions is decided when the response is there.
        if compiled.signature.header.isTransactional, direction == .toServer { return }
        let isOne = !compiled.signature.header.isTransactional
        if isOne, let pattern = RequiredPattern(of: compiled.signature, in: { $0.owner != nil }) {
            let group = compiled.groups[pattern.group]
            let slot = MatchPlan.slot(group.buffer, direction)
            let use = PatternUse(signature: number, mostEnd: pattern.mostEnd)
            patterns.add(pattern, use, to: .buffer(slot: slot, view: group.view))
        } else if isOne,
            let group = compiled.groups.first(where: { $0.buffer.owner != nil && !$0.holdsWithoutBuffer })
        {
            plan.bufferLists[MatchPlan.slot(group.buffer, direction)].append(number)
        } else {
            plan.transactionLists[Int(direction.rawValue)].append(number)
        }
    }

    private mutating func makeDatabases(
        cache: DatabaseCache?
    ) throws(SignatureEngineError) -> DatabaseCache.Outcome {
        plan.payloadPrefilters = Array(repeating: [], count: PayloadKind.allCases.count * 2)
        plan.bufferPrefilters = Array(repeating: [], count: Buffer.allCases.count * 2)
        let lists = patterns.lists.map(\.literals).filter { !$0.isEmpty }
        do {
            let made = try cache?.databases(for: lists) ?? (DatabaseCache.compile(lists), .off)
            var databases = made.databases[...]
            for list in patterns.lists {
                let prefilter = list.prefilter(list.literals.isEmpty ? nil : databases.popFirst())
                plan.prefilters.append(prefilter)
                switch list.key {
                case .payload(let slot, _): plan.payloadPrefilters[slot].append(prefilter)
                case .buffer(let slot, _): plan.bufferPrefilters[slot].append(prefilter)
                }
            }
            for direction in [FlowDirection.toServer, .toClient] {
                plan.payloadPrefilters[MatchPlan.slot(.tcpStream, direction)] =
                    plan.payloadPrefilters[MatchPlan.slot(.tcpPacket, direction)]
            }
            return made.outcome
        } catch {
            throw SignatureEngineError(description: "hyperscan: \(error)")
        }
    }

    /// Indexes in the order in which signatures are tried.
    private static func trialOrder(_ signatures: [Signature], _ actions: [SignatureAction]) -> [Int] {
        let ranks = signatures.map { TrialRank($0, actions) }
        return signatures.indices.sorted { (ranks[$0], $0) < (ranks[$1], $1) }
    }
}

/// What is tried first: `pass` before what it lets through, setters of bits before their readers, graver
/// ones.
private struct TrialRank: Comparable {
    private let number: UInt32

    init(_ signature: Signature, _ actions: [SignatureAction]) {
        let action = UInt32(actions.firstIndex(of: signature.action.plain) ?? actions.count)
        let state: UInt32 =
            switch (signature.stateChanges.isEmpty, signature.stateTests.isEmpty) {
            case (false, true): 0
            case (false, false): 1
            case (true, false): 2
            case (true, true): 3
            }
        number = action << 16 | state << 8 | UInt32(signature.priority)
    }

    static func < (a: TrialRank, b: TrialRank) -> Bool { a.number < b.number }
}

extension SignatureAction {
    /// Without whom a `reject` tells.
    fileprivate var plain: SignatureAction {
        switch self {
        case .reject, .rejectSource, .rejectDestination, .rejectBoth: .reject
        case .alert, .pass, .drop: self
        }
    }
}
