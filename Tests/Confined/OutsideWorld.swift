// SPDX-License-Identifier: Apache-2.0
// What an attacker in the worker would try, for real: each attempt works outside of a sandbox. Prepared
// before the sandbox, tried in it. Out: 0 or the errno of each.
import CBPF
import CProcess
import Glibc

struct OutsideWorld {
    private let map: Int32
    private let listener: Int32
    private let parent = getppid()
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    init() {
        // A map that may be mapped for writing, as rings may; and a socket.
        var options = bpf_map_create_opts()
        options.sz = MemoryLayout<bpf_map_create_opts>.size
        options.map_flags = UInt32(BPF_F_MMAPABLE)
        let made = bpf_map_create(BPF_MAP_TYPE_ARRAY, "outside", 4, 8, 1, &options)
        // To where the sandbox keeps it open.
        map = made >= 0 ? dup2(made, 3) : -1
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    }

    func attempts() -> [(String, Int32)] {
        var list: [(String, Int32)] = [
            // First, while no attempt to open something has its number.
            ("use another descriptor", failing { fcntl(listener, F_GETFD) }),
            ("open a file", failing { open("/etc/passwd", O_RDONLY) }),
            ("list a folder", failing { open("/", O_RDONLY | O_DIRECTORY) }),
            ("make a file", failing { open("/tmp/confined-\(getpid())", O_CREAT | O_WRONLY, 0o600) }),
            ("make a TCP socket", failing { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }),
            ("make a packet socket", failing { socket(AF_PACKET, Int32(SOCK_RAW.rawValue), 0) }),
            ("make a unix socket", failing { socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) }),
            ("make a process", fork()),
            // PTRACE_SEIZE, which unlike PTRACE_ATTACH does not stop it.
            ("trace the parent", failing { Int32(process_call(Int(SYS_ptrace), 0x4206, Int(parent), 0)) }),
            ("signal the parent", failing { kill(parent, 0) }),
            ("become root", failing { setresuid(0, 0, 0) }),
            ("map code", mapCode()),
        ]
        if map >= 0 {
            list += [
                ("write a map", writeMap()), ("map a map", mapMap()),
                ("make a map", failing { bpf_map_create(BPF_MAP_TYPE_ARRAY, "inside", 4, 8, 1, nil) }),
            ]
        }
        return list
    }

    private func failing(_ call: () -> Int32) -> Int32 {
        errno = 0
        return call() >= 0 ? 0 : errno
    }

    /// A child ends at once.
    private func fork() -> Int32 {
        // SIGCHLD is 17.
        let pid = process_call(Int(SYS_clone), 17, 0, 0)
        if pid == 0 { _exit(0) }
        if pid > 0 { waitpid(pid_t(pid), nil, 0) }
        return pid >= 0 ? 0 : errno
    }

    /// The last attempt: a program that can be executed takes this one's place.
    func execute() -> Int32 {
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/true"), nil]
        defer { free(words[0]) }
        return failing { execve("/bin/true", &words, nil) }
    }

    private func mapCode() -> Int32 {
        let made = mmap(
            nil, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return made == MAP_FAILED ? errno : 0
    }

    private func writeMap() -> Int32 {
        var key: UInt32 = 0
        var value: UInt64 = 7
        return max(0, -bpf_map_update_elem(map, &key, &value, 0))
    }

    private func mapMap() -> Int32 {
        mmap(nil, page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0) == MAP_FAILED ? errno : 0
    }
}
