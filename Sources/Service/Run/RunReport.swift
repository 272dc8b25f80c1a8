// SPDX-License-Identifier: Apache-2.0
// What `run` says of itself, for `status` in another process: a file below /run that `run` holds a lock on
// and writes every second. The lock goes with the process, however that ends: a file without one says
// nothing.
import Dataplane
import Foundation

/// One moment of a running `run`.
public struct RunReport: Codable, Sendable, Equatable {
    /// What became of the inspector.
    public enum Inspection: String, Codable, Sendable {
        /// No policy runs, or none of its rules inspects.
        case none
        case starting, running, stopping
        /// It failed, and starts again.
        case waiting
    }

    /// What the inspector's process counted, in all its lives.
    public struct Counters: Codable, Sendable, Equatable {
        public var samples: UInt64 = 0
        public var sampledBytes: UInt64 = 0
        public var staleSamples: UInt64 = 0
        public var flows: UInt64 = 0
        public var alerts: UInt64 = 0
        /// Events that found no room on their way from the inspector.
        public var eventsLost: UInt64 = 0
        public var memoryBytes: UInt64 = 0
    }

    /// What was done for findings.
    public struct Findings: Codable, Sendable, Equatable {
        public var bans: UInt64 = 0
        public var droppedFlows: UInt64 = 0
        /// Those that the kernel refused: mostly as a table is full.
        public var failed: UInt64 = 0
        /// Those that the controller did not believe, by cause.
        public var refused: [String: UInt64] = [:]
    }

    public var pid: Int32
    /// Nanoseconds since 1970-01-01T00:00Z.
    public var startedNanoseconds: Int64
    public var inspection: Inspection = .none
    /// The inspector's process; nil: none.
    public var inspectorPID: Int32?
    /// Landlock's version there; nil until it is ready, 0: the kernel has none.
    public var landlockVersion: UInt8?
    public var signatures: UInt32 = 0
    public var signaturesLeftOut: UInt32 = 0
    /// Interfaces whose drivers hand packets over before their checksums are right or verified: those of a
    /// policy with one of them are not verified.
    public var uncheckedInterfaces: [String] = []
    public var starts: UInt64 = 0
    public var crashes: UInt64 = 0
    public var hangs: UInt64 = 0
    public var violations: UInt64 = 0
    /// Why the last inspector did not stay, in words.
    public var lastFault: String?
    /// Signatures that the running inspector took over, attempts that failed, and why the last one did, in
    /// words; nil where it did not.
    public var reloads: UInt64 = 0
    public var reloadsFailed: UInt64 = 0
    public var lastReloadFault: String?
    public var counters = Counters()
    public var findings = Findings()
    /// Where events go; nil: nowhere.
    public var events: String?
    public var eventsWritten: UInt64 = 0
    /// Events that could not be written.
    public var eventsLost: UInt64 = 0

    public init(pid: Int32, startedNanoseconds: Int64) {
        self.pid = pid
        self.startedNanoseconds = startedNanoseconds
    }
}

/// The file, and the right to be the one `run` of this network namespace.
final class RunLock {
    private let descriptor: Int32

    /// Of linux/fcntl.h: locks that belong to an open file, not to a process.
    private static let getLock: Int32 = 36
    private static let setLock: Int32 = 37
    private static let folder = "/run/xdpguard"
    private static let mostBytes = 1 << 20

    static func path(_ pins: PinDirectory, in folder: String = RunLock.folder) -> String {
        folder + "/" + (pins.path.split(separator: "/").last.map(String.init) ?? "run") + ".json"
    }

    /// - Throws: `ServiceError` (75) where another has it.
    init(path: String) throws {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        mkdir("/" + folder, 0o755)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw ServiceError(.unavailable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        var lock = Self.whole(F_WRLCK)
        guard fcntl(descriptor, Self.setLock, &lock) == 0 else {
            let code = errno
            let other = Self.read(descriptor).map { " (process \($0.pid))" } ?? ""
            close(descriptor)
            guard code == EAGAIN || code == EACCES else {
                throw ServiceError(.unavailable, "cannot lock \(path): \(String(cString: strerror(code)))")
            }
            throw ServiceError(
                .tryAgain,
                "another 'xdpguard run'\(other) serves this network namespace; stop it first, or try again")
        }
        ftruncate(descriptor, 0)
    }

    /// The lock goes with its descriptor; the file stays, as removing it would let two of them have one each.
    deinit {
        ftruncate(descriptor, 0)
        close(descriptor)
    }

    /// Puts a report in the place of the one before. A reader in between sees no JSON, and looks again.
    func write(_ report: RunReport) {
        guard let data = try? JSONEncoder().encode(report) else { return }
        let bytes = [UInt8](data) + [UInt8(ascii: "\n")]
        let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        if count == bytes.count { ftruncate(descriptor, off_t(count)) }
    }

    /// What the running `run` says; nil: none runs.
    static func report(at path: String) -> RunReport? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var lock = whole(F_WRLCK)
        guard fcntl(file, getLock, &lock) == 0, lock.l_type != Int16(F_UNLCK) else { return nil }
        for _ in 0..<100 {
            if let report = read(file) { return report }
            usleep(1000)
        }
        return nil
    }

    private static func whole(_ kind: some BinaryInteger) -> flock {
        flock(l_type: Int16(kind), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    }

    private static func read(_ file: Int32) -> RunReport? {
        var buffer = [UInt8](repeating: 0, count: mostBytes)
        let count = buffer.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        return try? JSONDecoder().decode(RunReport.self, from: Data(buffer[..<count]))
    }
}

/// What the `run` of this network namespace says; nil: none runs.
public func runReport() throws -> RunReport? {
    RunLock.report(at: RunLock.path(try PinDirectory()))
}
