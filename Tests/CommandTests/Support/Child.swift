// SPDX-License-Identifier: Apache-2.0
// One process that a test starts: arguments, environment and input in; output, errors and exit code out,
// always within a time limit.
import CLinux
import Foundation

/// How a process ended and what it wrote.
struct Outcome: CustomStringConvertible {
    /// The exit code; minus the signal where one ended the process.
    var exit: Int32
    var output: String
    var errors: String

    var outputLines: [String] { output.split(separator: "\n").map(String.init) }
    var description: String { "exit \(exit)\n--- output\n\(output)\n--- errors\n\(errors)" }
}

/// What to start.
struct Command {
    /// The program's path and its arguments.
    var words: [String]
    /// Beside PATH and LANG, the only ones that the process gets.
    var environment: [String: String] = [:]
    /// Where the output goes instead of into the outcome.
    var outputPath: String?
    /// Seconds after which the process is killed and the test fails.
    var timeLimit = 60.0

    init(_ words: [String]) { self.words = words }
}

enum ChildError: Error {
    case notStarted(String, String)
    case tookTooLong(String, seconds: Double)
    /// A preparation of the test itself failed.
    case failed(String, Outcome)
}

/// A running process; killed when nobody holds it any more.
final class Child {
    let pid: pid_t
    private let command: Command
    private let output: Int32
    private let errors: Int32
    private var isReaped = false
    /// Those of the two pipes that the process still has open, and what came through each.
    private var ends: [Int32]
    private var written: [Int32: [UInt8]] = [:]

    init(_ command: Command) throws {
        self.command = command
        var outputPipe: [Int32] = [-1, -1]
        var errorPipe: [Int32] = [-1, -1]
        guard pipe2(&outputPipe, Int32(O_CLOEXEC)) == 0, pipe2(&errorPipe, Int32(O_CLOEXEC)) == 0 else {
            throw ChildError.notStarted(command.words[0], "no pipe")
        }
        (output, errors) = (outputPipe[0], errorPipe[0])
        ends = [output, errors]
        defer { for end in [outputPipe[1], errorPipe[1]] { close(end) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if let path = command.outputPath {
            posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY, 0)
        } else {
            posix_spawn_file_actions_adddup2(&actions, outputPipe[1], 1)
        }
        posix_spawn_file_actions_adddup2(&actions, errorPipe[1], 2)
        pid = try Self.spawn(command, &actions)
    }

    deinit {
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        for end in [output, errors] { close(end) }
    }

    private static func spawn(_ command: Command, _ actions: inout posix_spawn_file_actions_t) throws -> pid_t
    {
        var environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"]
        environment.merge(command.environment) { $1 }
        var words = command.words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        // Whoever started the tests may have had signals ignored or blocked.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, command.words[0], &actions, &attributes, &words, &variables)
        guard result == 0 else {
            throw ChildError.notStarted(command.words[0], String(cString: strerror(result)))
        }
        return pid
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Reads until the process has ended.
    func finish() throws -> Outcome {
        let deadline = Deadline(seconds: command.timeLimit)
        while !ends.isEmpty {
            guard !deadline.isOver else {
                throw ChildError.tookTooLong(command.words.joined(separator: " "), seconds: command.timeLimit)
            }
            readMore(milliseconds: 100)
        }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        isReaped = true
        let signal = status & 0x7f
        return Outcome(
            exit: signal == 0 ? status >> 8 & 0xff : -signal, output: text(of: output),
            errors: text(of: errors))
    }

    /// Reads until the process has written so many lines.
    /// - Returns: all lines so far; fewer where the time was over.
    func outputLines(atLeast count: Int, within seconds: Double = 10) -> [String] {
        let deadline = Deadline(seconds: seconds)
        func lines() -> [String] { text(of: output).split(separator: "\n").map(String.init) }
        while lines().count < count, !ends.isEmpty, !deadline.isOver { readMore(milliseconds: 100) }
        return lines()
    }

    private func text(of end: Int32) -> String { String(decoding: written[end] ?? [], as: UTF8.self) }

    private func readMore(milliseconds: Int32) {
        var polled = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        poll(&polled, nfds_t(polled.count), milliseconds)
        for end in polled where end.revents != 0 {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = read(end.fd, &chunk, chunk.count)
            if count <= 0 { ends.removeAll { $0 == end.fd } }
            written[end.fd, default: []] += chunk[..<max(0, count)]
        }
    }
}

/// Runs a process to its end.
func run(_ words: [String], environment: [String: String] = [:]) throws -> Outcome {
    var command = Command(words)
    command.environment = environment
    return try Child(command).finish()
}

/// Runs a process that prepares a test; throws where it fails.
@discardableResult
func prepare(_ words: String...) throws -> String {
    let outcome = try run(words)
    guard outcome.exit == 0 else { throw ChildError.failed(words.joined(separator: " "), outcome) }
    return outcome.output
}
