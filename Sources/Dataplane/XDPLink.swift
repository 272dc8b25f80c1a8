// SPDX-License-Identifier: Apache-2.0
// A program on an interface: attach, replace in one step, adopt by pin, detach.
import CBPF
import Glibc

/// A BPF link of type XDP. While the link is pinned the program stays, whatever becomes of this process.
struct XDPLink {
    let descriptor: FileDescriptor
    let interface: NetworkInterface

    /// Attaches a program in one mode; nothing is pinned yet, so that the link goes with this process.
    static func attach(_ program: Int32, to interface: NetworkInterface, mode: AttachMode) throws(KernelError)
        -> XDPLink
    {
        var options = bpf_link_create_opts()
        options.sz = optionsSize(upTo: \bpf_link_create_opts.flags)
        options.flags = mode == .native ? UInt32(XDP_FLAGS_DRV_MODE) : UInt32(XDP_FLAGS_SKB_MODE)
        let fd = bpf_link_create(program, Int32(interface.index), BPF_XDP, &options)
        let operation = "attach to \(interface.name) in \(mode.rawValue) mode"
        if fd < 0 { throw KernelError(operation, code: -fd, help: help(for: -fd, mode)) }
        return XDPLink(descriptor: FileDescriptor(owning: fd), interface: interface)
    }

    /// The link pinned for an interface; nil where there is none or what it holds is not this interface's
    /// program: an index may have been given to another interface since.
    static func pinned(_ interface: NetworkInterface, in pins: PinDirectory) throws(KernelError) -> XDPLink? {
        guard let descriptor = try FileDescriptor.pinned(pins.link(interface.index)) else { return nil }
        let link = XDPLink(descriptor: descriptor, interface: interface)
        let held = try link.information()
        guard held.ifindex == interface.index, let running = try interface.attachedProgram() else {
            return nil
        }
        return running.id == held.program ? link : nil
    }

    /// Puts another program in the place of `old`, between two packets; refused where `old` is not what runs.
    func replace(_ old: FileDescriptor, with program: Int32) throws(KernelError) {
        var options = bpf_link_update_opts()
        options.sz = optionsSize(upTo: \bpf_link_update_opts.old_prog_fd)
        options.flags = UInt32(BPF_F_REPLACE)
        options.old_prog_fd = UInt32(old.raw)
        try check(
            bpf_link_update(descriptor.raw, program, &options), "replace the program on \(interface.name)")
    }

    /// The program that runs. Opening it by id needs CAP_SYS_ADMIN; `expected`, where it is the one, needs
    /// nothing.
    func program(expected: FileDescriptor?) throws(KernelError) -> FileDescriptor {
        let id = try information().program
        if let expected, try programID(expected) == id { return expected }
        return FileDescriptor(owning: try check(bpf_prog_get_fd_by_id(id), "open the running program \(id)"))
    }

    /// The interface's index (0 once it is gone) and the id of the program.
    func information() throws(KernelError) -> (ifindex: UInt32, program: UInt32) {
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        try check(
            bpf_obj_get_info_by_fd(descriptor.raw, &info, &size), "ask about the link of \(interface.name)")
        return (info.xdp.ifindex, info.prog_id)
    }

    /// Whether a pinned link still holds an interface.
    static func isAlive(_ path: String) -> Bool {
        guard let descriptor = try? FileDescriptor.pinned(path) else { return false }
        let nowhere = NetworkInterface(name: path, index: 0, isUp: false, isEthernet: false)
        let held = try? XDPLink(descriptor: descriptor, interface: nowhere).information()
        return held.map { $0.ifindex != 0 } ?? false
    }

    func pin(in pins: PinDirectory) throws(KernelError) {
        try check(
            bpf_obj_pin(descriptor.raw, pins.link(interface.index)), "pin the link of \(interface.name)")
    }

    private static func help(for code: Int32, _ mode: AttachMode) -> String {
        switch code {
        case EOPNOTSUPP:
            mode == .native
                ? "its driver has no native XDP: use --attach generic"
                : "the kernel has no generic XDP for it"
        case EBUSY, EEXIST: "another XDP program holds it: see 'ip link show' and detach it first"
        case EINVAL, ERANGE:
            "the driver refuses its MTU or offloads: lower the MTU, switch LRO off, or use --attach generic"
        default: ""
        }
    }
}
