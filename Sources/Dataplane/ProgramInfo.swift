// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a loaded program: its name, its run time; and what we stored with it.
import CBPF
import Glibc
import GuardABI

/// How often a program ran and how long it took in all, while statistics were on.
public struct ProgramRuns: Sendable {
    public var nanoseconds: UInt64
    public var count: UInt64
}

/// The kernel's name of a program; nil where this process may not ask (CAP_SYS_ADMIN) or it is gone.
public func programName(_ id: UInt32) -> String? {
    let fd = bpf_prog_get_fd_by_id(id)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    guard let info = try? programInfo(fd) else { return nil }
    return withUnsafeBytes(of: info.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

func programID(_ program: FileDescriptor) throws(KernelError) -> UInt32 { try programInfo(program.raw).id }

/// What was stored with a generation; zeros may follow.
func readDescription(_ map: FileDescriptor) throws(KernelError) -> [UInt8] {
    var info = bpf_map_info()
    var size = UInt32(MemoryLayout<bpf_map_info>.size)
    try check(bpf_obj_get_info_by_fd(map.raw, &info, &size), "ask about the description")
    var bytes = [UInt8](repeating: 0, count: Int(info.value_size))
    var zero: UInt32 = 0
    try check(bpf_map_lookup_elem(map.raw, &zero, &bytes), "read the description")
    return bytes
}

/// Runs of a program over `milliseconds`; statistics are on only meanwhile, as they cost time for every
/// program. Nil where this process may not turn them on (CAP_SYS_ADMIN).
public func measureRuns(of program: FileDescriptor, milliseconds: UInt32) throws(KernelError) -> ProgramRuns?
{
    let statistics = bpf_enable_stats(BPF_STATS_RUN_TIME)
    if statistics == -EPERM { return nil }
    try check(statistics, "turn BPF statistics on")
    defer { close(statistics) }
    let before = try programInfo(program.raw)
    usleep(milliseconds * 1000)
    let after = try programInfo(program.raw)
    return ProgramRuns(
        nanoseconds: after.run_time_ns - before.run_time_ns, count: after.run_cnt - before.run_cnt)
}

private func programInfo(_ fd: Int32) throws(KernelError) -> bpf_prog_info {
    var info = bpf_prog_info()
    var size = UInt32(MemoryLayout<bpf_prog_info>.size)
    try check(bpf_obj_get_info_by_fd(fd, &info, &size), "ask about a program")
    return info
}
