// SPDX-License-Identifier: Apache-2.0
// Packets a second of detection alone, ours and ndpiReader's, in one run: turn by turn, each as a process of
// its own from start to end, so that loading the library counts for both. In: a capture. Out: median times.

import Glibc
import ProtocolDetection

enum Seconds {
    /// The monotonic clock.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

enum Walk {
    /// Detects the protocols of a capture's flows, to the last answer.
    static func run(_ path: String) throws -> (packets: Int, flows: Int) {
        var reader = try ReaderFlows()
        try reader.read(path)
        for flow in reader.flows { _ = flow.detection?.finish() }
        return (reader.packets, reader.flows.count)
    }
}

/// Median times of both programs on one capture.
struct SpeedComparison {
    let path: String
    let packets: Int
    /// Seconds, the median of the runs.
    let ours: Double
    let theirs: Double

    /// Our packets a second divided by ndpiReader's.
    var ratio: Double { theirs / ours }

    init(_ path: String, runs: Int) throws {
        self.path = path
        packets = try Walk.run(path).packets
        var times: (ours: [Double], theirs: [Double]) = ([], [])
        for _ in 0..<max(1, runs) {
            times.ours.append(try Self.time(["/proc/self/exe", "walk", path]))
            times.theirs.append(try Self.time(["ndpiReader", "-q", "-i", path]))
        }
        ours = times.ours.sorted()[times.ours.count / 2]
        theirs = times.theirs.sorted()[times.theirs.count / 2]
    }

    var text: String {
        func rate(_ seconds: Double) -> String { "\(Int(Double(packets) / seconds)) pps" }
        let shown = (ratio * 100).rounded() / 100
        return "\(path): \(packets) packets, ours \(rate(ours)), ndpiReader \(rate(theirs)), ratio \(shown)"
    }

    /// Runs a program with its output thrown away; seconds from start to end.
    private static func time(_ words: [String]) throws -> Double {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let start = Seconds.now
        var process: pid_t = 0
        let error = posix_spawnp(&process, words[0], &actions, nil, &arguments, environ)
        guard error == 0 else { throw SpeedError(words[0], String(cString: strerror(error))) }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        guard status == 0 else { throw SpeedError(words[0], "ended with status \(status)") }
        return Seconds.now - start
    }
}

/// A program that could not be measured.
struct SpeedError: Error, CustomStringConvertible {
    let description: String

    init(_ program: String, _ problem: String) { description = "\(program): \(problem)" }
}
