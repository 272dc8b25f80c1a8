// SPDX-License-Identifier: Apache-2.0
// The folder of pins that one network namespace's instance has: where state lives when no process does.
import CBPF
import Glibc
import GuardABI

/// /sys/fs/bpf/xdpguard/net-COOKIE-abiN: COOKIE is the network namespace's (SO_NETNS_COOKIE, unique until
/// the next boot, as its inode is not), N the layout's version. Holds the shared maps, the running program
/// with its description, and `link-IFINDEX`, `entry-IFINDEX` and `egress-IFINDEX` pins.
public struct PinDirectory: Sendable {
    public static let bpffs = "/sys/fs/bpf"
    static let root = bpffs + "/xdpguard"
    public let path: String
    /// Of the folders of this network namespace, whatever version of the layout they have.
    private let stem: String

    /// The folder of this process's network namespace. It need not exist.
    public init() throws(KernelError) {
        stem = "net-\(try Self.namespaceCookie())-abi"
        path = Self.root + "/\(stem)\(GUARD_ABI_VERSION)"
    }

    /// The folder in which an xdpguard with another layout has programs of this network namespace; nil where
    /// there is none.
    public var ofOtherVersion: String? {
        Self.entries(of: Self.root).lazy.map { (name: $0, path: Self.root + "/" + $0) }
            .first { name, folder in
                name.hasPrefix(stem) && folder != path
                    && Self.entries(of: folder).contains { $0.hasPrefix("link-") || $0.hasPrefix("entry-") }
            }?.path
    }

    /// SO_NETNS_COOKIE of asm-generic/socket.h, Linux 5.14.
    private static func namespaceCookie() throws(KernelError) -> UInt64 {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw KernelError("find this network namespace") }
        defer { close(fd) }
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        guard getsockopt(fd, SOL_SOCKET, 71, &cookie, &size) == 0 else {
            throw KernelError("find this network namespace", help: "Linux 6.1 or newer is needed")
        }
        return cookie
    }

    func map(_ map: SharedMap) -> String { path + "/" + map.rawValue }
    /// The program of the generation that was applied last, and its description.
    var program: String { path + "/program" }
    var description: String { path + "/description" }
    /// The outer map of its tables of addresses.
    var addresses: String { path + "/addresses" }
    var hasAllMaps: Bool { SharedMap.allCases.allSatisfy { $0.isOptional || access(map($0), F_OK) == 0 } }

    func link(_ index: UInt32) -> String { path + "/link-\(index)" }
    /// Our program in the dispatcher of an interface.
    func entry(_ index: UInt32) -> String { path + "/entry-\(index)" }
    /// The program array through which entries find the running generation.
    var current: String { path + "/guard_current" }

    /// What holds the egress program on an interface: a tcx link, or the program of a filter.
    func egressLink(_ index: UInt32) -> String { path + "/egress-\(index)" }
    func egressFilter(_ index: UInt32) -> String { path + "/egress-filter-\(index)" }
    /// The egress program of the running generation; not there where it follows no connections.
    var egressProgram: String { path + "/egress-program" }

    public var exists: Bool { access(path, F_OK) == 0 }

    /// Makes the folder on a mounted bpffs.
    func create() throws(KernelError) {
        for folder in [Self.root, path] {
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw KernelError("make the folder \(folder)") }
        }
    }

    /// Removes the folder and its parent where they are empty.
    func removeIfEmpty() {
        rmdir(path)
        rmdir(Self.root)
    }

    /// Interfaces that have a link pin.
    func linkIndexes() -> [UInt32] { indexes(after: "link-") }
    /// Interfaces whose dispatcher has an entry of ours.
    func entryIndexes() -> [UInt32] { indexes(after: "entry-") }

    /// Interfaces that have an egress program of ours.
    func egressIndexes() -> [UInt32] { indexes(after: "egress-") + indexes(after: "egress-filter-") }

    private func indexes(after prefix: String) -> [UInt32] {
        entries().filter { $0.hasPrefix(prefix) }.compactMap { UInt32($0.dropFirst(prefix.count)) }.sorted()
    }

    func entries() -> [String] { Self.entries(of: path) }

    private static func entries(of path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The one lock for every change, on bpffs itself, which nobody removes: held until the returned object
    /// goes. Waits up to ten seconds for others.
    public static func lock() throws -> FileDescriptor { try lock(folder: bpffs) }

    /// The same without waiting; nil where somebody else has it.
    public static func tryLock() throws -> FileDescriptor? { try tryLock(folder: bpffs) }

    /// The lock of a folder, for what takes long and is not to hold up changes: whoever needs the one lock
    /// too takes that behind it. Waits up to ten seconds for others.
    public static func lock(folder: String) throws -> FileDescriptor {
        for _ in 0..<1000 {
            if let lock = try tryLock(folder: folder) { return lock }
            usleep(10_000)
        }
        throw DatapathBusy()
    }

    private static func tryLock(folder: String) throws -> FileDescriptor? {
        let fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw KernelError("open \(folder)") }
        let owned = FileDescriptor(owning: fd)
        if flock(fd, LOCK_EX | LOCK_NB) == 0 { return owned }
        guard errno == EWOULDBLOCK || errno == EINTR else { throw KernelError("lock \(folder)") }
        return nil
    }

    /// Removes the folders of network namespaces that are gone: those whose links all hold no interface any
    /// more.
    static func sweep(except kept: String) {
        for name in entries(of: root) where name.hasPrefix("net-") && root + "/" + name != kept {
            let folder = root + "/" + name
            let links = entries(of: folder).filter { $0.hasPrefix("link-") }
            // Nothing tells whether the interface of a dispatcher is gone in another namespace.
            guard !entries(of: folder).contains(where: { $0.hasPrefix("entry-") }) else { continue }
            guard !links.contains(where: { XDPLink.isAlive(folder + "/" + $0) }) else { continue }
            for entry in entries(of: folder) { unlink(folder + "/" + entry) }
            rmdir(folder)
        }
    }

    /// BPF_FS_MAGIC of linux/magic.h.
    private static let magic = 0xcafe_4a11

    public static var isMounted: Bool {
        var status = statfs()
        return statfs(bpffs, &status) == 0 && Int(status.f_type) == magic
    }

    /// Mounts bpffs where it is not; not in a mount namespace that ends with this process, with which all
    /// pins, and so the policy, would go.
    /// - Returns: whether it had to be mounted.
    public static func mountIfNeeded() throws(KernelError) -> Bool {
        if isMounted { return false }
        guard !hasOwnMountNamespace() else {
            let help = """
                \(bpffs) is no bpffs in this mount namespace, and pins in one mounted now would go with it: \
                use 'nsenter --net=/run/netns/NAME' instead of 'ip netns exec NAME', or mount it first: \
                mount -t bpf bpffs \(bpffs)
                """
            throw KernelError("pin anything", code: 0, help: help)
        }
        if mount("bpffs", bpffs, "bpf", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), "mode=0700") != 0 {
            throw KernelError("mount bpffs", help: "mount it with: mount -t bpf bpffs \(bpffs)")
        }
        return true
    }

    /// Whether the parent process lives in another mount namespace, as with `ip netns exec NAME xdpguard
    /// ...`.
    private static func hasOwnMountNamespace() -> Bool {
        var mine = stat()
        var parents = stat()
        guard stat("/proc/self/ns/mnt", &mine) == 0, stat("/proc/\(getppid())/ns/mnt", &parents) == 0 else {
            return false
        }
        return mine.st_ino != parents.st_ino
    }
}
