// SPDX-License-Identifier: Apache-2.0
// What takes long, beside the loop that carries findings out: reading set files, writing the file of bans.
// One piece at a time, on a thread of its own.
import Glibc
import Synchronization

/// Runs one piece of work at a time; what it has to say is asked for later.
final class BackgroundWork: Sendable {
    private struct State {
        var isBusy = false
        var told: [String] = []
    }

    private let state = Mutex(State())
    private let ends: (read: Int32, write: Int32)

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw ServiceError(.unavailable, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        self.ends = (ends[0], ends[1])
    }

    deinit { for end in [ends.read, ends.write] { close(end) } }

    /// Becomes readable when a piece of work is done.
    var descriptor: Int32 { ends.read }
    var isBusy: Bool { state.withLock { $0.isBusy } }

    /// Starts a piece of work.
    /// - Parameter work: is given what takes its remarks.
    /// - Returns: false where another one runs, or no thread is to be had.
    func start(_ work: @escaping @Sendable ((String) -> Void) -> Void) -> Bool {
        let isFree = state.withLock { state in
            defer { state.isBusy = true }
            return !state.isBusy
        }
        guard isFree else { return false }
        let box = Unmanaged.passRetained(
            Piece { [self] in
                work { text in state.withLock { $0.told.append(text) } }
                state.withLock { $0.isBusy = false }
                var byte: UInt8 = 1
                _ = write(ends.write, &byte, 1)
            })
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { piece in
                if let piece { Unmanaged<Piece>.fromOpaque(piece).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            state.withLock { $0.isBusy = false }
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// Remarks since the last call.
    func takeRemarks() -> [String] {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(ends.read, &bytes, bytes.count) > 0 {}
        return state.withLock { state in
            defer { state.told = [] }
            return state.told
        }
    }

    /// Waits until nothing runs, at most so long for each piece.
    func finish(milliseconds: Int32) {
        var bytes = [UInt8](repeating: 0, count: 64)
        while isBusy {
            var polled = pollfd(fd: ends.read, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, milliseconds) == 1 else { return }
            // What an earlier piece left, or this one's end.
            while read(ends.read, &bytes, bytes.count) > 0 {}
        }
    }

    private final class Piece: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
