// SPDX-License-Identifier: Apache-2.0
// The egress program on an interface: by a tcx link where the kernel has them (Linux 6.6), else as a filter
// of the clsact queueing discipline. In: a loaded program. Out: what is attached, and how it goes again.
import CBPF
import Glibc

/// How the egress program is attached.
public enum EgressMode: String, Sendable { case tcx, clsact }

/// The egress program's place on one interface. A pin keeps it: of the link, or of the filter's program.
struct EgressLink {
    let interface: NetworkInterface
    let mode: EgressMode
    /// The link, or the program that the filter runs.
    let descriptor: FileDescriptor

    /// BPF_TCX_EGRESS of linux/bpf.h since Linux 6.6.
    private static let tcxEgress = bpf_attach_type(rawValue: 47)
    /// Behind what others run at the egress, so that what they drop is not learnt.
    private static let filterPriority: UInt32 = 0xc000
    private static let filterHandle: UInt32 = 1

    /// What is pinned for an interface; nil where that is nothing, or it holds another interface by now.
    static func pinned(
        _ interface: NetworkInterface, in pins: PinDirectory
    ) throws(KernelError) -> EgressLink? {
        if let link = try FileDescriptor.pinned(pins.egressLink(interface.index)) {
            let found = EgressLink(interface: interface, mode: .tcx, descriptor: link)
            return try found.heldInterface() == interface.index ? found : nil
        }
        guard let program = try FileDescriptor.pinned(pins.egressFilter(interface.index)) else { return nil }
        let found = EgressLink(interface: interface, mode: .clsact, descriptor: program)
        return try found.isRunning() ? found : nil
    }

    /// Attaches a program and pins it.
    static func attach(
        _ program: Int32, to interface: NetworkInterface, in pins: PinDirectory
    ) throws(KernelError) -> EgressLink {
        unlink(pins.egressLink(interface.index))
        unlink(pins.egressFilter(interface.index))
        let link = bpf_link_create(program, Int32(interface.index), tcxEgress, nil)
        guard link >= 0 else { return try attachFilter(program, to: interface, in: pins) }
        let made = EgressLink(
            interface: interface, mode: .tcx, descriptor: FileDescriptor(owning: link))
        try check(
            bpf_obj_pin(link, pins.egressLink(interface.index)), "pin the egress link of \(interface.name)")
        return made
    }

    private static func attachFilter(
        _ program: Int32, to interface: NetworkInterface, in pins: PinDirectory
    ) throws(KernelError) -> EgressLink {
        var hook = hook(interface)
        let made = bpf_tc_hook_create(&hook)
        if made < 0, made != -EEXIST {
            throw KernelError(
                "make a clsact queueing discipline on \(interface.name)", code: -made,
                help: "before Linux 6.6 connections are followed with the modules sch_ingress and cls_bpf; "
                    + "or write stateful: false, and inspect nothing")
        }
        try setFilter(program, on: interface, flags: 0)
        let pinned = bpf_obj_pin(program, pins.egressFilter(interface.index))
        if pinned < 0 { removeFilter(interface) }
        try check(pinned, "pin the egress program of \(interface.name)")
        return EgressLink(
            interface: interface, mode: .clsact, descriptor: FileDescriptor(owning: dup(program)))
    }

    /// Puts another program in its place, between two packets.
    func replace(with program: Int32, in pins: PinDirectory) throws(KernelError) {
        let operation = "replace the egress program on \(interface.name)"
        guard mode == .clsact else {
            try check(bpf_link_update(descriptor.raw, program, nil), operation)
            return
        }
        try Self.setFilter(program, on: interface, flags: BPF_TC_F_REPLACE.rawValue)
        unlink(pins.egressFilter(interface.index))
        try check(bpf_obj_pin(program, pins.egressFilter(interface.index)), operation)
    }

    /// Takes it off its interface, its pin too.
    func remove(_ pins: PinDirectory) {
        if mode == .tcx {
            _ = bpf_link_detach(descriptor.raw)
            unlink(pins.egressLink(interface.index))
        } else {
            Self.removeFilter(interface)
            unlink(pins.egressFilter(interface.index))
        }
    }

    /// The interface that the link holds; 0 once that is gone.
    private func heldInterface() throws(KernelError) -> UInt32 {
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        try check(
            bpf_obj_get_info_by_fd(descriptor.raw, &info, &size),
            "ask about the egress link of \(interface.name)")
        // The index stands first for tcx as for XDP.
        return info.xdp.ifindex
    }

    private func isRunning() throws(KernelError) -> Bool {
        var hook = Self.hook(interface)
        var options = Self.options()
        guard bpf_tc_query(&hook, &options) == 0 else { return false }
        return try options.prog_id == programID(descriptor)
    }

    private static func hook(_ interface: NetworkInterface) -> bpf_tc_hook {
        var hook = bpf_tc_hook()
        hook.sz = optionsSize(upTo: \bpf_tc_hook.parent)
        hook.ifindex = Int32(interface.index)
        hook.attach_point = BPF_TC_EGRESS
        return hook
    }

    private static func options() -> bpf_tc_opts {
        var options = bpf_tc_opts()
        options.sz = optionsSize(upTo: \bpf_tc_opts.priority)
        options.handle = filterHandle
        options.priority = filterPriority
        return options
    }

    private static func setFilter(
        _ program: Int32, on interface: NetworkInterface, flags: UInt32
    ) throws(KernelError) {
        var hook = hook(interface)
        var options = options()
        options.prog_fd = program
        options.flags = flags
        try check(bpf_tc_attach(&hook, &options), "attach to the egress of \(interface.name)")
    }

    private static func removeFilter(_ interface: NetworkInterface) {
        var hook = hook(interface)
        var options = options()
        _ = bpf_tc_detach(&hook, &options)
    }
}
