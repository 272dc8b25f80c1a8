// SPDX-License-Identifier: Apache-2.0
// `run`: one loop beside the kernel, which filters with it and without. In: signals, what the inspector's
// process says, the time. Out: bans and dropped flows, event lines, refreshed sets, a report for `status`.
import Dataplane
import Glibc
import InspectorProcess

/// Serves this network namespace until SIGTERM or SIGINT.
/// - Parameter tell: takes remarks, a line each; text in them may come from outside.
/// - Throws: `ServiceError` where it cannot begin; nothing is changed then.
public func run(_ request: RunRequest, tell: @escaping (String) -> Void) throws {
    let (datapath, _) = try openInstance(for: "run")
    let lock = try RunLock(path: RunLock.path(datapath.pins))
    // Before there is another thread.
    let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP])
    // A reader of events that goes away is an error of writing, not an end.
    signal(SIGPIPE, SIG_IGN)
    let events = try request.events.map(EventFile.init)
    let mailbox = try memoryFile([])
    defer { close(mailbox) }
    restoreKeptBans(tell)
    let inputs = RunInputs(
        lock: lock, signals: signals, events: events, work: try BackgroundWork(),
        saving: try BackgroundWork(),
        workers: WorkerContext(request: request, mailbox: mailbox))
    let loop = RunLoop(datapath, inputs, tell: tell)
    loop.run()
}

/// Bans of the file that the kernel does not have: mostly an apply has brought them already.
private func restoreKeptBans(_ tell: (String) -> Void) {
    do {
        try BanService(for: "run").restoreKept(tell)
    } catch {
        tell("bans were not restored: \(ServiceError(wrapping: error).message)")
    }
}

/// What the loop owns.
struct RunInputs {
    var lock: RunLock
    var signals: SignalDescriptor
    var events: EventFile?
    var work: BackgroundWork
    /// Bans are saved though a list is read that does not end.
    var saving: BackgroundWork
    var workers: WorkerContext
}

private final class RunLoop {
    private let datapath: Datapath
    private let inputs: RunInputs
    private let execution: FindingExecution
    private let holder: GenerationHolder
    private let controller: InspectorController
    private let reload: SignatureReload
    private let tell: (String) -> Void
    private var refreshes = RefreshSchedule([], from: 0)
    private var report: RunReport
    private var isEnding = false
    /// When the policy is looked at, the report written: every second.
    private var nextRound: UInt64 = 0
    private let saving = BanSaving()
    private var savings = BanSavingSchedule(lead: wallClockOffset())
    private var toldLoss: String?
    private var toldBansFault: String?
    /// What the kernel was last told of the inspector, and when it is to hear it again.
    private var saidInspected = false
    private var nextSaying: UInt64 = 0

    private static let round: UInt64 = 1_000_000_000
    /// For so long the kernel believes that somebody inspects: three rounds.
    private static let lease: UInt64 = 3_000_000_000

    init(_ datapath: Datapath, _ inputs: RunInputs, tell: @escaping (String) -> Void) {
        (self.datapath, self.inputs, self.tell) = (datapath, inputs, tell)
        let holder = GenerationHolder()
        let execution = FindingExecution(
            datapath, bounds: { try holder.bounds(of: $0, datapath) }, tell: tell)
        (self.execution, self.holder) = (execution, holder)
        var duties = InspectionDuties(
            sampling: { holder.current?.sampling(of: $0) }, carryOut: execution.carryOut,
            write: { inputs.events?.write($0) }, tell: tell)
        duties.reloaded = { holder.answer?($0) }
        duties.failed = { why, milliseconds in
            inputs.events?.write(
                engineEvent(
                    "the inspector is not running: " + why, [("restart_ms", .unsigned(milliseconds))]))
        }
        controller = InspectorController(duties: duties)
        let scopes = ScopeKeeper(
            { try execution.currentState() }, mailbox: inputs.workers.mailbox, tell: tell)
        reload = SignatureReload(controller, scopes: scopes) { text in
            tell(text)
            inputs.events?.write(engineEvent(text))
        }
        report = RunReport(pid: getpid(), startedNanoseconds: wallClock())
        report.events = inputs.workers.request.events
        holder.answer = { [reload] in reload.answered($0) }
    }

