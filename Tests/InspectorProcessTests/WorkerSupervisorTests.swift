// SPDX-License-Identifier: Apache-2.0
// The supervisor's state machine on made-up time: tables of what happens, when, and what has to follow.
import InspectorProcess
import Testing

@Suite struct WorkerSupervisorTests {
    /// A step of a story: at a millisecond, this happens, and these actions follow.
    struct Step {
        var at: UInt64
        var event: WorkerSupervisor.Event
        var actions: [WorkerSupervisor.Action]

        init(
            _ at: UInt64, _ event: WorkerSupervisor.Event, _ actions: WorkerSupervisor.Action...
        ) {
            (self.at, self.event, self.actions) = (at, event, actions)
        }
    }

    struct Story: CustomTestStringConvertible {
        var name: String
        var steps: [Step]
        var state: WorkerSupervisor.State
        var crashes: UInt64 = 0
        var hangs: UInt64 = 0
        var violations: UInt64 = 0
        var starts: UInt64 = 1
        var fault: String?
        var testDescription: String { name }
    }

    private static func ms(_ milliseconds: UInt64) -> UInt64 { milliseconds * 1_000_000 }

    private static let crash = WorkerSupervisor.Event.ended(.signalled(11))
    private static let begin = [Step(0, .wanted(true), .start), Step(50, .ready)]

    private static let stories = [
        Story(
            name: "a worker that takes over other signatures may be silent for longer, but not for good",
            steps: begin + [
                Step(1050, .reloading), Step(9000, .tick), Step(9001, .heartbeat), Step(14_000, .tick),
                Step(14_000, .reloading), Step(73_999, .tick), Step(74_000, .tick, .kill),
            ],
            state: .ending(since: ms(50), deadline: nil), hangs: 1),
        Story(
            name: "a worker that is ready runs, and its heartbeats keep it running",
            steps: begin + [Step(1050, .heartbeat), Step(2050, .heartbeat), Step(6000, .tick)],
            state: .running(since: ms(50), deadline: ms(7050))),
        Story(
            name: "nothing is started where there is nothing to inspect",
            steps: [Step(0, .wanted(false)), Step(10, .tick)], state: .idle, starts: 0),
        Story(
            name: "a crash is followed by a restart after the first delay",
            steps: begin + [Step(1000, crash), Step(1099, .tick), Step(1100, .tick, .start)],
            state: .starting(deadline: ms(301_100)), crashes: 1, starts: 2,
            fault: "it crashed (SIGSEGV)"),
        Story(
            name: "each further crash doubles the delay",
            steps: begin + [
                Step(1000, crash), Step(1100, .tick, .start), Step(1150, .ready), Step(1200, crash),
                Step(1399, .tick), Step(1400, .tick, .start), Step(1410, crash),
            ], state: .waiting(until: ms(1810)), crashes: 3, starts: 3, fault: "it crashed (SIGSEGV)"),
        Story(
            name: "a worker that ran for a minute starts again with the first delay",
            steps: begin + [
                Step(100, crash), Step(200, .tick, .start), Step(250, .ready), Step(60_000, .heartbeat),
                Step(60_250, crash),
            ], state: .waiting(until: ms(60_350)), crashes: 2, starts: 2, fault: "it crashed (SIGSEGV)"),
        Story(
            name: "one that ran for a minute and then fell silent does so too",
            steps: begin + [
                Step(100, crash), Step(200, .tick, .start), Step(250, .ready), Step(60_000, .heartbeat),
                Step(65_000, .tick, .kill), Step(65_001, .ended(.signalled(9))),
            ], state: .waiting(until: ms(65_101)), crashes: 1, hangs: 1, starts: 2,
            fault: "it said nothing for 5 s"),
        Story(
            name: "one that ran for a minute and then sent garbage does so too",
            steps: begin + [
                Step(100, crash), Step(200, .tick, .start), Step(250, .ready), Step(60_000, .heartbeat),
                Step(60_250, .violation("junk"), .kill), Step(60_251, .ended(.signalled(9))),
            ], state: .waiting(until: ms(60_351)), crashes: 1, violations: 1, starts: 2,
            fault: "it sent junk"),
        Story(
            name: "one that fell silent within a minute is one more failure in a row",
            steps: begin + [
                Step(100, crash), Step(200, .tick, .start), Step(250, .ready), Step(5250, .tick, .kill),
                Step(5251, .ended(.signalled(9))),
            ], state: .waiting(until: ms(5451)), crashes: 1, hangs: 1, starts: 2,
            fault: "it said nothing for 5 s"),
        Story(
            name: "a worker that says nothing for five seconds is killed and started again",
            steps: begin + [
                Step(1000, .heartbeat), Step(5999, .tick), Step(6000, .tick, .kill),
                Step(6001, .ended(.signalled(9))), Step(6101, .tick, .start),
            ], state: .starting(deadline: ms(306_101)), hangs: 1, starts: 2,
            fault: "it said nothing for 5 s"),
        Story(
            name: "a worker that is never ready is killed",
            steps: [
                Step(0, .wanted(true), .start), Step(299_999, .tick), Step(300_000, .tick, .kill),
                Step(300_001, .ended(.signalled(9))),
            ], state: .waiting(until: ms(300_101)), hangs: 1, fault: "it was not ready after 300 s"),
        Story(
            name: "a worker that sends garbage is killed",
            steps: begin + [
                Step(60, .violation("a message of 3 bytes"), .kill), Step(61, .violation("more of it")),
                Step(62, .heartbeat), Step(63, .ended(.signalled(9))),
            ], state: .waiting(until: ms(163)), violations: 1, fault: "it sent a message of 3 bytes"),
        Story(
            name: "a worker that is ready twice is killed",
            steps: begin + [Step(60, .ready, .kill)], state: .ending(since: ms(50), deadline: nil),
            violations: 1),
        Story(
            name: "what a worker says before it gives up is the reason",
            steps: [
                Step(0, .wanted(true), .start), Step(10, .failed("the policy file has changed")),
                Step(11, .ended(.exited(65))),
            ], state: .waiting(until: ms(111)), fault: "the policy file has changed"),
        Story(
            name: "a program that cannot be started is tried again, later and later",
            steps: [
                Step(0, .wanted(true), .start), Step(0, .notStarted("no such file")),
                Step(100, .tick, .start), Step(100, .notStarted("no such file")),
            ], state: .waiting(until: ms(300)), starts: 2,
            fault: "it could not be started: no such file"),
        Story(
            name: "a worker that is not wanted any more is asked, and its end is no crash",
            steps: begin + [
                Step(100, .wanted(false), .askToStop), Step(101, .heartbeat), Step(200, .ended(.exited(0))),
            ], state: .idle),
        Story(
            name: "a worker that does not stop when asked is killed",
            steps: begin + [
                Step(100, .wanted(false), .askToStop), Step(3100, .tick, .kill),
                Step(3101, .ended(.signalled(9))),
            ], state: .idle),
        Story(
            name: "a worker that still loads is killed when nothing is wanted of it",
            steps: [
                Step(0, .wanted(true), .start), Step(10, .wanted(false), .kill),
                Step(11, .ended(.signalled(9))),
            ], state: .idle),
        Story(
            name: "another policy replaces the worker at once, and is no fault",
            steps: begin + [
                Step(100, .replaced, .askToStop), Step(120, .ended(.exited(0)), .start), Step(130, .ready),
            ], state: .running(since: ms(130), deadline: ms(5130)), starts: 2),
        Story(
            name: "another policy ends a long wait",
            steps: begin + [
                Step(100, crash), Step(110, .replaced, .start), Step(120, .ready), Step(130, crash),
            ], state: .waiting(until: ms(230)), crashes: 2, starts: 2, fault: "it crashed (SIGSEGV)"),
        Story(
            name: "a wait ends where nothing is wanted any more",
            steps: begin + [Step(100, crash), Step(110, .wanted(false)), Step(200, .tick)], state: .idle,
            crashes: 1, fault: "it crashed (SIGSEGV)"),
        Story(
            name: "what a worker sends after it was asked to stop is no news",
            steps: begin + [
                Step(100, .wanted(false), .askToStop), Step(101, .ready), Step(102, .violation("junk")),
            ], state: .ending(since: ms(50), deadline: ms(3100))),
    ]

