// SPDX-License-Identifier: Apache-2.0
// The policy language: CPU time of each step from text to checked policy, then of lint, and the process's
// peak of resident memory after it.
import Glibc
import PolicyAnalysis
import PolicyLanguage

/// Prints a line of JSON; an included file's steps count as the policy's.
func measureFront(_ path: String) throws {
    let clock = StepClock()
    let report = loadPolicy(path: path) { clock.finished($0.rawValue) }
    guard let policy = report.policy else { fail(report.rendered(), report.exitCode) }
    clock.finished("report")
    let found = lint(policy)
    clock.finished("lint")
    let steps = clock.steps.map { "\"\($0.name)\":{\"s\":\($0.seconds),\"peak_mib\":\($0.peakMiB)}" }
    print(
        "{\"front\":\"\(path)\",\"rules\":\(policy.rules.count),\"diagnostics\":\(report.diagnostics.count),"
            + "\"findings\":\(found.count),\(steps.joined(separator: ","))}")
}

private final class StepClock {
    private(set) var steps: [(name: String, seconds: Double, peakMiB: Int)] = []
    private var last = now()

    func finished(_ name: String) {
        let time = now()
        let known = steps.firstIndex { $0.name == name }
        if known == nil { steps.append((name, 0, 0)) }
        let index = known ?? steps.count - 1
        steps[index].seconds += ((time - last) * 1e4).rounded() / 1e4
        steps[index].peakMiB = peakMiB()
        last = now()
    }
}

/// Seconds of this process's CPU time: other work on the machine counts little.
private func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

private func peakMiB() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
}
