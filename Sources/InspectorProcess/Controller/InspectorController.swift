// SPDX-License-Identifier: Apache-2.0
// The controller's side of inspection: one worker after the other, what they say judged, their ends noted.
// In: what is readable, and the time. Out: acts, event lines and remarks, through what the caller lends.
import Glibc

/// What the controller does with what a worker says.
public struct InspectionDuties {
    /// What the kernel knows of a flow.
    public var sampling: (InspectedFlow) -> FlowSampling?
    /// Carries out judged findings, those of one moment at once.
    public var carryOut: ([InspectionAct]) -> Void
    /// Takes whole lines of EVE JSON, each with its end.
    public var write: ([UInt8]) -> Void
    /// Tells people; text as the worker gave it, to be escaped.
    public var tell: (String) -> Void
    /// A worker has taken over other signatures (nil), or has not: why.
    public var reloaded: (String?) -> Void = { _ in }
    /// The worker did not stay: why, and in how many milliseconds another one starts.
    public var failed: (String, UInt64) -> Void = { _, _ in }

    public init(
        sampling: @escaping (InspectedFlow) -> FlowSampling?,
        carryOut: @escaping ([InspectionAct]) -> Void, write: @escaping ([UInt8]) -> Void,
        tell: @escaping (String) -> Void
    ) {
        self.sampling = sampling
        self.carryOut = carryOut
        self.write = write
        self.tell = tell
    }
}

/// What a worker is started with.
public struct WorkerSetup: Sendable {
    public var program: WorkerProgram
    /// The descriptors that it is given; they stay the caller's, and open while the setup is in use.
    public var given: [Int32]
    /// By position in the policy.
    public var inspectors: [InspectorBounds]

    public init(program: WorkerProgram, given: [Int32], inspectors: [InspectorBounds]) {
        self.program = program
        self.given = given
        self.inspectors = inspectors
    }
}

/// Keeps a worker running while there is something to inspect.
public final class InspectorController {
    private var supervisor: WorkerSupervisor
    private var setup: WorkerSetup?
    private var current: RunningWorker?
    private let duties: InspectionDuties
    private var ended = InspectionTotals()

    /// Messages that are taken at a time: a worker that floods keeps nobody from the rest.
    private static let mostMessages = 256

    public init(duties: InspectionDuties, times: WorkerSupervisor.Times = .init()) {
        self.duties = duties
        supervisor = WorkerSupervisor(times: times)
    }

    public var state: WorkerSupervisor.State { supervisor.state }
    /// Samples are looked at.
    public var isRunning: Bool { supervisor.isRunning }
    public var history: WorkerHistory { supervisor.history }
    /// The process that runs; nil: none.
    public var pid: Int32? { current?.process.pid }
    /// What the worker became; nil until it is ready.
    public var ready: WorkerReady? { supervisor.isRunning ? current?.ready : nil }
    /// Of all workers so far.
    public var totals: InspectionTotals { current.map { ended + $0.totals } ?? ended }
    /// When `turn` is due at the latest; CLOCK_MONOTONIC nanoseconds.
    public var deadline: UInt64? { supervisor.deadline }
    /// What `turn` is due for as soon as it is readable.
    public var descriptors: [Int32] { current?.descriptors ?? [] }

    /// From here on workers are started so; one that runs is asked to stop first. Nil: there is nothing to
    /// inspect.
    public func use(_ setup: WorkerSetup?, at now: UInt64) {
        let hadSetup = self.setup != nil
        self.setup = setup
        switch (hadSetup, setup != nil) {
        case (true, true): step(.replaced, now)
        case (_, let isWanted): step(.wanted(isWanted), now)
        }
    }

    /// Workers that start from here on are started so; one that runs goes on.
    public func keep(_ setup: WorkerSetup) { if self.setup != nil { self.setup = setup } }

    /// Asks the worker to take over what stands in its mailbox.
    /// - Returns: false where none runs: the next one begins with it.
    public func reload() -> Bool { supervisor.isRunning && current?.process.send(.reload) ?? false }

    /// Takes what came, and what time brings.
    public func turn(at now: UInt64) {
        let isBehind = takeMessages(now)
        if let current {
            for line in current.errorLines() { duties.tell("inspector: \(line)") }
            if let end = current.process.end() { finish(current, end, now) }
        }
        // A heartbeat may be among what is still to be read.
        if !isBehind || !supervisor.isRunning { step(.tick, now) }
    }

    /// Whether a worker is left: one that was asked to stop has its time for that.
    public var isIdle: Bool { current == nil && supervisor.state == .idle }

    private func finish(_ worker: RunningWorker, _ end: WorkerEnd, _ now: UInt64) {
        // What it said before its end.
        while takeMessages(now) {}
        for line in worker.errorLines() { duties.tell("inspector: \(line)") }
        ended = ended + worker.totals
        current = nil
        step(.ended(end), now)
        if case .waiting(let until) = supervisor.state {
            let milliseconds = (until &- now) / 1_000_000
            let why = supervisor.history.lastFault ?? end.words
            duties.tell(
                "the inspector is not running: \(why); it starts again in \(milliseconds) ms; packets go on "
                    + "as 'on-overload' says")
            duties.failed(why, milliseconds)
        }
    }

