// SPDX-License-Identifier: Apache-2.0
// The running generation again with larger tables of addresses: where a set outgrew them.
import CBPF
import Glibc
import GuardABI

extension Datapath {
    /// Loads the running generation with other tables of addresses and puts it in the place of the running
    /// one, or changes nothing. The caller holds the lock.
    /// - Parameter size: bytes of the value, with room to grow.
    public func regenerate(addresses: [UInt8], size: UInt32) throws {
        guard let program = try runningProgram(), let info = try description(),
            let state = try SharedState.open(pins)
        else { throw KernelError("find the running program", code: ENOENT) }
        var image = GenerationImage(
            config: guard_config(), tables: try mapValue("guard_tables", of: program), addresses: addresses,
            info: info)
        image.config = try configuration(of: program)
        image.config.addresses_size = size
        image.isShared = !pins.entryIndexes().isEmpty
        let generation = try GuardObject(image, reusing: state.maps)
        var change = GenerationChange(generation: generation, pins: pins)
        try uninterrupted {
            do {
                for attachment in try attachments() { try change.bring(attachment.interface, attach: .auto) }
                try change.commit()
            } catch {
                throw HalfChanged.error(error, change.undo())
            }
        }
    }

    /// What a program was loaded with.
    func configuration(of program: FileDescriptor) throws(KernelError) -> guard_config {
        let config = try mapValue(".rodata.config", of: program)
        guard config.count >= MemoryLayout<guard_config>.size else {
            throw KernelError("read the running program's configuration", code: EINVAL)
        }
        return config.withUnsafeBytes { $0.loadUnaligned(as: guard_config.self) }
    }

    /// The one value of a program's map.
    private func mapValue(_ name: String, of program: FileDescriptor) throws(KernelError) -> [UInt8] {
        var ids = [UInt32](repeating: 0, count: 64)
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        info.nr_map_ids = UInt32(ids.count)
        let result = ids.withUnsafeMutableBufferPointer { buffer -> Int32 in
            info.map_ids = UInt64(UInt(bitPattern: buffer.baseAddress))
            return bpf_obj_get_info_by_fd(program.raw, &info, &size)
        }
        try check(result, "ask about the running program")
        for id in ids.prefix(Int(info.nr_map_ids)) {
            let found = bpf_map_get_fd_by_id(id)
            guard found >= 0 else { throw KernelError("open a map of the running program", code: -found) }
            let map = FileDescriptor(owning: found)
            var mapInfo = bpf_map_info()
            var mapSize = UInt32(MemoryLayout<bpf_map_info>.size)
            try check(bpf_obj_get_info_by_fd(found, &mapInfo, &mapSize), "ask about a map")
            let isIt = withUnsafeBytes(of: mapInfo.name) { $0.prefix { $0 != 0 }.elementsEqual(name.utf8) }
            guard isIt, mapInfo.type == BPF_MAP_TYPE_ARRAY.rawValue else { continue }
            var value = [UInt8](repeating: 0, count: (Int(mapInfo.value_size) + 7) & ~7)
            var zero: UInt32 = 0
            try check(bpf_map_lookup_elem(map.raw, &zero, &value), "read the map \(name)")
            return Array(value.prefix(Int(mapInfo.value_size)))
        }
        throw KernelError("find the map \(name) of the running program", code: ENOENT)
    }
}
