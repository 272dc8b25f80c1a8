// SPDX-License-Identifier: Apache-2.0
// The controller with real processes: workers that work, crash, hang, flood, lie and talk nonsense, and what
// comes of them. Nothing sleeps: the tests wait for descriptors as the controller does.
import Glibc
import InspectorProcess
import NetworkTypes
import TestSupport
import Testing

@Suite(.enabled(if: KernelTests.areWanted)) struct InspectorControllerTests {
    @Test func `a worker that works reports from its sandbox, and its findings become acts`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        #expect(rig.controller.ready?.signatures == 2)
        rig.order("bdbe")
        #expect(rig.waits { $0.totals.accepted == 3 })
        #expect(rig.waits { _ in !rig.log.lines.isEmpty })
        let client = FindingJudgeTests.client
        #expect(
            rig.log.acts == [
                .ban(client, ruleSlot: 7, nanoseconds: Rig.minute, cause: .signature(2_024_217)),
                .dropFlow(
                    FindingJudgeTests.flow, ruleSlot: 7, nanoseconds: Rig.minute,
                    cause: .signature(2_024_217)),
                .ban(client, ruleSlot: 7, nanoseconds: Rig.minute, cause: .signature(2_024_217)),
            ])
        #expect(rig.log.text == "{\"event_type\":\"alert\"}\n")
        #expect(rig.controller.history == Rig.history(starts: 1))
    }

    @Test func `a worker that is not wanted any more tells its last events and ends`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        rig.controller.use(nil, at: monotonicNanoseconds())
        #expect(rig.waits { $0.isIdle })
        #expect(rig.log.text == "{\"event_type\":\"flow\"}\n")
        #expect(rig.controller.history == Rig.history(starts: 1))
        #expect(rig.log.told.isEmpty)
    }

    @Test func `another policy brings another worker without delay`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        let first = rig.controller.pid
        rig.begin()
        #expect(rig.waits { $0.pid != first && $0.ready != nil })
        #expect(rig.controller.history == Rig.history(starts: 2))
    }

    @Test func `a flow that the kernel does not know is no reason to act, nor to end the worker`() throws {
        let rig = try Rig("good")
        rig.log.knowsFlows = false
        rig.begin()
        rig.order("bd")
        #expect(rig.waits { $0.totals.refused[.unknownFlow] == 2 })
        #expect(rig.log.acts.isEmpty)
        #expect(rig.controller.history == Rig.history(starts: 1))
    }

    /// An order that a good worker obeys to its end.
    struct EndCase: CustomTestStringConvertible {
        var order: String
        var fault: String
        var crashes: UInt64 = 0
        var hangs: UInt64 = 0
        var violations: UInt64 = 0
        var testDescription: String { fault }
    }

    @Test(arguments: [
        EndCase(order: "c", fault: "it crashed (SIGABRT)", crashes: 1),
        EndCase(order: "h", fault: "it said nothing for 2 s", hangs: 1),
        EndCase(
            order: "l", fault: "it sent a finding with an address that the flow does not have",
            violations: 1),
        EndCase(order: "x", fault: "it sent a message whose event line is none", violations: 1),
    ]) func `a worker that fails is replaced, counted and told of`(_ end: EndCase) throws {
        let rig = try Rig("good", silence: end.hangs > 0 ? 2_000_000_000 : Rig.longSilence)
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        rig.order(end.order)
        #expect(rig.waits { $0.history.starts == 2 && $0.ready != nil })
        let history = rig.controller.history
        #expect(history.lastFault == end.fault)
        #expect(history.crashes == end.crashes)
        #expect(history.hangs == end.hangs)
        #expect(history.violations == end.violations)
        #expect(rig.log.acts.isEmpty)
        #expect(rig.log.told.contains { $0.hasPrefix("the inspector is not running: \(end.fault)") })
        // The next one works.
        rig.order("b")
        #expect(rig.waits { $0.totals.accepted == 1 })
    }

    @Test func `a worker that wants more memory than it may have ends, and the next one works`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        rig.order("m")
        #expect(rig.waits { $0.history.starts == 2 && $0.ready != nil })
        #expect(rig.controller.history.crashes == 1)
        rig.order("b")
        #expect(rig.waits { $0.totals.accepted == 1 })
    }

    @Test func `a worker that is killed from outside is replaced`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        kill(try #require(rig.controller.pid), SIGKILL)
        #expect(rig.waits { $0.history.starts == 2 && $0.ready != nil })
        #expect(rig.controller.history.lastFault == "it was killed, perhaps as memory ran out")
    }

    @Test func `a flood of events is written or counted as lost, and stops nobody`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(rig.waits { $0.ready != nil })
        rig.order("fb")
        #expect(rig.waits { $0.totals.accepted == 1 })
        #expect(rig.waits { $0.totals.counters.events + $0.totals.counters.eventsLost == 100_000 })
        let written = rig.log.lines.count { $0 == UInt8(ascii: "\n") }
        #expect(UInt64(written) == rig.controller.totals.counters.events)
        #expect(rig.controller.history == Rig.history(starts: 1))
    }

    @Test(arguments: [
        ("garbage", "it sent a message of version 17735, not 2"),
        ("long", "it sent a message of 70000 bytes"),
        ("unable", "the policy file has changed"), ("leaving", "it ended with exit code 3"),
        ("silent", "it was not ready after 1 s"),
    ]) func `a worker that is bad from the start does not stay`(_ kind: String, _ fault: String) throws {
        let rig = try Rig(kind)
        rig.begin()
        #expect(rig.waits { $0.history.lastFault != nil })
        #expect(rig.controller.history.lastFault == fault)
        #expect(rig.controller.ready == nil)
        #expect(rig.waits { $0.history.starts == 2 })
        #expect(rig.log.acts.isEmpty)
    }

    @Test func `a program that is not there is told of and tried again`() throws {
        let rig = try Rig("good", path: "/nonexistent/xdpguard")
        rig.begin()
        #expect(rig.waits { $0.history.starts == 2 })
        #expect(
            rig.controller.history.lastFault
                == "it could not be started: cannot start /nonexistent/xdpguard: No such file or directory")
    }

    @Test func `a worker takes over other signatures, or says why it keeps its own, and stays`() throws {
        let rig = try Rig("good")
        rig.begin()
        #expect(!rig.controller.reload())
        #expect(rig.waits { $0.ready?.signatures == 2 })
        #expect(rig.controller.reload())
        #expect(rig.waits { _ in rig.log.reloads == ["no samples yet"] })
        #expect(rig.controller.ready?.signatures == 2)
        rig.order("b")
        #expect(rig.waits { $0.totals.accepted == 1 })
        #expect(rig.controller.reload())
        #expect(rig.waits { _ in rig.log.reloads == ["no samples yet", nil] })
        #expect(rig.controller.ready?.signatures == 3)
        #expect(rig.controller.history == Rig.history(starts: 1))
    }

    @Test func `what a worker writes to standard error is told line by line`() throws {
        let rig = try Rig("good")
        rig.begin()
        rig.order("w")
        #expect(rig.waits { _ in !rig.log.told.isEmpty })
        #expect(rig.log.told == ["inspector: a \u{1b}[2J line"])
    }

    @Test func `a worker goes with its controller`() throws {
        var rig: Rig? = try Rig("good")
        rig?.begin()
        #expect(rig?.waits { $0.ready != nil } == true)
        let pid = try #require(rig?.controller.pid)
        rig = nil
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }
}

