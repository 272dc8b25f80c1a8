// SPDX-License-Identifier: Apache-2.0
// Step two of a match: each candidate's conditions in the order of their cost, and what a match does.

import Glibc
import NetworkTypes
import Signatures

/// Whether a condition holds; one that waits may hold when more of a transaction is there.
enum Answer {
    case yes, no, wait

    init(_ holds: Bool) { self = holds ? .yes : .no }
}

/// What a candidate is compared with: one object for a matcher's life, for a copy for each candidate would
/// cost more than most comparisons.
final class Subject {
    /// The packet during `evaluate`, else an empty one. By pointer: a copy of it, or a property that lends
    /// it, is a call of the allocator for each comparison.
    fileprivate(set) var packet: UnsafePointer<InspectedPacket>
    /// The packet's flow.
    fileprivate(set) var flow: FlowMatchState?
    var place = SignatureMatch.Place.packet
    /// The transaction of the place; nil for packets and streams.
    var transaction: InspectedTransaction?
    /// A host takes what is looked at: streams and their transactions are made of what one takes.
    var isTaken: Bool {
        packet.pointee.isTaken || (place != .packet && packet.pointee.header.transport == .tcp)
    }
    private let nothing: UnsafeMutablePointer<InspectedPacket>

    init() {
        let none = IPAddress(v4: 0)
        nothing = .allocate(capacity: 1)
        nothing.initialize(
            to: InspectedPacket(
                header: PacketHeader(
                    transport: IPProtocol(rawValue: 255), source: none, destination: none)))
        packet = UnsafePointer(nothing)
    }

    deinit {
        nothing.deinitialize(count: 1)
        nothing.deallocate()
    }

    fileprivate func begin(_ packet: UnsafePointer<InspectedPacket>, _ flow: FlowMatchState?) {
        (self.packet, self.flow) = (packet, flow)
    }

    fileprivate func end() { (packet, flow, transaction) = (UnsafePointer(nothing), nil, nil) }
}

extension SignatureMatcher {
    func evaluate(_ packet: borrowing InspectedPacket, _ flow: FlowMatchState?) {
        let refused = flow?.refused ?? 0
        withUnsafePointer(to: packet) { pointer in
            subject.begin(pointer, flow)
            defer { subject.end() }
            evaluate(subject)
        }
        if let flow { counters.flowStateRefused &+= UInt64(flow.refused &- refused) }
    }

    private func evaluate(_ subject: Subject) {
        var index = 0
        while index < candidates.count {
            let candidate = candidates[index]
            index &+= 1
            subject.place = candidate.place
            if case .transaction(let number) = candidate.place {
                subject.transaction = subject.packet.pointee.transactions[number]
            } else if subject.transaction != nil {
                subject.transaction = nil
            }
            let compiled = plan.signatures[candidate.signature]
            if !compiled.testsEvents, subject.transaction?.isEventOnly == true { continue }
            let started = costs.isEmpty ? 0 : monotonicNanoseconds()
            let answer = check(compiled, candidate.signature, subject)
            if !costs.isEmpty { note(candidate.signature, answer, since: started) }
            switch answer {
            case .no: continue
            case .wait: wait(candidate, subject)
            case .yes:
                if found.last.map({ Int($0.signature) == candidate.signature }) == true,
                    subject.transaction == nil
                {
                    continue
                }
                if match(compiled, candidate, subject) { return }
            }
        }
    }

    private func wait(_ candidate: Candidate, _ subject: Subject) {
        guard let transaction = subject.transaction, !transaction.isComplete else { return }
        if transaction.candidates.count < SignatureMatcher.mostCandidates {
            transaction.candidates.append(UInt32(candidate.signature))
        } else {
            counters.candidatesRefused &+= 1
        }
    }

