// SPDX-License-Identifier: Apache-2.0
// A worker as the controller holds it: a process with two ends, messages and what it writes to standard
// error. In: a program with its arguments and the descriptors that it inherits. Out: messages, text, and its
// end.
import CProcess
import Glibc

/// What is started as a worker.
public struct WorkerProgram: Sendable {
    /// An executable's path; "/proc/self/exe" is this one.
    public var path: String
    /// Without the program's name.
    public var arguments: [String]
    /// All of its environment.
    public var environment: [String]

    /// The descriptors as the worker has them: messages, and then those that it is given, in order.
    public static let socket: Int32 = 3
    public static let firstGiven: Int32 = 4
    /// The second of those: what the controller writes, and the worker reads when it is asked to.
    public static let mailbox: Int32 = 5

    /// - Parameter environment: by default only that a crash is left to the controller, as Swift's own report
    ///   of it needs files and processes.
    public init(
        path: String, arguments: [String], environment: [String] = ["SWIFT_BACKTRACE=enable=no"]
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }
}

/// A running worker. It is killed and reaped when nobody holds it any more.
public final class WorkerProcess {
    public let pid: pid_t
    /// Both become readable when something came, and when the worker is gone.
    public let socket: Int32
    public let errors: Int32
    /// Becomes readable when the process has ended; -1: the kernel had none to give.
    public let exit: Int32
    private var isReaped = false
    private var buffer = [UInt8](repeating: 0, count: Wire.mostBytes)
    private var errorText = WorkerErrorText()

    /// - Parameter given: descriptors that the worker has as 4, 5, and so on; they stay the caller's.
    public init(_ program: WorkerProgram, given: [Int32]) throws(WorkerStartError) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw WorkerStartError("make a socket pair") }
        var pipes: [Int32] = [-1, -1]
        guard pipe2(&pipes, O_CLOEXEC) == 0 else {
            let error = WorkerStartError("make a pipe")
            for end in ends { close(end) }
            throw error
        }
        (socket, errors) = (ends[0], pipes[0])
        defer { for end in [ends[1], pipes[1]] { close(end) } }
        _ = fcntl(errors, F_SETFL, O_NONBLOCK)
        Self.makeRoom(in: ends[1])
        do throws(WorkerStartError) {
            pid = try spawn(program, errors: pipes[1], inherited: [ends[1]] + given)
        } catch {
            for end in [ends[0], pipes[0]] { close(end) }
            throw error
        }
        exit = process_descriptor(pid)
    }

    deinit {
        if !isReaped {
            Glibc.kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        for end in [socket, errors, exit] where end >= 0 { close(end) }
    }

    /// Room for a second of events at full speed while the controller is busy elsewhere.
    private static func makeRoom(in end: Int32) {
        var bytes: Int32 = 8 << 20
        // Beyond net.core.wmem_max where that is permitted (SO_SNDBUFFORCE is 32), else up to it.
        if setsockopt(end, SOL_SOCKET, 32, &bytes, 4) != 0 {
            setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, 4)
        }
    }

    /// What came of one look for messages.
    public enum Reading: Sendable, Equatable {
        /// There may be more.
        case message(WorkerMessage)
        case nothing
        /// The worker has closed its end.
        case closed
        case violation(String)
    }

    /// The next message, if one came.
    public func nextMessage() -> Reading {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC)
        let count = buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, flags) }
        if count < 0 { return errno == EAGAIN || errno == EINTR ? .nothing : .closed }
        if count == 0 { return .closed }
        guard count <= buffer.count else { return .violation("a message of \(count) bytes") }
        return buffer.withUnsafeBytes { bytes in
            do throws(WireError) {
                return .message(try WorkerMessage(decoding: .init(rebasing: bytes.prefix(count))))
            } catch {
                return .violation(error.description)
            }
        }
    }

    /// - Returns: false where it did not get it: its end is full, or gone.
    @discardableResult
    public func send(_ message: ControllerMessage) -> Bool {
        let bytes = message.encoded()
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        return bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, flags) } == bytes.count
    }

    /// Lines that the worker wrote to standard error since the last call, as it wrote them: who prints them
    /// escapes them.
    /// - Returns: nil at the end of it.
    public func nextErrorLines() -> [String]? { errorText.read(errors) }

    public func kill() { kill(SIGKILL) }

    private func kill(_ signal: Int32) { if !isReaped { _ = Glibc.kill(pid, signal) } }

    /// How it ended; nil while it runs.
    public func end() -> WorkerEnd? {
        guard !isReaped else { return nil }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
        isReaped = true
        let signal = status & 0x7f
        return signal == 0 ? .exited(status >> 8 & 0xff) : .signalled(signal)
    }
}

/// What a worker writes to standard error: lines of bounded length, so many in its life.
private struct WorkerErrorText {
    private var line: [UInt8] = []
    private var bytesLeft = 16 << 10

    /// - Returns: nil at its end.
    mutating func read(_ end: Int32) -> [String]? {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(end, &chunk, chunk.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR ? [] : nil }
        guard count > 0 else { return nil }
        var lines: [String] = []
        // What is more than its share is read, so that the worker goes on, and dropped.
        for byte in chunk[..<min(count, bytesLeft)] {
            if byte == UInt8(ascii: "\n") || line.count == 512 {
                lines.append(String(decoding: line, as: UTF8.self))
                line.removeAll(keepingCapacity: true)
            }
            if byte != UInt8(ascii: "\n") { line.append(byte) }
        }
        bytesLeft -= min(count, bytesLeft)
        return lines
    }
}

/// Why a worker could not be started.
public struct WorkerStartError: Error, Sendable, CustomStringConvertible {
    public let operation: String
    public let errno: Int32

    init(_ operation: String, errno: Int32 = Glibc.errno) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String { "cannot \(operation): \(String(cString: strerror(errno)))" }
}