    /// - Returns: whether there may be more.
    @discardableResult
    private func takeMessages(_ now: UInt64) -> Bool {
        guard let current else { return false }
        var acts: [InspectionAct] = []
        defer { if !acts.isEmpty { duties.carryOut(acts) } }
        for _ in 0..<Self.mostMessages {
            guard let reading = current.next() else { return false }
            guard case .message(.finding(let finding)) = reading else {
                // A ban does not wait for a disk.
                if !acts.isEmpty { duties.carryOut(acts) }
                acts.removeAll(keepingCapacity: true)
                obey(reading, current, now)
                continue
            }
            if let act = judge(finding, of: current, now) { acts.append(act) }
        }
        return true
    }

    private func obey(_ reading: WorkerProcess.Reading, _ worker: RunningWorker, _ now: UInt64) {
        switch reading {
        case .violation(let what): step(.violation(what), now)
        case .message(.events(let lines)): duties.write(lines)
        case .message(.ready(let ready)):
            worker.ready = ready
            step(.ready, now)
        case .message(.heartbeat(let counters)):
            worker.counters = counters
            step(.heartbeat, now)
        case .message(.failed(let why)): step(.failed(why), now)
        case .message(.reloading): step(.reloading, now)
        case .message(.reloaded(let ready)):
            worker.ready = ready
            duties.reloaded(nil)
        case .message(.notReloaded(let why)): duties.reloaded(why)
        case .message(.finding), .nothing, .closed: break
        }
    }

    private func judge(
        _ finding: ReportedFinding, of worker: RunningWorker, _ now: UInt64
    ) -> InspectionAct? {
        do throws(FindingRefusal) {
            return try worker.judge.judge(finding, now: now, sampling: duties.sampling)
        } catch {
            if error.isLie { step(.violation("a finding with \(error.rawValue)"), now) }
            return nil
        }
    }

    private func step(_ event: WorkerSupervisor.Event, _ now: UInt64) {
        for action in supervisor.step(event, at: now) {
            switch action {
            case .start: start(now)
            case .askToStop: current?.process.send(.stop)
            case .kill: current?.condemn()
            }
        }
    }

    private func start(_ now: UInt64) {
        guard let setup else { return }
        do throws(WorkerStartError) {
            let process = try WorkerProcess(setup.program, given: setup.given)
            current = RunningWorker(process, FindingJudge(inspectors: setup.inspectors))
        } catch {
            duties.tell("the inspector cannot be started: \(error)")
            step(.notStarted(error.description), now)
        }
    }
}

/// What workers did, in all.
public struct InspectionTotals: Sendable, Equatable {
    public var counters = WorkerCounters()
    /// Findings that were carried out, and those that were not, by cause.
    public var accepted: UInt64 = 0
    public var refused: [FindingRefusal: UInt64] = [:]

    public init() {}

    static func + (a: InspectionTotals, b: InspectionTotals) -> InspectionTotals {
        var sum = a
        for field in WorkerCounters.fields { sum.counters[keyPath: field] &+= b.counters[keyPath: field] }
        sum.counters.memoryBytes = max(a.counters.memoryBytes, b.counters.memoryBytes)
        sum.accepted &+= b.accepted
        sum.refused.merge(b.refused) { $0 &+ $1 }
        return sum
    }
}

/// A worker's process with what it said.
private final class RunningWorker {
    let process: WorkerProcess
    var judge: FindingJudge
    var ready: WorkerReady?
    var counters = WorkerCounters()
    private var hears = true
    private var hearsErrors = true

    init(_ process: WorkerProcess, _ judge: FindingJudge) {
        self.process = process
        self.judge = judge
    }

    var totals: InspectionTotals {
        var totals = InspectionTotals()
        totals.counters = counters
        totals.accepted = judge.accepted
        totals.refused = judge.refused
        return totals
    }

    var descriptors: [Int32] {
        [hears ? process.socket : -1, hearsErrors ? process.errors : -1, process.exit].filter { $0 >= 0 }
    }

    /// Nil: nothing came, or nobody listens any more.
    func next() -> WorkerProcess.Reading? {
        guard hears else { return nil }
        switch process.nextMessage() {
        case .nothing: return nil
        case .closed:
            hears = false
            return nil
        case let reading: return reading
        }
    }

    /// It is killed, and whatever it said meanwhile is not heard.
    func condemn() {
        hears = false
        process.kill()
    }

    func errorLines() -> [String] {
        guard hearsErrors else { return [] }
        if let lines = process.nextErrorLines() { return lines }
        hearsErrors = false
        return []
    }
}
