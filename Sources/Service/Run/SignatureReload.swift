// SPDX-License-Identifier: Apache-2.0
// Signatures that changed, for the worker that runs: a process beside it reads and compiles them, and the
// worker, which has no files, takes them over from memory; flows go on. In: the files' times, signals, what
// both say. Out: one order to the worker, counts, remarks. What fails leaves everything as it is.
import Glibc
import Inspection
import InspectorProcess

/// One reload after the other.
final class SignatureReload {
    private enum State {
        case idle
        case preparing(WorkerProcess, deadline: UInt64)
        /// The worker of so many starts was asked, and has not answered.
        case handed(starts: UInt64, deadline: UInt64)
    }

    private let controller: InspectorController
    private let scopes: ScopeKeeper
    private let tell: (String) -> Void
    private var state = State.idle
    private var generation: RunningGeneration?
    private var isWanted = false
    /// Of the files as the worker has them, and as they were a round ago.
    private var loaded: UInt64 = 0
    private var seen: UInt64 = 0
    private var isPrepared = false
    private var fault: String?
    private(set) var count: UInt64 = 0
    private(set) var failures: UInt64 = 0
    /// Why the last one failed; nil after one that did not.
    private(set) var lastFault: String?

    /// The largest sets take a minute to compile.
    private static let patience: UInt64 = 300_000_000_000

    init(
        _ controller: InspectorController, scopes: ScopeKeeper, tell: @escaping (String) -> Void
    ) {
        (self.controller, self.scopes, self.tell) = (controller, scopes, tell)
    }

    /// - Parameter isLoaded: a worker begins now with the files as they are.
    func watch(_ generation: RunningGeneration?, isLoaded: Bool) {
        self.generation = generation
        // A worker that goes on still owes its answer: the files are looked at once it is there.
        if isLoaded || !isHanded {
            scopes.goBack()
            state = .idle
        }
        isWanted = generation?.setup != nil && !isLoaded
        (loaded, seen) = (stamp(), stamp())
    }

    /// The signatures are read again, whether or not a file has changed.
    func want() { isWanted = generation?.setup != nil }

    /// The worker was asked, and has not answered.
    private var isHanded: Bool { if case .handed = state { true } else { false } }

    /// What `turn` is due for as soon as it is readable.
    var descriptors: [Int32] {
        guard case .preparing(let process, _) = state else { return [] }
        return [process.exit, process.errors].filter { $0 >= 0 }
    }

    /// Every second: whether files have changed, and stayed so since the last time.
    func look(at now: UInt64) {
        let current = stamp()
        if current != loaded, current == seen { isWanted = true }
        seen = current
        switch state {
        case .idle: if isWanted, controller.isRunning { begin(current, now) }
        case .preparing(let process, let deadline):
            if now > deadline { process.kill() }
        case .handed(let starts, let deadline):
            // Another worker began with the files as they are.
            if controller.history.starts != starts || !controller.isRunning {
                scopes.leaveWide()
                end("the inspector ended while it took them over")
            } else if now > deadline {
                scopes.leaveWide()
                end("the inspector did not say that it took them over")
            }
        }
    }

    private func begin(_ current: UInt64, _ now: UInt64) {
        guard let setup = generation?.preparation else { return }
        (isWanted, isPrepared, fault, loaded) = (false, false, nil, current)
        do throws(WorkerStartError) {
            let process = try WorkerProcess(setup.program, given: setup.given)
            state = .preparing(process, deadline: now &+ Self.patience)
        } catch {
            end("they cannot be read: \(error)")
        }
    }

    /// Takes what the process beside the worker says, and its end.
    func turn() {
        guard case .preparing(let process, _) = state else { return }
        for line in process.nextErrorLines() ?? [] { tell("signatures: \(line)") }
        takeMessages(process)
        guard let how = process.end() else { return }
        takeMessages(process)
        guard isPrepared, how == .exited(0) else { return end(fault ?? "what reads them \(how.words)") }
        if let generation { scopes.widen(generation) }
        guard controller.reload() else {
            // Where no worker runs, the next one begins with the files as they are.
            scopes.goBack()
            return state = .idle
        }
        state = .handed(
            starts: controller.history.starts, deadline: monotonicNanoseconds() &+ Self.patience)
    }

    private func takeMessages(_ process: WorkerProcess) {
        while case .message(let message) = process.nextMessage() {
            switch message {
            case .ready: isPrepared = true
            case .failed(let why): fault = why
            default: break
            }
        }
    }

    /// The worker's answer.
    func answered(_ why: String?) {
        // One that has gone since may have answered a policy that no longer runs.
        guard case .handed = state else { return }
        if why == nil { scopes.changeOver() } else { scopes.goBack() }
        end(why)
    }

    private func end(_ why: String?) {
        state = .idle
        lastFault = why
        if let why {
            failures &+= 1
            tell("the signatures stay as they were: \(why)")
        } else {
            count &+= 1
            let ready = controller.ready
            tell("the signatures were read again: \(ready?.signatures ?? 0) are looked for")
        }
    }

    /// Of names, sizes and times of all signature files (FNV-1a).
    private func stamp() -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01b3 }
        for path in generation?.info.header.signaturePaths ?? [] {
            for file in signatureFiles(path.pattern, namedIn: path.namer) {
                for byte in file.utf8 { mix(UInt64(byte)) }
                var status = stat()
                guard fstatat(AT_FDCWD, file, &status, 0) == 0 else { continue }
                mix(UInt64(status.st_ino))
                mix(UInt64(bitPattern: Int64(status.st_size)))
                mix(UInt64(bitPattern: Int64(status.st_mtim.tv_sec)))
                mix(UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)))
            }
        }
        return hash
    }
}