    @Test(arguments: stories) func `a worker's life follows its story`(_ story: Story) {
        var supervisor = WorkerSupervisor()
        for step in story.steps {
            #expect(
                supervisor.step(step.event, at: Self.ms(step.at)) == step.actions,
                "\(step.event) at \(step.at) ms")
        }
        #expect(supervisor.state == story.state)
        let history = supervisor.history
        #expect(history.crashes == story.crashes)
        #expect(history.hangs == story.hangs)
        #expect(history.violations == story.violations)
        #expect(history.starts == story.starts)
        #expect(history.lastFault == story.fault)
    }

    @Test func `the delay grows to half a minute and no further`() {
        var supervisor = WorkerSupervisor()
        var now: UInt64 = 0
        var delays: [UInt64] = []
        _ = supervisor.step(.wanted(true), at: now)
        for _ in 0..<14 {
            _ = supervisor.step(Self.crash, at: now)
            guard let due = supervisor.deadline else { break }
            delays.append((due - now) / 1_000_000)
            now = due
            #expect(supervisor.step(.tick, at: now) == [.start])
        }
        #expect(
            delays == [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000, 30_000,
            ])
    }

    @Test(arguments: [
        (WorkerEnd.exited(70), "ended with exit code 70"), (.signalled(11), "crashed (SIGSEGV)"),
        (.signalled(9), "was killed, perhaps as memory ran out"), (.signalled(60), "crashed (signal 60)"),
    ]) func `an end has words`(_ end: WorkerEnd, _ words: String) {
        #expect(end.words == words)
    }
}
