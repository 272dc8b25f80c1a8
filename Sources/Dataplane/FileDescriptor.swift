// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor and a mapping of a map's memory.
import CBPF
import Glibc

/// A file descriptor that is closed when its owner goes.
public final class FileDescriptor: Sendable {
    let raw: Int32

    /// Takes ownership.
    init(owning raw: Int32) { self.raw = raw }
    deinit { close(raw) }

    /// A pinned object; nil where nothing is pinned there.
    static func pinned(_ path: String) throws(KernelError) -> FileDescriptor? {
        let fd = bpf_obj_get(path)
        if fd == -ENOENT || (fd < 0 && errno == ENOENT) { return nil }
        return FileDescriptor(owning: try check(fd, "open the pinned object \(path)"))
    }
}

/// The memory of an array map with BPF_F_MMAPABLE, shared with the kernel.
final class MapMemory {
    let base: UnsafeMutableRawPointer
    let length: Int

    /// - Parameter length: bytes of the map's values.
    init(map fd: Int32, length: Int) throws(KernelError) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        self.length = (length + page - 1) / page * page
        guard let base = mmap(nil, self.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), base != MAP_FAILED
        else {
            throw KernelError("map \(length) bytes of a table")
        }
        self.base = base
    }

    deinit { munmap(base, length) }
}