    func run() {
        while !(isEnding && controller.isIdle) {
            let now = monotonicNanoseconds()
            if now >= nextRound { doRound(now) }
            wait()
            while let signal = inputs.signals.next() { obey(signal) }
            inputs.events?.flush()
            tellRemarks()
            controller.turn(at: monotonicNanoseconds())
            execution.turn()
            reload.turn()
            sayInspected()
        }
        finish()
    }

    private func wait() {
        let ends = [inputs.signals.descriptor, inputs.work.descriptor, inputs.saving.descriptor]
        var waited = (ends + controller.descriptors + reload.descriptors).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        if let end = inputs.events?.waitsFor, end >= 0 {
            waited.append(pollfd(fd: end, events: Int16(POLLOUT), revents: 0))
        }
        let now = monotonicNanoseconds()
        var due = min(nextRound, controller.deadline ?? .max)
        // Nothing tells when another process lets the lock go.
        if execution.hasWaiting { due = min(due, now &+ 1_000_000) }
        let milliseconds = due > now ? Int32(clamping: (due - now) / 1_000_000 + 1) : 0
        poll(&waited, nfds_t(waited.count), milliseconds)
    }

    private func obey(_ signal: Int32) {
        guard signal == SIGHUP else {
            isEnding = true
            reload.watch(nil, isLoaded: true)
            return controller.use(nil, at: monotonicNanoseconds())
        }
        reload.want()
        do {
            try inputs.events?.reopen()
        } catch {
            tell("\(ServiceError(wrapping: error).message); the file before goes on")
        }
    }

    private func doRound(_ now: UInt64) {
        nextRound = now &+ Self.round
        if !isEnding {
            do {
                try followPolicy(now)
            } catch {
                tell("the running policy cannot be read: \(ServiceError(wrapping: error).message)")
            }
            reload.look(at: now)
        }
        saveBans(now)
        if !isEnding { refreshSets(now) }
        tellLoss()
        inputs.lock.write(currentReport())
    }

    /// Takes note of an apply, or of a detach.
    private func followPolicy(_ now: UInt64) throws {
        guard let id = try datapath.runningProgramID() else {
            guard holder.current != nil else { return }
            holder.current = nil
            refreshes = RefreshSchedule([], from: now)
            reload.watch(nil, isLoaded: true)
            return controller.use(nil, at: now)
        }
        guard holder.current?.programID != id, let info = try runningInfo(datapath) else { return }
        if holder.current?.goesOn(as: info, programID: id) == true { return }
        let next = try RunningGeneration(datapath, info, programID: id, inputs.workers)
        let former = holder.current
        holder.current = next
        execution.ruleNames = Dictionary(
            info.rules.map { ($0.slot, $0.name) }, uniquingKeysWith: { first, _ in first })
        refreshes = RefreshSchedule(info.header.refreshes ?? [], from: now)
        if let former, let setup = next.setup, controller.isRunning, next.takesOver(former) {
            controller.keep(setup)
            reload.watch(next, isLoaded: false)
        } else {
            controller.use(next.setup, at: now)
            reload.watch(next, isLoaded: true)
        }
        // Its descriptors were in use until here.
        withExtendedLifetime(former) {}
    }

    /// Tells the kernel whether somebody inspects: at once where that has changed, else again and again, so
    /// that it finds out where this process has gone.
    private func sayInspected() {
        let isInspected = controller.isRunning
        let now = monotonicNanoseconds()
        guard isInspected != saidInspected || (isInspected && now >= nextSaying) else { return }
        (saidInspected, nextSaying) = (isInspected, now &+ Self.round)
        do {
            try execution.currentState()?.setInspected(until: isInspected ? now &+ Self.lease : 0)
        } catch {
            tell("the kernel does not know who inspects: \(ServiceError(wrapping: error).message)")
        }
    }

    private func refreshSets(_ now: UInt64) {
        guard let next = refreshes.next, now >= next, !inputs.work.isBusy else { return }
        let names = refreshes.take(at: now)
        _ = inputs.work.start { tell in
            do {
                let outcomes = try SetService(for: "run").refresh(names, warn: tell)
                for outcome in outcomes where outcome.isChanged {
                    tell("set '\(outcome.name)' has changed: \(outcome.count) entries")
                }
            } catch {
                tell("sets were not refreshed: \(ServiceError(wrapping: error).message)")
            }
        }
    }