/// A controller of `confined worker KIND`, and a pipe for its orders.
private final class Rig {
    /// What the controller was asked to do.
    final class Log {
        var acts: [InspectionAct] = []
        var lines: [UInt8] = []
        var told: [String] = []
        var reloads: [String?] = []
        var knowsFlows = true
        var text: String { String(decoding: lines, as: UTF8.self) }
    }

    static let minute: UInt64 = 60_000_000_000
    let log = Log()
    let controller: InspectorController
    private let program: WorkerProgram
    private var orders: [Int32] = [-1, -1]

    static func history(starts: UInt64) -> WorkerHistory {
        var history = WorkerHistory()
        history.starts = starts
        return history
    }

    /// Longer than a worker with work is away from a machine that runs other tests: one that fills its memory
    /// was taken for hung after 2 s.
    static let longSilence: UInt64 = 60_000_000_000

    init(
        _ kind: String, path: String = BuiltProgram.path("confined"), silence: UInt64 = Rig.longSilence
    ) throws {
        program = WorkerProgram(path: path, arguments: ["worker", kind])
        pipe(&orders)
        var times = WorkerSupervisor.Times()
        times.silence = silence
        times.firstDelay = 1_000_000
        if kind == "silent" { times.start = 1_000_000_000 }
        let log = log
        var duties = InspectionDuties(
            sampling: { flow in
                log.knowsFlows && flow == FindingJudgeTests.flow
                    ? FlowSampling(ruleSlot: 7, inspector: 0) : nil
            }, carryOut: { log.acts += $0 }, write: { log.lines += $0 }, tell: { log.told.append($0) })
        duties.reloaded = { log.reloads.append($0) }
        controller = InspectorController(duties: duties, times: times)
    }

    deinit { for end in orders { close(end) } }

    func begin() {
        let bounds = InspectorBounds(strongest: .ban(nanoseconds: 10 * Self.minute), ruleSlots: [7])
        controller.use(
            WorkerSetup(program: program, given: [orders[0]], inspectors: [bounds]),
            at: monotonicNanoseconds())
    }

    func order(_ orders: String) {
        let bytes = Array(orders.utf8)
        _ = bytes.withUnsafeBytes { write(self.orders[1], $0.baseAddress, $0.count) }
    }

    /// Turns the controller until something holds; false after a minute.
    func waits(_ condition: (InspectorController) -> Bool) -> Bool {
        let end = monotonicNanoseconds() + 60_000_000_000
        while !condition(controller) {
            let now = monotonicNanoseconds()
            guard now < end else { return false }
            let due = min(controller.deadline ?? end, end)
            var polled = controller.descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&polled, nfds_t(polled.count), due > now ? Int32((due - now) / 1_000_000 + 1) : 0)
            controller.turn(at: monotonicNanoseconds())
        }
        return true
    }
}
