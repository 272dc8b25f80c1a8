// SPDX-License-Identifier: Apache-2.0
// The life of the inspector's process as a pure state machine. In: what happened, and when. Out: what is to
// be done. Processes, sockets and clocks are the caller's.

/// Starts, watches and restarts a worker. Times are nanoseconds of a clock that does not go back.
public struct WorkerSupervisor: Sendable {
    /// What happened.
    public enum Event: Sendable, Equatable {
        /// There is something to inspect, or nothing any more.
        case wanted(Bool)
        /// What the worker was started for has changed: it has to begin anew.
        case replaced
        /// A worker could not be started: why.
        case notStarted(String)
        case ready
        case heartbeat
        /// It takes over other signatures, and has longer for that.
        case reloading
        /// It sent what no worker sends.
        case violation(String)
        /// It said itself that it cannot work.
        case failed(String)
        case ended(WorkerEnd)
        /// The time is another.
        case tick
    }

    /// What the caller is to do.
    public enum Action: Sendable, Equatable {
        case start
        /// Ask it to end its flows and exit.
        case askToStop
        case kill
    }

    public enum State: Sendable, Equatable {
        /// Nothing to inspect.
        case idle
        /// It loads policy and signatures.
        case starting(deadline: UInt64)
        case running(since: UInt64, deadline: UInt64)
        /// It was asked to stop, and is killed at the deadline; or was killed, and nothing is left to do
        /// (nil). It ran since a time, or had not begun to (nil).
        case ending(since: UInt64?, deadline: UInt64?)
        case waiting(until: UInt64)
    }

    /// Bounds in nanoseconds.
    public struct Times: Sendable {
        /// From its start until it is ready: the largest signature sets take a minute to compile.
        public var start: UInt64 = 300 * second
        /// Between two heartbeats, which come every second.
        public var silence: UInt64 = 5 * second
        /// For other signatures: those that are compiled already, which takes seconds.
        public var reload: UInt64 = 60 * second
        /// For the last events of a worker that was asked to stop.
        public var stop: UInt64 = 3 * second
        /// Before the first restart; doubled with each further one.
        public var firstDelay: UInt64 = 100 * second / 1000
        public var mostDelay: UInt64 = 30 * second
        /// A worker that ran so long was a good one: the next delay is the first again.
        public var goodRun: UInt64 = 60 * second

        private static let second: UInt64 = 1_000_000_000

        public init() {}
    }

    public private(set) var state = State.idle
    public private(set) var history = WorkerHistory()
    private let times: Times
    private var isWanted = false
    /// Why it is being ended, in words; nil: nothing is wrong with it.
    private var fault: String?
    private var failuresInARow = 0

    public init(times: Times = Times()) { self.times = times }

    /// When the next `tick` is due; nil: nothing is waited for.
    public var deadline: UInt64? {
        switch state {
        case .idle: nil
        case .starting(let deadline), .running(_, let deadline), .waiting(let deadline): deadline
        case .ending(_, let deadline): deadline
        }
    }

    public var isRunning: Bool {
        if case .running = state { true } else { false }
    }

    public mutating func step(_ event: Event, at now: UInt64) -> [Action] {
        switch event {
        case .wanted(let isWanted): return want(isWanted, now)
        case .replaced: return replace(now)
        case .notStarted(let why):
            guard case .starting = state else { return [] }
            return wait(because: "it could not be started: \(why)", now)
        case .ready:
            guard case .starting = state else {
                return isRunning ? step(.violation("that it is ready twice"), at: now) : []
            }
            state = .running(since: now, deadline: now &+ times.silence)
        case .heartbeat:
            guard case .running(let since, _) = state else { return [] }
            state = .running(since: since, deadline: now &+ times.silence)
        case .reloading:
            guard case .running(let since, _) = state else { return [] }
            state = .running(since: since, deadline: now &+ times.reload)
        case .violation(let what):
            guard isAlive else { return [] }
            history.violations &+= 1
            return end("it sent \(what)")
        case .failed(let why):
            guard isAlive else { return [] }
            fault = why
        case .ended(let how): return ended(how, now)
        case .tick: return tick(now)
        }
        return []
    }