    /// The conditions of one candidate; its gate has been passed.
    private func check(_ compiled: CompiledSignature, _ number: Int, _ subject: Subject) -> Answer {
        guard compiled.admits(subject.packet), admits(compiled.flow, subject) else { return .no }
        if !compiled.packetTests.isEmpty {
            for test in compiled.packetTests where !packetTestHolds(test, subject.packet) { return .no }
        }
        if !compiled.protocolTests.isEmpty {
            for test in compiled.protocolTests where !protocolTestHolds(test, subject) { return .wait }
        }
        if !compiled.stateTests.isEmpty {
            for test in compiled.stateTests where !holds(test, subject) { return .wait }
        }
        guard !compiled.groups.isEmpty else { return .yes }
        return checkGroups(compiled, number, subject)
    }

    private func checkGroups(_ compiled: CompiledSignature, _ number: Int, _ subject: Subject) -> Answer {
        if compiled.needsWholeTransaction, subject.transaction?.isComplete == false { return .wait }
        runner.begin(variableCount: compiled.variableCount)
        var answer = Answer.yes
        for group in compiled.groups {
            switch holds(group, compiled, subject) {
            case .yes: continue
            case .wait: answer = .wait
            case .no: answer = .no
            }
            break
        }
        if runner.reachedRegexLimit { counters.regexLimits[number, default: 0] &+= 1 }
        if runner.reachedStepLimit { counters.stepLimits[number, default: 0] &+= 1 }
        return answer
    }

    /// What a match does. True: nothing further is tried (`pass`).
    private func match(_ compiled: CompiledSignature, _ candidate: Candidate, _ subject: Subject) -> Bool {
        let signature = compiled.signature
        let header = subject.packet.pointee.header
        if let transaction = subject.transaction,
            !transaction.noteMatch(UInt32(candidate.signature), signature.key)
        {
            return false
        }
        // What no host took says nothing of what one takes.
        if subject.isTaken, let flow = subject.flow,
            let bytes = streamBytes(compiled, candidate.place, subject.packet),
            !flow.noteReport(signature.key, header.direction, bytes: bytes)
        {
            return false
        }
        for change in signature.stateChanges { make(change, subject) }
        guard subject.isTaken else { return tell(signature, candidate) }
        if let filter = signature.detectionFilter, !memory.passes(filter, of: signature, header, subject.flow)
        {
            return false
        }
        var isReported = signature.isReported
        if let threshold = signature.threshold {
            switch memory.answer(threshold, of: signature, header, subject.flow) {
            case .report: break
            case .silent: isReported = false
            case .none: return false
            }
        }
        if signature.bypassesFlow { subject.flow?.isBypassed = true }
        report(SignatureMatch(signature: candidate.signature, place: candidate.place, isReported: isReported))
        guard signature.action == .pass else { return false }
        if compiled.passesFlow, !isDropAsked { subject.flow?.isPassed = true }
        return true
    }

    /// Of a packet that no host takes: an alert, and nothing that packets depend on which one takes.
    private func tell(_ signature: Signature, _ candidate: Candidate) -> Bool {
        guard signature.detectionFilter == nil, signature.threshold == nil else { return false }
        report(
            SignatureMatch(
                signature: candidate.signature, place: candidate.place, isReported: signature.isReported))
        return false
    }

    /// A match before asks for a drop, which a later `pass` does not take back.
    private var isDropAsked: Bool {
        found.contains { match in
            let action = plan.signatures[match.signature].signature.action
            return action != .alert && action != .pass
        }
    }

    /// The part of the stream that was looked at. What a SYN carries begins it, if the other side takes it.
    private func streamBytes(
        _ compiled: CompiledSignature, _ place: SignatureMatch.Place, _ packet: UnsafePointer<InspectedPacket>
    ) -> Range<UInt64>? {
        if place == .stream, let stream = packet.pointee.stream {
            let end = stream.streamOffset &+ UInt64(stream.bytes.count)
            return stream.streamOffset..<max(end, stream.streamOffset)
        }
        guard place == .packet, compiled.habitat == .stream else { return nil }
        let isSYN = packet.pointee.fields.tcpFlags?.contains(.syn) == true
        guard let start = isSYN ? 0 : packet.pointee.heldAt else { return nil }
        return start..<start &+ UInt64(packet.pointee.payload?.count ?? 0)
    }