    private func saveBans(_ now: UInt64) {
        if saving.hasFailed { execution.hasUnsaved = true }
        guard BanStore.kept() != nil, !inputs.saving.isBusy else { return }
        let made = bansMade()
        let lead = wallClockOffset()
        guard savings.isDue(at: now, hasUnsaved: execution.hasUnsaved, made: made, lead: lead) else { return }
        savings.begin(at: now, made: made, lead: lead, isAgain: saving.hasFailed)
        execution.hasUnsaved = !inputs.saving.start { [saving] tell in saving.write(tell) }
    }

    /// By limits; nil where no policy runs, or that cannot be told, which is said once.
    private func bansMade() -> UInt64? {
        var fault: String?
        defer { toldBansFault = fault }
        do {
            return try execution.currentState()?.bansMadeByLimits()
        } catch {
            let message = "bans of limits are not saved: \(ServiceError(wrapping: error).message)"
            if message != toldBansFault { tell(message) }
            fault = message
            return nil
        }
    }

    private func tellLoss() {
        let problem = inputs.events?.problem
        defer { toldLoss = problem }
        guard let problem, problem != toldLoss, let target = inputs.workers.request.events else { return }
        tell("events are lost: '\(target)': \(problem)")
    }

    private func currentReport() -> RunReport {
        report.fill(from: controller)
        report.findings.bans = execution.bans
        report.findings.droppedFlows = execution.droppedFlows
        report.findings.failed = execution.failed
        report.uncheckedInterfaces = holder.current?.uncheckedInterfaces ?? []
        report.reloads = reload.count
        report.reloadsFailed = reload.failures
        report.lastReloadFault = reload.lastFault
        report.eventsWritten = inputs.events?.written ?? 0
        report.eventsLost = inputs.events?.lost ?? 0
        return report
    }

    private func finish() {
        execution.finish()
        sayInspected()
        inputs.events?.flush()
        inputs.work.finish(milliseconds: 10_000)
        inputs.saving.finish(milliseconds: 10_000)
        let hasUnsaved =
            execution.hasUnsaved || saving.hasFailed || savings.hasNews(bansMade())
            || savings.isElsewhere(wallClockOffset())
        if hasUnsaved, BanStore.kept() != nil { saving.write(tell) }
        tellRemarks()
    }

    /// Warnings come as text of several lines, or of none.
    private func tellRemarks() {
        for remark in inputs.work.takeRemarks() + inputs.saving.takeRemarks() {
            for line in remark.split(separator: "\n") { tell(String(line)) }
        }
    }
}

/// The generation whose worker runs; the controller's duties look here.
private final class GenerationHolder {
    var current: RunningGeneration?
    /// Of a program that the loop has not followed yet.
    private var applied: (program: UInt32, bounds: [InspectorBounds])?
    /// Takes what the worker says of signatures that it was to take over.
    var answer: ((String?) -> Void)?

    /// What the policy of a program that runs lets findings do.
    func bounds(of program: UInt32, _ datapath: Datapath) throws -> [InspectorBounds] {
        if let current, current.programID == program { return current.setup?.inspectors ?? [] }
        if let applied, applied.program == program { return applied.bounds }
        let bounds = (try runningInfo(datapath)?.header.inspectorBounds ?? []).map(\.bounds)
        applied = (program, bounds)
        return bounds
    }
}

extension RunReport {
    mutating func fill(from controller: InspectorController) {
        inspection =
            switch controller.state {
            case .idle: .none
            case .starting: .starting
            case .running: .running
            case .ending: .stopping
            case .waiting: .waiting
            }
        inspectorPID = controller.pid
        landlockVersion = controller.ready?.landlockVersion
        signatures = controller.ready?.signatures ?? 0
        signaturesLeftOut = controller.ready?.signaturesLeftOut ?? 0
        let history = controller.history
        (starts, crashes, hangs) = (history.starts, history.crashes, history.hangs)
        (violations, lastFault) = (history.violations, history.lastFault)
        let totals = controller.totals
        counters.samples = totals.counters.samples
        counters.sampledBytes = totals.counters.sampledBytes
        counters.staleSamples = totals.counters.staleSamples
        counters.flows = totals.counters.flows
        counters.alerts = totals.counters.alerts
        counters.eventsLost = totals.counters.eventsLost
        counters.memoryBytes = totals.counters.memoryBytes
        findings.refused = Dictionary(
            totals.refused.map { ($0.rawValue, $1) }, uniquingKeysWith: { first, _ in first })
    }
}