    private var isAlive: Bool {
        switch state {
        case .starting, .running: true
        case .idle, .ending, .waiting: false
        }
    }

    /// Since when the worker runs, or ran until its end was asked for.
    private var runningSince: UInt64? {
        switch state {
        case .running(let since, _): since
        case .ending(let since, _): since
        case .idle, .starting, .waiting: nil
        }
    }

    private mutating func want(_ wanted: Bool, _ now: UInt64) -> [Action] {
        isWanted = wanted
        switch state {
        case .idle where wanted: return start(now)
        case .waiting where !wanted:
            state = .idle
            return []
        case .starting where !wanted: return end(nil)
        case .running where !wanted: return ask(now)
        default: return []
        }
    }

    private mutating func replace(_ now: UInt64) -> [Action] {
        failuresInARow = 0
        switch state {
        case .waiting: return start(now)
        case .starting: return end(nil)
        case .running: return ask(now)
        case .idle, .ending: return []
        }
    }

    private mutating func start(_ now: UInt64) -> [Action] {
        state = .starting(deadline: now &+ times.start)
        fault = nil
        history.starts &+= 1
        return [.start]
    }

    private mutating func ask(_ now: UInt64) -> [Action] {
        state = .ending(since: runningSince, deadline: now &+ times.stop)
        return [.askToStop]
    }

    /// - Parameter why: nil where nothing is wrong with it.
    private mutating func end(_ why: String?) -> [Action] {
        fault = why
        state = .ending(since: runningSince, deadline: nil)
        return [.kill]
    }

    private mutating func tick(_ now: UInt64) -> [Action] {
        guard let deadline, now >= deadline else { return [] }
        switch state {
        case .starting:
            history.hangs &+= 1
            return end("it was not ready after \(times.start / 1_000_000_000) s")
        case .running:
            history.hangs &+= 1
            return end("it said nothing for \(times.silence / 1_000_000_000) s")
        case .ending: return end(fault)
        case .waiting: return start(now)
        case .idle: return []
        }
    }

    private mutating func ended(_ how: WorkerEnd, _ now: UInt64) -> [Action] {
        switch state {
        case .idle, .waiting: return []
        case .ending where fault == nil:
            guard isWanted else {
                state = .idle
                return []
            }
            return start(now)
        case .ending: return wait(because: fault ?? how.words, now)
        case .starting, .running:
            if fault == nil { history.crashes &+= 1 }
            return wait(because: fault ?? "it \(how.words)", now)
        }
    }

    private mutating func wait(because why: String, _ now: UInt64) -> [Action] {
        if let since = runningSince, now &- since >= times.goodRun { failuresInARow = 0 }
        history.lastFault = why
        fault = nil
        guard isWanted else {
            state = .idle
            return []
        }
        // 2^9 first delays are more than the most.
        let doubled = times.firstDelay << UInt64(min(failuresInARow, 9))
        failuresInARow += 1
        state = .waiting(until: now &+ min(doubled, times.mostDelay))
        return []
    }
}

/// How a worker's process ended.
public enum WorkerEnd: Sendable, Equatable {
    case exited(Int32)
    case signalled(Int32)

    /// As in "ended with exit code 70".
    public var words: String {
        switch self {
        case .exited(let code): "ended with exit code \(code)"
        // SIGKILL that nobody here sent: mostly the kernel's, out of memory.
        case .signalled(9): "was killed, perhaps as memory ran out"
        case .signalled(let number): "crashed (\(Self.names[number] ?? "signal \(number)"))"
        }
    }

    private static let names: [Int32: String] = [
        4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV", 31: "SIGSYS",
    ]
}

/// What happened to workers since the controller began.
public struct WorkerHistory: Sendable, Equatable {
    public var starts: UInt64 = 0
    /// Ends that nobody asked for.
    public var crashes: UInt64 = 0
    /// Workers that were killed as they were silent.
    public var hangs: UInt64 = 0
    /// Workers that were killed for what they sent.
    public var violations: UInt64 = 0
    /// Why the last one did not stay, in words; nil: none had to go.
    public var lastFault: String?

    public init() {}
}
