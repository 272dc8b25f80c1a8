// SPDX-License-Identifier: Apache-2.0
// BPF programs of somebody else, and whether a program is still there.
import CBPF
import Glibc

enum BPFPrograms {
    /// Whether the kernel has a program of this id.
    static func exists(_ id: Int) -> Bool {
        let end = bpf_prog_get_fd_by_id(UInt32(id))
        if end >= 0 { close(end) }
        return end >= 0
    }

    /// Attaches an XDP program called `foreign` that passes everything, as other tools do: without a link.
    static func attachForeign(to interface: String, in namespace: Namespace) throws {
        // r0 = XDP_PASS; exit
        var code = [bpf_insn(), bpf_insn()]
        code[0].code = UInt8(BPF_ALU64 | 0xb0)
        code[0].imm = 2
        code[1].code = UInt8(BPF_JMP | 0x90)
        let program = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", code, code.count, nil)
        guard program >= 0 else { throw SocketError("load a program") }
        defer { close(program) }
        let result = try namespace.inside {
            bpf_xdp_attach(Int32(if_nametoindex(interface)), program, UInt32(XDP_FLAGS_DRV_MODE), nil)
        }
        guard result == 0 else { throw SocketError("attach a program to \(interface)") }
    }
}