    private func report(_ match: SignatureMatch) {
        if found.count < SignatureMatcher.mostMatches {
            found.append(match)
        } else {
            counters.matchesRefused &+= 1
        }
    }

    private func note(_ signature: Int, _ answer: Answer, since started: UInt64) {
        costs[signature].count &+= 1
        costs[signature].nanoseconds &+= monotonicNanoseconds() &- started
        if answer == .yes { costs[signature].matches &+= 1 }
    }
}

/// Nanoseconds on a clock that does not go back.
private func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}

// Buffers.
extension SignatureMatcher {
    private func holds(_ group: CompiledGroup, _ compiled: CompiledSignature, _ subject: Subject) -> Answer {
        if group.buffer.owner == nil { return Answer(holdsOnPacket(group, subject)) }
        guard let transaction = source(of: group, compiled, subject) else {
            return Answer(group.holdsWithoutBuffer)
        }
        guard let first = transaction.first(group.buffer) else {
            if !transaction.isComplete { return .wait }
            // What is not known of a transaction is not absent from it.
            return Answer(group.holdsWithoutBuffer && !transaction.isEventOnly)
        }
        var next: Int? = first
        var mayGrow = group.buffer.hasInstances && !transaction.isComplete
        while let index = next {
            let content = transaction.contents[index]
            if content.isComplete || !group.needsWholeBuffer {
                let holds = content.bytes.withUnsafeBytes { run(group, on: $0) }
                if holds { return .yes }
            }
            if !content.isComplete, !transaction.isComplete { mayGrow = true }
            // A path may be there in two readings, and a client may name another server behind a retry.
            let mayRepeat =
                group.buffer.hasInstances || group.buffer == .httpURI || group.buffer == .tlsSNI
            next = mayRepeat ? transaction.next(after: index) : nil
        }
        return mayGrow ? .wait : .no
    }

    /// The transaction that has the group's buffer: with signatures of both directions its request may.
    private func source(
        of group: CompiledGroup, _ compiled: CompiledSignature, _ subject: Subject
    ) -> InspectedTransaction? {
        guard compiled.header.isTransactional, let response = subject.transaction,
            response.direction == .toClient, group.buffer.directions != .toClient,
            let request = response.request
        else { return subject.transaction }
        return request.first(group.buffer) != nil ? request : response
    }

    private func holdsOnPacket(_ group: CompiledGroup, _ subject: Subject) -> Bool {
        let packet = subject.packet
        let isIPv4 = packet.pointee.header.source.family == .ipv4
        let transport = packet.pointee.header.transport
        let bytes: UnsafeRawBufferPointer?
        switch group.buffer {
        case .ipv4Header: bytes = isIPv4 ? packet.pointee.networkHeader : nil
        case .ipv6Header: bytes = isIPv4 ? nil : packet.pointee.networkHeader
        case .tcpHeader: bytes = transport == .tcp ? packet.pointee.transportHeader : nil
        case .udpHeader: bytes = transport == .udp ? packet.pointee.transportHeader : nil
        case .icmpv4Header: bytes = transport == .icmp ? packet.pointee.transportHeader : nil
        case .icmpv6Header: bytes = transport == .icmpv6 ? packet.pointee.transportHeader : nil
        default:
            if subject.place != .packet, let stream = packet.pointee.stream {
                return run(group, on: stream.bytes, streamOffset: stream.streamOffset)
            }
            bytes = packet.pointee.payload
        }
        guard let bytes else { return group.holdsWithoutBuffer }
        return run(group, on: bytes)
    }

    private func run(
        _ group: CompiledGroup, on bytes: UnsafeRawBufferPointer, streamOffset: UInt64 = 0
    ) -> Bool {
        guard group.isTransformed else {
            return runner.run(group.steps, on: bytes, streamOffset: streamOffset)
        }
        return apply(plan.views[group.view].transforms, to: bytes).withUnsafeBytes {
            runner.run(group.steps, on: $0)
        }
    }
}
