// SPDX-License-Identifier: Apache-2.0
// Whether interfaces can take our program: asked before anything is loaded or changed.
import CBPF

extension Datapath {
    /// - Throws: naming the first interface that cannot, why, and what to do.
    public func preflight(_ interfaces: [NetworkInterface], attach: AttachRequest) throws(KernelError) {
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
            try requireOurs(running.id, on: interface)
            if attach != .auto, attach.rawValue != running.mode.rawValue {
                throw KernelError(
                    "change \(interface.name) from \(running.mode.rawValue) to \(attach.rawValue) mode",
                    code: 0,
                    help: "that needs a gap: run 'xdpguard detach --dev \(interface.name)' first")
            }
        }
    }

    private func requireOurs(_ program: UInt32, on interface: NetworkInterface) throws(KernelError) {
        if try XDPLink.pinned(interface, in: pins) != nil { return }
        let name = programName(program)
        let way =
            name == guardProgramName
            ? "xdpguard applied it where another bpffs is mounted: detach it there"
            : "detach it first, with the tool that attached it or 'ip link set \(interface.name) xdp off'"
        throw KernelError(
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
