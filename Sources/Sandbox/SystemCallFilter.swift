// SPDX-License-Identifier: Apache-2.0
// The allow-list of system calls, by libseccomp: memory that is never executable, reading and writing what is
// open, waiting, clocks, the end. Everything else fails with EPERM, so that libraries that try files go on
// and a probe of the sandbox can try all calls; a call by another architecture's numbers kills the process.
import CProcess
import Glibc

/// A call that stays, and the arguments with which it does.
struct AllowedCall {
    var name: String
    /// All of them must hold; empty: any arguments.
    var conditions: [scmp_arg_cmp] = []

    init(_ name: String, _ conditions: scmp_arg_cmp...) {
        self.name = name
        self.conditions = conditions
    }

    /// The bits of `mask` in an argument are `value`.
    static func bits(_ argument: UInt32, of mask: Int32, are value: Int32) -> scmp_arg_cmp {
        scmp_arg_cmp(
            arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: scmp_datum_t(mask), datum_b: scmp_datum_t(value))
    }

    static func equal(_ argument: UInt32, _ value: Int32) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: argument, op: SCMP_CMP_EQ, datum_a: scmp_datum_t(value), datum_b: 0)
    }

    static func all() -> [AllowedCall] {
        let notExecutable = bits(2, of: PROT_EXEC, are: 0)
        return [
            // Memory of its own: no file and no map is mapped any more, and nothing becomes code.
            AllowedCall("mmap", notExecutable, bits(3, of: MAP_ANONYMOUS, are: MAP_ANONYMOUS)),
            AllowedCall("mprotect", notExecutable),
            AllowedCall("munmap"), AllowedCall("mremap"), AllowedCall("madvise"), AllowedCall("brk"),
            // What is open.
            AllowedCall("read"), AllowedCall("pread64"), AllowedCall("write"), AllowedCall("writev"),
            AllowedCall("close"),
            AllowedCall("recvfrom"), AllowedCall("recvmsg"), AllowedCall("sendto"), AllowedCall("sendmsg"),
            AllowedCall("poll"), AllowedCall("ppoll"), AllowedCall("epoll_wait"),
            AllowedCall("epoll_pwait"),
            // Locks and clocks; most calls of clocks never enter the kernel.
            AllowedCall("futex"), AllowedCall("sched_yield"), AllowedCall("clock_gettime"),
            AllowedCall("gettimeofday"), AllowedCall("time"), AllowedCall("getrandom"),
            // Itself: what it uses, and its end, also by a signal of its own (abort).
            AllowedCall("getpid"), AllowedCall("gettid"), AllowedCall("getrusage", equal(0, 0)),
            AllowedCall("tgkill", equal(0, getpid())), AllowedCall("rt_sigprocmask"),
            AllowedCall("rt_sigreturn"), AllowedCall("restart_syscall"), AllowedCall("exit"),
            AllowedCall("exit_group"),
        ]
    }
}

/// Puts the allow-list in force, for good.
func filterSystemCalls() throws(SandboxError) {
    guard let filter = seccomp_init(process_refuse_with(UInt16(EPERM))) else {
        throw .refused(layer: "filter", operation: "make a filter of system calls", errno: ENOMEM)
    }
    defer { seccomp_release(filter) }
    try require("kill calls of another architecture") {
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)
    }
    try require("filter all threads") { seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) }
    for call in AllowedCall.all() {
        let number = seccomp_syscall_resolve_name(call.name)
        // Negative: this architecture has no such call.
        guard number >= 0 else { continue }
        try require("allow \(call.name)") {
            seccomp_rule_add_array(
                filter, SCMP_ACT_ALLOW, number, UInt32(call.conditions.count), call.conditions)
        }
    }
    try require("load it") { seccomp_load(filter) }
}

/// libseccomp returns a negative errno.
private func require(_ operation: @autoclosure () -> String, _ call: () -> Int32) throws(SandboxError) {
    let result = call()
    guard result < 0 else { return }
    throw .refused(layer: "filter", operation: operation(), errno: -result)
}
