// SPDX-License-Identifier: Apache-2.0
// Where event lines go: a file, or standard output. In: whole lines. Out: the same lines, whole and in order;
// what finds no room is counted. A reader that is slow holds up nobody.
import Glibc

/// `--events FILE|-`.
public final class EventFile {
    /// Nil: standard output.
    private let path: String?
    private var descriptor: Int32
    /// Whole lines, but for the first, of which a part may be written.
    private var pending: [UInt8] = []
    /// The first line of `pending` has begun in the file.
    private var isMidLine = false
    public private(set) var written: UInt64 = 0
    public private(set) var lost: UInt64 = 0
    /// Why the last lines were lost, until some are written again; nil: they were not.
    public private(set) var problem: String?

    /// Bytes that wait for a slow reader: some seconds of alerts.
    private static let mostPending = 16 << 20
    /// What a pipe takes at once where it takes anything.
    private static let chunk = 4096

    /// - Parameter target: "-": standard output.
    public init(_ target: String) throws {
        path = target == "-" ? nil : target
        descriptor = try path.map(Self.open) ?? STDOUT_FILENO
    }

    deinit { if path != nil, descriptor >= 0 { close(descriptor) } }

    /// Becomes writable when there is room; -1: nothing waits for that.
    public var waitsFor: Int32 { pending.isEmpty ? -1 : descriptor }

    public func write(_ lines: [UInt8]) {
        if pending.count + lines.count > Self.mostPending {
            return lose(lines, "nobody takes them fast enough")
        }
        pending += lines
        flush()
    }

    /// Writes what waits, as far as there is room.
    public func flush() {
        var position = 0
        defer { forget(position) }
        while position < pending.count {
            var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, 0) == 1 else { return }
            let count = pending.withUnsafeBytes { bytes in
                let rest = min(Self.chunk, bytes.count - position)
                return Glibc.write(descriptor, bytes.baseAddress?.advanced(by: position), rest)
            }
            if count < 0, errno == EINTR || errno == EAGAIN { return }
            guard count > 0 else {
                let why = String(cString: strerror(errno))
                let rest = Array(pending[position...])
                pending.removeLast(rest.count)
                return lose(rest, why)
            }
            position += count
            problem = nil
        }
    }

    /// Opens the file anew, as it may have been moved away. Where that fails the old one goes on.
    public func reopen() throws {
        guard let path else { return }
        let next = try Self.open(path)
        flush()
        if isMidLine {
            // The rest of a line without its beginning is none.
            let rest = (pending.firstIndex(of: UInt8(ascii: "\n")) ?? pending.count - 1) + 1
            pending.removeFirst(rest)
            lost &+= 1
            isMidLine = false
        }
        close(descriptor)
        descriptor = next
    }

    private func forget(_ count: Int) {
        guard count > 0 else { return }
        let gone = pending.prefix(count)
        written &+= UInt64(gone.count { $0 == UInt8(ascii: "\n") })
        isMidLine = gone.last != UInt8(ascii: "\n")
        pending.removeFirst(min(count, pending.count))
    }

    private func lose(_ lines: [UInt8], _ why: String) {
        lost &+= UInt64(lines.count { $0 == UInt8(ascii: "\n") })
        problem = why
    }

    private static func open(_ path: String) throws -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY
        let file = Glibc.open(path, flags, 0o640)
        guard file >= 0 else {
            throw ServiceError(
                .unavailable, "cannot write events to '\(path)': \(String(cString: strerror(errno)))")
        }
        return file
    }
}
