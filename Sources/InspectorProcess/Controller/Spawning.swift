// SPDX-License-Identifier: Apache-2.0
// The start of a worker's process: its descriptors in their places, no signal ignored or blocked, a process
// group of its own, so that what a terminal sends reaches the controller alone.
import CProcess
import Glibc

/// - Parameters:
///   - errors: becomes its standard error.
///   - inherited: become its descriptors from 3 on.
func spawn(
    _ program: WorkerProgram, errors: Int32, inherited: [Int32]
) throws(WorkerStartError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // Copies far from the places that they go to: no one overwrites another's source.
    var copies: [Int32] = []
    defer { for copy in copies { close(copy) } }
    for descriptor in [errors] + inherited {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 100)
        guard copy >= 0 else { throw WorkerStartError("copy a descriptor for the worker") }
        copies.append(copy)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    for (copy, place) in zip(copies, Int32(2)...) {
        posix_spawn_file_actions_adddup2(&actions, copy, place)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    restoreSignals(&attributes)
    var words = ([program.path] + program.arguments).map { strdup($0) } + [nil]
    var variables = program.environment.map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, program.path, &actions, &attributes, &words, &variables)
    guard result == 0 else { throw WorkerStartError("start \(program.path)", errno: result) }
    return pid
}

private func restoreSignals(_ attributes: inout posix_spawnattr_t) {
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    let flags = Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETPGROUP)
    posix_spawnattr_setflags(&attributes, Int16(flags))
}
