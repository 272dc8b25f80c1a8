// SPDX-License-Identifier: Apache-2.0
// One `run` a network namespace, and what others learn of it: through a lock that goes with its process.
import Foundation
import Testing

@testable import Service

@Suite struct RunLockTests {
    private let folder: String
    private var path: String { folder + "/net-1-abi5.json" }

    init() throws {
        var template = Array("/tmp/xdpguard-run.XXXXXX".utf8CString)
        folder = String(cString: try #require(mkdtemp(&template)))
    }

    private static let report: RunReport = {
        var report = RunReport(pid: 4242, startedNanoseconds: 1_767_323_045_678_901_000)
        report.inspection = .running
        report.inspectorPID = 4243
        report.landlockVersion = 7
        report.crashes = 2
        report.lastFault = "it crashed (SIGSEGV)"
        report.counters.samples = 12_345
        report.findings.bans = 3
        report.findings.refused = ["too many a second": 9]
        report.events = "/var/log/xdpguard/eve.json"
        return report
    }()

    @Test func `a report is read while its run lives, and no longer`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(RunLock.report(at: path) == nil)
        do {
            let lock = try RunLock(path: path)
            lock.write(Self.report)
            #expect(RunLock.report(at: path) == Self.report)
            var later = Self.report
            later.lastFault = nil
            lock.write(later)
            #expect(RunLock.report(at: path) == later)
        }
        #expect(RunLock.report(at: path) == nil)
    }

    @Test func `a second run is told who the first is, and to try again`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lock = try RunLock(path: path)
        lock.write(Self.report)
        let error = #expect(throws: ServiceError.self) { try RunLock(path: path) }
        #expect(error?.status == .tryAgain)
        #expect(error?.message.hasPrefix("another 'xdpguard run' (process 4242) serves") == true)
        #expect(RunLock.report(at: path) == Self.report)
    }

    @Test func `the next run takes the place of one that is gone`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do { try RunLock(path: path).write(Self.report) }
        let lock = try RunLock(path: path)
        lock.write(RunReport(pid: 1, startedNanoseconds: 2))
        #expect(RunLock.report(at: path)?.pid == 1)
    }

    @Test func `what a process left behind that was killed is no report`() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try JSONEncoder().encode(Self.report).write(to: URL(fileURLWithPath: path))
        #expect(RunLock.report(at: path) == nil)
    }
}

@Suite struct RefreshScheduleTests {
    private static func minutes(_ count: Int64) -> Int64 { count * 60_000_000_000 }

    /// Moments in minutes after the apply, and which sets are due then.
    @Test(
        arguments: [
            [(UInt64(9), []), (10, ["drop"]), (15, []), (20, ["drop"]), (60, ["drop", "slow"]), (61, [])],
            [(59, ["drop"]), (60, ["slow"]), (69, ["drop"]), (10_000, ["drop", "slow"]), (10_001, [])],
        ] as [[(UInt64, [String])]]) func `each set is due after its interval`(
            _ moments: [(UInt64, [String])]
        )
    {
        var schedule = RefreshSchedule(
            [
                SetRefresh(name: "drop", everyNanoseconds: Self.minutes(10)),
                SetRefresh(name: "slow", everyNanoseconds: Self.minutes(60)),
            ], from: 5)
        for (minute, names) in moments {
            #expect(schedule.take(at: 5 + UInt64(Self.minutes(1)) * minute) == names, "minute \(minute)")
        }
    }

    @Test func `without sets nothing is ever due`() {
        var schedule = RefreshSchedule([], from: 0)
        #expect(schedule.next == nil)
        #expect(schedule.take(at: .max).isEmpty)
    }

    @Test func `the next moment is that of the set that is due first`() {
        let schedule = RefreshSchedule(
            [
                SetRefresh(name: "a", everyNanoseconds: 300), SetRefresh(name: "b", everyNanoseconds: 200),
            ], from: 1000)
        #expect(schedule.next == 1200)
    }
}

@Suite struct BackgroundWorkTests {
    @Test func `one piece of work runs at a time, and what it says is heard afterwards`() throws {
        let work = try BackgroundWork()
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let gate = ends[0]
        #expect(
            work.start { tell in
                var byte: UInt8 = 0
                tell("read \(read(gate, &byte, 1))")
            })
        #expect(work.isBusy)
        #expect(!work.start { _ in })
        var byte: UInt8 = 1
        #expect(write(ends[1], &byte, 1) == 1)
        work.finish(milliseconds: 10_000)
        #expect(work.takeRemarks() == ["read 1"])
        #expect(work.start { _ in })
        work.finish(milliseconds: 10_000)
        #expect(work.takeRemarks().isEmpty)
    }
}
