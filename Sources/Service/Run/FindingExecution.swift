// SPDX-License-Identifier: Apache-2.0
// Judged findings become bans and dropped flows: in the kernel's tables, under the lock that every change
// takes. In: acts of one moment. Out: what the kernel does from the next packet on, and counts.
import Dataplane
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
    /// The last failure that was told; once it is another, or none, the next one is told again.
    private var toldFailure: String?
    private let tell: (String) -> Void

    init(_ datapath: Datapath, tell: @escaping (String) -> Void) {
        self.datapath = datapath
        self.tell = tell
    }

    func carryOut(_ acts: [InspectionAct]) {
        let state: SharedState
        let lock: FileDescriptor
        do {
            lock = try PinDirectory.lock()
            guard let current = try currentState() else { return fail(acts.count, "no policy runs") }
            state = current
        } catch {
            return fail(acts.count, ServiceError(wrapping: error).message)
        }
        defer { withExtendedLifetime(lock) {} }
        // One packet may bring many findings of one kind.
        var done: Set<InspectionAct> = []
        for act in acts where done.insert(act).inserted {
            do {
                try carryOut(act, state, now: programClock())
                toldFailure = nil
            } catch {
                fail(1, ServiceError(wrapping: error).message)
            }
        }
    }

    /// An apply that ran until now may have put other tables in the place of those that were opened; then it
    /// has put another program there too. Nil: nothing runs.
    func currentState() throws -> SharedState? {
        guard let program = try datapath.runningProgramID() else { return nil }
        if let opened, opened.program == program { return opened.state }
        guard let state = try SharedState.open(datapath.pins) else { return nil }
        opened = (program, state)
        return state
    }

    private func carryOut(_ act: InspectionAct, _ state: SharedState, now: UInt64) throws {
        switch act {
        case .ban(let address, let slot, let nanoseconds, let cause):
            guard let prefix = Prefix(masking: address, length: address.family.bitWidth) else { return }
            var ban = Ban(
                prefix, since: now, ends: now &+ nanoseconds, reason: reason(cause, slot))
            ban.origin = .inspector
            _ = try state.add(ban, now: now)
            bans &+= 1
            hasUnsaved = true
        case .dropFlow(let flow, let slot, let nanoseconds, let cause):
            var dropped = DroppedFlow(FlowEnds(flow), since: now, ends: now &+ nanoseconds)
            if case .signature(let sid) = cause { dropped.sid = sid }
            dropped.ruleSlot = slot
            try state.drop(dropped, now: now)
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
        guard toldFailure != why else { return }
        toldFailure = why
        tell("a finding could not be carried out: \(why)")
    }
}

extension FlowEnds {
    init(_ flow: InspectedFlow) {
        self.init(
            flow.proto, End(flow.source, flow.sourcePort), End(flow.destination, flow.destinationPort))
    }
}
