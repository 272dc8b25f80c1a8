// SPDX-License-Identifier: Apache-2.0
// The maps that all generations share: opened from pins, or made by the first generation and pinned.
import CBPF
import Glibc
import GuardABI

/// The pinned maps of an instance.
public final class SharedState {
    let maps: [SharedMap: FileDescriptor]
    /// Further pages of rule counters that were opened so far, by number.
    var counterPages: [UInt32: FileDescriptor] = [:]

    init(maps: [SharedMap: FileDescriptor]) { self.maps = maps }

    /// Opens what is pinned; nil where nothing is.
    public static func open(_ pins: PinDirectory) throws(KernelError) -> SharedState? {
        var maps: [SharedMap: FileDescriptor] = [:]
        for map in SharedMap.allCases {
            if let descriptor = try FileDescriptor.pinned(pins.map(map)) { maps[map] = descriptor }
        }
        if maps.isEmpty { return nil }
        guard SharedMap.allCases.allSatisfy({ $0.isOptional || maps[$0] != nil }) else {
            throw KernelError(
                "use the pins in \(pins.path)", code: 0,
                help: "some maps are missing: run 'xdpguard detach' and apply again")
        }
        return SharedState(maps: maps)
    }

    /// What all generations have alike: the secret of their hashes, as they share tables, and their clock.
    func host() throws(KernelError) -> guard_host {
        var zero: UInt32 = 0
        var host = guard_host()
        try check(bpf_map_lookup_elem(descriptor(.host), &zero, &host), "read the hashes' seed")
        return host
    }

    func setHost(_ host: guard_host) throws(KernelError) {
        var zero: UInt32 = 0
        var host = host
        try check(bpf_map_update_elem(descriptor(.host), &zero, &host, 0), "store the hashes' seed")
    }

    func descriptor(_ map: SharedMap) throws(KernelError) -> Int32 {
        guard let descriptor = maps[map] else {
            throw KernelError("find the map \(map.rawValue)", code: ENOENT)
        }
        return descriptor.raw
    }
}

/// The number of CPUs that per-CPU maps have values for.
func possibleCPUs() throws(KernelError) -> Int {
    Int(try check(libbpf_num_possible_cpus(), "count the CPUs"))
}

/// Reads one key's values of a per-CPU array: one element a CPU. `T`'s stride must be a multiple of 8, as
/// the kernel's is.
func perCPUValues<T: BitwiseCopyable>(_ map: Int32, key: UInt32, of zero: T) throws(KernelError) -> [T] {
    var key = key
    var values = [T](repeating: zero, count: try possibleCPUs())
    try check(bpf_map_lookup_elem(map, &key, &values), "read counters")
    return values
}

/// The keys of a hash map, each at least once: after a key that goes meanwhile the kernel begins anew.
/// - Parameter room: the map's size; the walk ends after twice as many keys.
func mapKeys<Key: BitwiseCopyable>(_ map: Int32, room: Int, from zero: Key) throws(KernelError) -> [Key] {
    var found: [Key] = []
    var key = zero
    var result = bpf_map_get_next_key(map, nil, &key)
    while result == 0, found.count < 2 * room {
        found.append(key)
        var next = zero
        result = bpf_map_get_next_key(map, &key, &next)
        key = next
    }
    // Only "no more keys" is the end; anything else would make a short list look whole.
    if result != 0, result != -ENOENT { try check(result, "walk through a table") }
    return found
}
