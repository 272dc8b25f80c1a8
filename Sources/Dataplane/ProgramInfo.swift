// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a loaded program: its name, its maps, its run time; and what we stored with it.
import CBPF
import Glibc
import GuardABI

/// How often a program ran and how long it took in all, while statistics were on.
public struct ProgramRuns: Sendable {
    public var nanoseconds: UInt64
    public var count: UInt64
}

/// The kernel's name of a program.
public func programName(_ id: UInt32) throws(KernelError) -> String {
    let fd = try check(bpf_prog_get_fd_by_id(id), "open program \(id)")
    defer { close(fd) }
    let info = try programInfo(fd)
    return withUnsafeBytes(of: info.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// The JSON text that was stored with a program; nil where it is not one of ours.
public func programDescription(_ id: UInt32) throws(KernelError) -> [UInt8]? {
    let fd = try check(bpf_prog_get_fd_by_id(id), "open program \(id)")
    defer { close(fd) }
    for mapID in try mapIDs(fd) {
        let map = bpf_map_get_fd_by_id(mapID)
        guard map >= 0 else { continue }
        defer { close(map) }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(bpf_obj_get_info_by_fd(map, &info, &size), "ask about map \(mapID)")
        let name = withUnsafeBytes(of: info.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard name == "guard_info" else { continue }
        var bytes = [UInt8](repeating: 0, count: Int(info.value_size))
        var zero: UInt32 = 0
        try check(bpf_map_lookup_elem(map, &zero, &bytes), "read the description of program \(id)")
        return Array(bytes.prefix { $0 != 0 })
    }
    return nil
}

/// Bytes of the tables that a program's generation holds.
public func programTableBytes(_ id: UInt32) throws(KernelError) -> UInt64 {
    let fd = try check(bpf_prog_get_fd_by_id(id), "open program \(id)")
    defer { close(fd) }
    for mapID in try mapIDs(fd) {
        let map = bpf_map_get_fd_by_id(mapID)
        guard map >= 0 else { continue }
        defer { close(map) }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(bpf_obj_get_info_by_fd(map, &info, &size), "ask about map \(mapID)")
        let name = withUnsafeBytes(of: info.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name == "guard_tables" { return UInt64(info.value_size) }
    }
    return 0
}

/// Runs of a program over `milliseconds`; statistics are on only meanwhile, as they cost time for every
/// program.
public func measureRuns(of id: UInt32, milliseconds: UInt32) throws(KernelError) -> ProgramRuns {
    let statistics = try check(bpf_enable_stats(BPF_STATS_RUN_TIME), "turn BPF statistics on")
    defer { close(statistics) }
    let fd = try check(bpf_prog_get_fd_by_id(id), "open program \(id)")
    defer { close(fd) }
    let before = try programInfo(fd)
    usleep(milliseconds * 1000)
    let after = try programInfo(fd)
    return ProgramRuns(
        nanoseconds: after.run_time_ns - before.run_time_ns, count: after.run_cnt - before.run_cnt)
}

private func programInfo(_ fd: Int32) throws(KernelError) -> bpf_prog_info {
    var info = bpf_prog_info()
    var size = UInt32(MemoryLayout<bpf_prog_info>.size)
    try check(bpf_obj_get_info_by_fd(fd, &info, &size), "ask about a program")
    return info
}

private func mapIDs(_ fd: Int32) throws(KernelError) -> [UInt32] {
    var ids = [UInt32](repeating: 0, count: 64)
    var info = bpf_prog_info()
    var size = UInt32(MemoryLayout<bpf_prog_info>.size)
    let result = ids.withUnsafeMutableBufferPointer { buffer in
        info.nr_map_ids = UInt32(buffer.count)
        info.map_ids = UInt64(UInt(bitPattern: buffer.baseAddress))
        return bpf_obj_get_info_by_fd(fd, &info, &size)
    }
    try check(result, "ask for a program's maps")
    return Array(ids.prefix(Int(info.nr_map_ids)))
}
