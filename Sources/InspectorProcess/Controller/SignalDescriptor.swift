// SPDX-License-Identifier: Apache-2.0
// Signals as something to read, beside everything else that a controller waits for.
import CProcess
import Glibc

/// Takes signals that are sent to this process. To be made before any other thread starts.
public final class SignalDescriptor {
    /// Becomes readable when a signal has come.
    public let descriptor: Int32

    /// - Parameter signals: those that are taken; from here on they do nothing else.
    public init(_ signals: [Int32]) throws(WorkerStartError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        guard pthread_sigmask(SIG_BLOCK, &set, nil) == 0 else { throw WorkerStartError("block signals") }
        // SFD_CLOEXEC and SFD_NONBLOCK are open's flags.
        descriptor = signalfd(-1, &set, O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw WorkerStartError("read signals") }
    }

    deinit { close(descriptor) }

    /// The number of a signal that came; nil: none.
    public func next() -> Int32? {
        // struct signalfd_siginfo: 128 bytes, the signal's number first.
        var information = [UInt32](repeating: 0, count: 32)
        let count = information.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count == 128 ? Int32(bitPattern: information[0]) : nil
    }
}

/// A file in memory alone with these bytes, read from its start: what is handed to a worker.
/// - Returns: its descriptor, the caller's to close.
public func memoryFile(_ bytes: [UInt8]) throws(WorkerStartError) -> Int32 {
    // MFD_CLOEXEC is 1.
    let file = memfd_create("xdpguard-inspector", 1)
    guard file >= 0 else { throw WorkerStartError("make a file in memory") }
    do throws(WorkerStartError) {
        try fill(file, with: bytes)
    } catch {
        close(file)
        throw error
    }
    return file
}

/// Puts bytes in the place of all that a file holds.
public func fill(_ file: Int32, with bytes: [UInt8]) throws(WorkerStartError) {
    guard ftruncate(file, 0) == 0 else { throw WorkerStartError("empty a file in memory") }
    var position = 0
    while position < bytes.count {
        let count = bytes.withUnsafeBytes {
            pwrite(file, $0.baseAddress?.advanced(by: position), $0.count - position, position)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw WorkerStartError("fill a file in memory") }
        position += count
    }
}

/// The same file for somebody who may only read it; the caller's to close.
public func readOnly(_ file: Int32) throws(WorkerStartError) -> Int32 {
    let copy = open("/proc/self/fd/\(file)", O_RDONLY | O_CLOEXEC)
    guard copy >= 0 else { throw WorkerStartError("open a file in memory for reading") }
    return copy
}

/// All bytes of a file, in a process that may not ask for its length.
/// - Parameter most: nil is returned for a longer one.
public func writtenBytes(_ file: Int32, most: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while bytes.count <= most {
        let count = chunk.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(bytes.count)) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return count == 0 ? bytes : nil }
        bytes += chunk[..<count]
    }
    return nil
}

/// All bytes of a file from its start on, wherever its offset is.
/// - Parameter most: nil is returned for a longer one.
public func wholeFile(_ file: Int32, most: Int) -> [UInt8]? {
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size >= 0, status.st_size <= most else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var position = 0
    while position < bytes.count {
        let count = bytes.withUnsafeMutableBytes {
            pread(file, $0.baseAddress?.advanced(by: position), $0.count - position, position)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return nil }
        position += count
    }
    return bytes
}
