// SPDX-License-Identifier: Apache-2.0
// An inner map of guard_addresses: made, written through mmap, put in the place of the one before.
import CBPF
import Glibc
import GuardABI

/// A map of one value: a guard_addresses_header and what it tells of.
public final class AddressMap {
    let descriptor: FileDescriptor
    private let memory: MapMemory

    /// - Parameter valueSize: bytes; the kernel takes no other size in the place of this one.
    public init(valueSize: UInt32) throws(KernelError) {
        var options = bpf_map_create_opts()
        options.sz = optionsSize(upTo: \bpf_map_create_opts.map_flags)
        options.map_flags = UInt32(BPF_F_MMAPABLE)
        let made = bpf_map_create(BPF_MAP_TYPE_ARRAY, "guard_addresses", 4, valueSize, 1, &options)
        descriptor = FileDescriptor(
            owning: try check(made, "make a table of addresses of \(valueSize) bytes"))
        memory = try MapMemory(map: descriptor.raw, length: Int(valueSize))
        size = Int(valueSize)
    }

    /// The map that a program looks into now.
    init(current outer: Int32) throws(KernelError) {
        var key: UInt32 = 0
        var id: UInt32 = 0
        try check(bpf_map_lookup_elem(outer, &key, &id), "find the table of addresses")
        let found = bpf_map_get_fd_by_id(id)
        guard found >= 0 else {
            throw KernelError(
                "open the table of addresses", code: -found, help: "this takes CAP_SYS_ADMIN")
        }
        descriptor = FileDescriptor(owning: found)
        var info = bpf_map_info()
        var infoSize = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(bpf_obj_get_info_by_fd(found, &info, &infoSize), "ask about the table of addresses")
        size = Int(info.value_size)
        memory = try MapMemory(map: found, length: size)
    }

    /// Bytes of the value.
    public let size: Int

    /// The value.
    public var value: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.base, count: size)
    }

    /// Writes the front of the value.
    public func fill(_ bytes: UnsafeRawBufferPointer) {
        value.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(size)))
    }
}

/// The tables of addresses of the generation that runs.
public struct RunningAddresses {
    private let outer: FileDescriptor
    /// What packets are looked up in now.
    public let current: AddressMap

    init(_ outer: FileDescriptor) throws(KernelError) {
        self.outer = outer
        current = try AddressMap(current: outer.raw)
    }

    /// From here on packets are looked up in `map`: each in it alone or in the one before alone. The old one
    /// lives until no packet looks at it any more, as this object holds it.
    public func replace(with map: AddressMap) throws(KernelError) {
        var key: UInt32 = 0
        var value = map.descriptor.raw
        try check(bpf_map_update_elem(outer.raw, &key, &value, 0), "replace the table of addresses")
    }
}

extension Datapath {
    /// Nil where nothing runs.
    public func addresses() throws(KernelError) -> RunningAddresses? {
        guard let outer = try FileDescriptor.pinned(pins.addresses) else { return nil }
        return try RunningAddresses(outer)
    }
}
