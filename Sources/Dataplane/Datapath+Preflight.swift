// SPDX-License-Identifier: Apache-2.0
// Whether interfaces can take our program: asked before anything is loaded or changed.
import CBPF

extension Datapath {
    /// - Throws: naming the first interface that cannot, why, and what to do.
    public func preflight(_ interfaces: [NetworkInterface], attach: AttachRequest) throws(KernelError) {
        if attach == .shared { try EntryObject.requireSupport() }
        for interface in interfaces {
            guard interface.isUp else {
                let help = "it is down: bring it up with 'ip link set \(interface.name) up'"
                throw KernelError("attach to \(interface.name)", code: 0, help: help)
            }
            guard interface.isEthernet else {
                let help = "its packets have no Ethernet header (a tunnel?), which is not supported"
                throw KernelError("attach to \(interface.name)", code: 0, help: help)
            }
            guard let running = try interface.attachedProgram() else { continue }
            guard let mode = try ourMode(on: interface, running.mode) else {
                if attach == .shared, try Dispatcher(of: interface) != nil { continue }
                throw heldByAnother(running.id, interface, attach)
            }
            if attach != .auto, attach.rawValue != mode.rawValue {
                throw KernelError(
                    "change \(interface.name) from \(mode.rawValue) to \(attach.rawValue) mode",
                    code: 0,
                    help: "that needs a gap: run 'xdpguard detach --dev \(interface.name)' first")
            }
        }
    }

    /// How we are on an interface; nil where what runs there is not ours.
    private func ourMode(
        on interface: NetworkInterface, _ running: AttachMode
    ) throws(KernelError) -> AttachMode? {
        if try XDPLink.pinned(interface, in: pins) != nil { return running }
        return try SharedEntry.pinned(interface, in: pins) == nil ? nil : .shared
    }

    private func heldByAnother(
        _ program: UInt32, _ interface: NetworkInterface, _ attach: AttachRequest
    ) -> KernelError {
        let name = programName(program)
        var way = "detach it first, with the tool that attached it or 'ip link set \(interface.name) xdp off'"
        if name == guardProgramName {
            way = "xdpguard applied it where another bpffs is mounted: detach it there"
            if let folder = pins.ofOtherVersion {
                way = "another version of xdpguard has its pins in \(folder): detach it with that version"
            }
        } else if name == Dispatcher.programName, attach != .shared {
            way = "it is libxdp's dispatcher: use --attach shared to run beside what is in it"
        } else if attach == .shared {
            way = "it is not in libxdp's dispatcher: attach it with xdp-loader, or \(way)"
        }
        return KernelError(
            "attach to \(interface.name)", code: 0,
            help: "the XDP program \(name.map { "'\($0)' " } ?? "")(id \(program)) holds it: \(way)")
    }

    /// Interfaces that carry an xdpguard program that is not pinned here: one of another bpffs, or of a mount
    /// namespace that is gone.
    public func strangers() throws(KernelError) -> [String] {
        var found: [String] = []
        for interface in try NetworkInterface.all() {
            guard let running = try interface.attachedProgram(),
                programName(running.id) == guardProgramName, try XDPLink.pinned(interface, in: pins) == nil
            else { continue }
            found.append(interface.name)
        }
        return found
    }
}
