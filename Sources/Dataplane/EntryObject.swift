// SPDX-License-Identifier: Apache-2.0
// The small program that stands in libxdp's dispatcher in our name, opened from the embedded object, and
// whether this kernel takes such a program at all.
import CBPF
import Foundation
import Glibc

/// An opened, not yet loaded entry program (xdp/entry.bpf.c).
final class EntryObject {
    let object: OpaquePointer
    private static let entry = "xdpguard_entry"
    private static let probe = "xdpguard_probe"
    /// The function of the probe that an entry may take the place of.
    private static let slot = "xdpguard_slot"

    /// - Parameter array: the program array through which the entry finds the generation; nil: a new one.
    convenience init(switching array: FileDescriptor?) throws(KernelError) {
        try self.init()
        try check(bpf_program__set_autoload(try program(Self.probe), false), "leave the probe out")
        guard let array else { return }
        guard let map = bpf_object__find_map_by_name(object, "guard_current") else {
            throw KernelError("find guard_current in the entry program", code: ENOENT)
        }
        try check(bpf_map__reuse_fd(map, array.raw), "share guard_current")
    }

    private init() throws(KernelError) {
        object = try openEmbedded(entryObjectBase64, "entry program")
    }

    deinit { bpf_object__close(object) }

    private func program(_ name: String) throws(KernelError) -> OpaquePointer {
        guard let found = bpf_object__find_program_by_name(object, name) else {
            throw KernelError("find \(name)", code: ENOENT)
        }
        return found
    }

    /// Loads an entry in the place of a function of a program of ours: what the dispatcher needs, tried where
    /// nothing is attached.
    /// - Throws: with the kernel's reason where it refuses.
    static func requireSupport() throws(KernelError) {
        let target = try EntryObject()
        try check(bpf_program__set_autoload(try target.program(entry), false), "leave the entry out")
        try loadEmbedded(target.object, "program whose function can be replaced")
        let replacement = try EntryObject(switching: nil)
        let program = try replacement.program(entry)
        let descriptor = bpf_program__fd(try target.program(probe))
        bpf_program__set_type(program, BPF_PROG_TYPE_EXT)
        bpf_program__set_expected_attach_type(program, BPF_CGROUP_INET_INGRESS)
        try check(bpf_program__set_attach_target(program, descriptor, slot), "find the probe's function")
        let result = bpf_object__load(replacement.object)
        guard result < 0 else { return }
        let isRefusal = -result == EPERM || -result == EACCES
        throw KernelError(
            "attach beside other XDP programs", code: 0,
            help: """
                this kernel refuses programs that replace a function (freplace: \
                \(String(cString: strerror(-result)))), which libxdp's dispatcher needs; \
                without it one XDP program holds an interface: use --attach auto, native or generic there
                """, log: isRefusal ? "" : LogBuffer.shared.text)
    }
}

/// Our build of libxdp's dispatcher, in the place of the one that libxdp brings as long as this object lives:
/// before 1.5.5 it has no place for a program that tail-calls on kernels since 6.12.5.
final class DispatcherObject {
    private let folder: String
    private var file: String { folder + "/xdp-dispatcher.o" }

    init() throws(KernelError) {
        let elf = try decodeEmbedded(dispatcherObjectBase64, "dispatcher")
        // libxdp opens it by name; only root may write below a folder that mkdtemp made.
        var template = Array("/tmp/xdpguard.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw KernelError("make a folder in /tmp") }
        folder = template.withUnsafeBufferPointer { buffer in
            String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        guard FileManager.default.createFile(atPath: folder + "/xdp-dispatcher.o", contents: elf) else {
            throw KernelError("write into \(folder)")
        }
        setenv(XDP_OBJECT_ENVVAR, folder, 1)
    }

    deinit {
        unsetenv(XDP_OBJECT_ENVVAR)
        unlink(file)
        rmdir(folder)
    }
}
