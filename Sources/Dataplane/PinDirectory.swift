// SPDX-License-Identifier: Apache-2.0
// The folder of pins that one network namespace's instance has: where state lives when no process does.
import CBPF
import Glibc

/// /sys/fs/bpf/xdpguard/net-INODE, INODE being the network namespace's. Holds the shared maps and `link-
/// IFINDEX` pins.
public struct PinDirectory: Sendable {
    public static let bpffs = "/sys/fs/bpf"
    static let root = bpffs + "/xdpguard"
    public let path: String

    /// The folder of this process's network namespace. It need not exist.
    public init() throws(KernelError) {
        var status = stat()
        guard stat("/proc/self/ns/net", &status) == 0 else {
            throw KernelError("find this network namespace")
        }
        path = Self.root + "/net-\(status.st_ino)"
    }

    func map(_ map: SharedMap) -> String { path + "/" + map.rawValue }
    func link(_ index: UInt32) -> String { path + "/link-\(index)" }

    public var exists: Bool { access(path, F_OK) == 0 }

    /// Makes the folder, and mounts bpffs where it is not.
    /// - Returns: whether bpffs had to be mounted.
    func create() throws(KernelError) -> Bool {
        let mounted = try Self.mountIfNeeded()
        for folder in [Self.root, path] {
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw KernelError("make the folder \(folder)") }
        }
        return mounted
    }

    /// Removes the folder and its parent where they are empty.
    func removeIfEmpty() {
        rmdir(path)
        rmdir(Self.root)
    }

    /// Interfaces that have a link pin.
    func linkIndexes() -> [UInt32] {
        entries().filter { $0.hasPrefix("link-") }.compactMap { UInt32($0.dropFirst(5)) }.sorted()
    }

    func entries() -> [String] {
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

    /// The one lock for every change: held until the returned object goes; nil where another process has it.
    public func lock() throws(KernelError) -> FileDescriptor? {
        let fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw KernelError("open \(path)") }
        let owned = FileDescriptor(owning: fd)
        if flock(fd, LOCK_EX | LOCK_NB) == 0 { return owned }
        guard errno == EWOULDBLOCK else { throw KernelError("lock \(path)") }
        return nil
    }

    /// BPF_FS_MAGIC of linux/magic.h.
    private static let magic = 0xcafe_4a11

    public static var isMounted: Bool {
        var status = statfs()
        return statfs(bpffs, &status) == 0 && Int(status.f_type) == magic
    }

    private static func mountIfNeeded() throws(KernelError) -> Bool {
        if isMounted { return false }
        if mount("bpffs", bpffs, "bpf", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), "mode=0700") != 0 {
            throw KernelError("mount bpffs", help: "mount it with: mount -t bpf bpffs \(bpffs)")
        }
        return true
    }
}
