// SPDX-License-Identifier: Apache-2.0
// An inner map of guard_addresses: made, written through mmap, put in the place of the one before.
import CBPF
import Glibc
import GuardABI

/// A map of one value: a guard_addresses_header and what it tells of.
final class AddressMap {
    let descriptor: FileDescriptor
    private let memory: MapMemory

    /// - Parameter valueSize: bytes; the kernel takes no other size in the place of this one.
    init(valueSize: UInt32) throws(KernelError) {
        var options = bpf_map_create_opts()
        options.sz = optionsSize(upTo: \bpf_map_create_opts.map_flags)
        options.map_flags = UInt32(BPF_F_MMAPABLE)
        let made = bpf_map_create(BPF_MAP_TYPE_ARRAY, "guard_addresses", 4, valueSize, 1, &options)
        descriptor = FileDescriptor(owning: try check(made, "make a table of addresses of \(valueSize) bytes"))
        memory = try MapMemory(map: descriptor.raw, length: Int(valueSize))
    }

    /// The value's bytes.
    var value: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.base, count: memory.length)
    }

    /// Writes the front of the value.
    func fill(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { value.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(value.count))) }
    }
}
