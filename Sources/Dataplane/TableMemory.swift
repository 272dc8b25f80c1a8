// SPDX-License-Identifier: Apache-2.0
// What memory a generation's tables need. In: the maps of an object. Out: a sum, and the largest by name.
import CBPF

/// The tables of a generation, with their sizes as far as they follow from the numbers of entries.
public struct TableMemory: Sendable, CustomStringConvertible {
    /// What a hash table has for each entry beside its key and value, with its share of the buckets.
    private static let hashOverhead: UInt64 = 64

    private var sizes: [(name: String, bytes: UInt64)] = []

    /// All tables together.
    public var bytes: UInt64 { sizes.reduce(0) { $0 + $1.bytes } }

    /// One that takes memory for an entry when that comes takes none yet.
    mutating func add(_ map: OpaquePointer) {
        guard bpf_map__map_flags(map) & UInt32(BPF_F_NO_PREALLOC) == 0 else { return }
        let name = bpf_map__name(map).map { String(cString: $0) } ?? ""
        let (key, value) = (UInt64(bpf_map__key_size(map)), UInt64(bpf_map__value_size(map)))
        var entry = (value + 7) & ~7
        switch bpf_map__type(map) {
        case BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH: entry += key + Self.hashOverhead
        case BPF_MAP_TYPE_PERCPU_ARRAY: entry *= UInt64(max(1, libbpf_num_possible_cpus()))
        case BPF_MAP_TYPE_RINGBUF: entry = 1
        default: break
        }
        sizes.append((name, UInt64(bpf_map__max_entries(map)) * entry))
    }

    /// A table that is a map within one of these.
    mutating func add(_ name: String, bytes: UInt64) { sizes.append((name, bytes)) }

    /// As in "at least 81 MiB (guard_flows 32 MiB, guard_buckets 16 MiB, guard_bans 12 MiB)".
    public var description: String {
        let most = sizes.sorted { $0.bytes > $1.bytes }.prefix(3)
        let named = most.map { "\($0.name) \(Self.mebibytes($0.bytes))" }.joined(separator: ", ")
        return "at least \(Self.mebibytes(bytes)) (\(named))"
    }

    private static func mebibytes(_ bytes: UInt64) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}
