// SPDX-License-Identifier: Apache-2.0
// Judged findings become bans and dropped flows: in the kernel's tables, under the lock that every change
// takes. In: acts of one moment. Out: what the kernel does from the next packet on, and counts.
import Dataplane
import Glibc
import InspectorProcess
import NetworkTypes

/// Carries findings out.
final class FindingExecution {
    private let datapath: Datapath
    /// The tables as they were for the program with this id: opening all of them takes longer than a ban.
    private var opened: (program: UInt32, state: SharedState)?
    private(set) var bans: UInt64 = 0
    private(set) var droppedFlows: UInt64 = 0
    private(set) var failed: UInt64 = 0
    /// A ban was made that the file of bans does not have.
    var hasUnsaved = false
    /// Names of the running policy's rules, by slot.
    var ruleNames: [UInt32: String] = [:]
    /// Acts whose turn has not come, as somebody else changes something: in their order, each once.
    private var waiting: [InspectionAct] = []
    private var isWaiting: Set<InspectionAct> = []
    /// Full tables are searched for what has ended.
    private let pace = (bans: ClearingPace(), flows: ClearingPace())
    private var failures = FailureTelling()
    private let tell: (String) -> Void
    /// What the policy of the program with this id lets findings do: workers of the one before may end after
    /// an apply, and have been judged by that.
    private let bounds: (UInt32) throws -> [InspectorBounds]

    /// Acts that may wait; findings beyond them fail.
    private static let mostWaiting = 65_536

    init(
        _ datapath: Datapath, bounds: @escaping (UInt32) throws -> [InspectorBounds],
        tell: @escaping (String) -> Void
    ) {
        (self.datapath, self.bounds, self.tell) = (datapath, bounds, tell)
    }

    /// Whether `turn` has something to do.
    var hasWaiting: Bool { !waiting.isEmpty }

    /// Takes acts of one moment, and carries them out unless somebody else has the lock.
    func carryOut(_ acts: [InspectionAct]) {
        // One packet may bring many findings of one kind.
        for act in acts where !isWaiting.contains(act) {
            guard waiting.count < Self.mostWaiting else {
                fail(1, "\(waiting.count) wait already for another change of this instance to end")
                continue
            }
            waiting.append(act)
            isWaiting.insert(act)
        }
        turn()
    }

    /// Carries out what waits; nothing where somebody else has the lock.
    func turn() {
        guard hasWaiting else { return }
        do {
            guard let lock = try PinDirectory.tryLock() else { return }
            defer { withExtendedLifetime(lock) {} }
            guard let state = try currentState(isLocked: true), let program = opened?.program else {
                return failWaiting("no policy runs")
            }
            let bounds = try bounds(program)
            for act in takeWaiting() {
                if bounds.contains(where: { $0.permits(act) }) {
                    carryOut(act, state)
                } else {
                    fail(1, "the policy that runs by now does not ask for it")
                }
            }
        } catch {
            failWaiting(ServiceError(wrapping: error).message)
        }
    }

    /// Carries out what waits before the process ends, or tells that it cannot.
    func finish() {
        for _ in 0..<1000 where hasWaiting {
            turn()
            if hasWaiting { usleep(10_000) }
        }
        if hasWaiting { failWaiting("\(DatapathBusy())") }
    }

    private func takeWaiting() -> [InspectionAct] {
        defer { (waiting, isWaiting) = ([], []) }
        return waiting
    }

    private func failWaiting(_ why: String) { fail(takeWaiting().count, why) }

    private func carryOut(_ act: InspectionAct, _ state: SharedState) {
        do {
            try carryOut(act, state, now: programClock())
        } catch {
            fail(1, ServiceError(wrapping: error).message)
        }
    }

    /// An apply that ran until now may have put other tables in the place of those that were opened; then it
    /// has put another program there too. Nil: nothing runs.
    /// - Parameter isLocked: without the lock an apply may be half done: the next call opens them anew.
    func currentState(isLocked: Bool = false) throws -> SharedState? {
        guard let program = try datapath.runningProgramID() else { return nil }
        if let opened, opened.program == program { return opened.state }
        guard let state = try SharedState.open(datapath.pins) else { return nil }
        if isLocked { opened = (program, state) }
        return state
    }

    private func carryOut(_ act: InspectionAct, _ state: SharedState, now: UInt64) throws {
        switch act {
        case .ban(let address, let slot, let nanoseconds, let cause):
            guard let prefix = Prefix(masking: address, length: address.family.bitWidth) else { return }
            var ban = Ban(
                prefix, since: now, ends: now &+ nanoseconds, reason: reason(cause, slot))
            ban.origin = .inspector
            _ = try state.add(ban, now: now, pace: pace.bans)
            bans &+= 1
            hasUnsaved = true
        case .dropFlow(let flow, let slot, let nanoseconds, let cause):
            var dropped = DroppedFlow(FlowEnds(flow), since: now, ends: now &+ nanoseconds)
            if case .signature(let sid) = cause { dropped.sid = sid }
            dropped.ruleSlot = slot
            try state.drop(dropped, now: now, pace: pace.flows)
            droppedFlows &+= 1
        }
    }

    /// As in "sid 2024217, rule 'web'".
    private func reason(_ cause: ReportedFinding.Cause, _ slot: UInt32) -> String {
        let what =
            switch cause {
            case .signature(let sid): "sid \(sid)"
            case .protocolName(let name): "protocol \(name)"
            }
        return ruleNames[slot].map { "\(what), rule '\($0)'" } ?? what
    }

    private func fail(_ count: Int, _ why: String) {
        failed &+= UInt64(count)
        failures.add(count)
        if let more = failures.take(at: programClock()) {
            tell("\(more == 1 ? "a finding" : "\(more) findings") could not be carried out: \(why)")
        }
    }
}

/// A remark every ten seconds, however many findings fail.
struct FailureTelling {
    private var untold = 0
    private var next: UInt64 = 0
    private static let span: UInt64 = 10_000_000_000

    mutating func add(_ count: Int) { untold += count }

    /// How many are to be told of now; nil: not yet.
    mutating func take(at now: UInt64) -> Int? {
        guard untold > 0, now >= next else { return nil }
        defer { (untold, next) = (0, now &+ Self.span) }
        return untold
    }
}

extension FlowEnds {
    init(_ flow: InspectedFlow) {
        self.init(
            flow.proto, End(flow.source, flow.sourcePort), End(flow.destination, flow.destinationPort))
    }
}
