// SPDX-License-Identifier: Apache-2.0
// The sandbox tries itself: each call that a taken-over process would want is made once, with arguments that
// do nothing where it is allowed. In: a process. Out: whether the filter refuses the call.
import CProcess
import Glibc

/// A call that must be refused in the sandbox.
public enum SandboxProbe: String, CaseIterable, Sendable {
    case openFile = "open"
    case makeSocket = "socket"
    case connect
    case bpf
    case ptrace
    case readMemory = "process_vm_readv"
    case execute = "execve"
    case fork = "clone"
    case mapCode = "mmap of executable memory"
    case makeCode = "mprotect to executable memory"
    case signalOthers = "kill"
    case becomeRoot = "setuid"
    case namespace = "unshare"
    case mount
    case ioUring = "io_uring_setup"

    /// Without the filter each of them would fail with another error, or do nothing: a descriptor that is
    /// none, flags that exclude each other, signal 0.
    public var isRefused: Bool {
        errno = 0
        let result = attempt()
        return result == -1 && errno == EPERM
    }

    private func attempt() -> Int {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        switch self {
        // An empty path is no file.
        case .openFile: return "".withCString { process_call(number("openat"), -1, address($0), 0) }
        case .makeSocket: return process_call(number("socket"), -1, 0, 0)
        case .connect: return process_call(number("connect"), -1, 0, 0)
        case .bpf: return process_call(number("bpf"), -1, 0, 0)
        case .ptrace: return process_call(number("ptrace"), -1, 0, 0)
        case .readMemory: return process_call(number("process_vm_readv"), 0, 0, -1)
        case .execute: return "".withCString { process_call(number("execve"), address($0), 0, 0) }
        // A thread (CLONE_THREAD) without its process's memory is nothing.
        case .fork: return process_call(number("clone"), 0x10000, 0, 0)
        case .mapCode: return mapCode(Int(page))
        // No memory stands at the end of the address space.
        case .makeCode:
            return process_call(number("mprotect"), Int(bitPattern: 0 &- page), 0, Int(PROT_EXEC))
        case .signalOthers: return process_call(number("kill"), Int(getpid()), 0, 0)
        case .becomeRoot: return process_call(number("setuid"), -1, 0, 0)
        case .namespace: return process_call(number("unshare"), -1, 0, 0)
        case .mount: return process_call(number("umount2"), 0, -1, 0)
        case .ioUring: return process_call(number("io_uring_setup"), 0, 0, 0)
        }
    }

    private func mapCode(_ page: Int) -> Int {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let made = mmap(nil, page, PROT_READ | PROT_EXEC, flags, -1, 0), made != MAP_FAILED else {
            return -1
        }
        munmap(made, page)
        return 0
    }

    private func number(_ name: String) -> Int { Int(seccomp_syscall_resolve_name(name)) }

    private func address(_ text: UnsafePointer<CChar>) -> Int { Int(bitPattern: text) }
}
