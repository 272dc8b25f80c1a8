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
    /// How much of it is written: what is behind is not moved for every piece.
    private var position = 0
    /// The last byte that was written is within a line.
    private var isMidLine = false
    /// What waits begins with the end of a line that is counted as lost.
    private var closesLine = false
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
    public var waitsFor: Int32 { waiting == 0 ? -1 : descriptor }

    private var waiting: Int { pending.count - position }

    public func write(_ lines: [UInt8]) {
        if waiting + lines.count > Self.mostPending { return loseAtOnce(lines) }
        // The rest of a line could not be written: the next one does not go on in it.
        if isMidLine, waiting == 0 {
            pending.append(UInt8(ascii: "\n"))
            closesLine = true
        }
        pending += lines
        flush()
    }

    /// Writes what waits, as far as there is room.
    public func flush() {
        defer { forget() }
        while waiting > 0 {
            var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, 0) == 1 else { return }
            let count = pending.withUnsafeBytes { bytes in
                Glibc.write(
                    descriptor, bytes.baseAddress?.advanced(by: position), min(Self.chunk, waiting))
            }
            if count < 0, errno == EINTR || errno == EAGAIN { return }
            guard count > 0 else {
                let why = String(cString: strerror(errno))
                lose(pending[position...], why)
                return pending.removeLast(waiting)
            }
            let gone = pending[position..<(position + count)]
            written &+= lines(in: gone)
            isMidLine = gone.last != UInt8(ascii: "\n")
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
            if waiting > 0 {
                let end = pending[position...].firstIndex(of: UInt8(ascii: "\n")) ?? pending.count - 1
                position = end + 1
                lost &+= 1
            }
            isMidLine = false
        }
        close(descriptor)
        descriptor = next
    }

    /// What is written goes once it is half of all.
    private func forget() {
        guard position * 2 >= pending.count else { return }
        pending.removeFirst(position)
        position = 0
    }

    /// The lines that end in the first bytes of what waits.
    private func lines(in bytes: ArraySlice<UInt8>) -> UInt64 {
        defer { closesLine = false }
        return UInt64(bytes.count { $0 == UInt8(ascii: "\n") } - (closesLine ? 1 : 0))
    }

    /// Lines that never came to wait.
    private func loseAtOnce(_ bytes: [UInt8]) {
        lost &+= UInt64(bytes.count { $0 == UInt8(ascii: "\n") })
        problem = "nobody takes them fast enough"
    }

    private func lose(_ bytes: ArraySlice<UInt8>, _ why: String) {
        lost &+= lines(in: bytes)
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
