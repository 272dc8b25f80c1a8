// SPDX-License-Identifier: Apache-2.0
// Which flows inspectors need, told to the programs that run, and how many packets they left out by it.
import CBPF
import Glibc
import GuardABI

/// What header conditions saved one inspector.
public struct UnneededSamples: Sendable, Hashable {
    /// Packets of flows that no signature's header could match, and the bytes of their IP packets.
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0
}

extension SharedState {
    /// Tells the programs which flows inspectors need packets of. They hold for images with the seed that
    /// they were compiled for, and stay when another policy is applied, until others are told; those of
    /// another seed than what was told before begin their counts anew. Inspectors beyond GUARD_SCOPES get
    /// every flow.
    ///
    /// A scope is not replaced at once: between two of them the programs see one that is wider than both, if
    /// `open` was told first.
    /// - Parameters:
    ///   - scopes: by the inspectors' positions, each a struct guard_sample_scope.
    ///   - seed: for which they were compiled.
    public func setSampleScopes(_ scopes: [[UInt8]], seed: UInt64) throws(KernelError) {
        guard maps[.sampleScopes] != nil else { return }
        let map = try descriptor(.sampleScopes)
        var before = [UInt8](repeating: 0, count: MemoryLayout<guard_sample_scope>.size)
        for (position, scope) in scopes.prefix(Int(GUARD_SCOPES)).enumerated() {
            guard scope.count == before.count else {
                throw KernelError("tell which flows an inspector needs", code: EINVAL)
            }
            var key = UInt32(position)
            try check(bpf_map_lookup_elem(map, &key, &before), "read which flows an inspector needs")
            if seedOfScope(before) != seed { try clearUnneeded(key) }
            var scope = scope
            try check(
                bpf_map_update_elem(map, &key, &scope, UInt64(BPF_ANY)),
                "tell which flows an inspector needs")
        }
    }

    /// What was told last, by the inspectors' positions, each a struct guard_sample_scope; empty where some
    /// of it was told for another seed.
    public func sampleScopes(seed: UInt64, inspectors: Int) throws(KernelError) -> [[UInt8]] {
        guard maps[.sampleScopes] != nil else { return [] }
        let map = try descriptor(.sampleScopes)
        var found: [[UInt8]] = []
        var scope = [UInt8](repeating: 0, count: MemoryLayout<guard_sample_scope>.size)
        for position in 0..<min(inspectors, Int(GUARD_SCOPES)) {
            var key = UInt32(position)
            try check(bpf_map_lookup_elem(map, &key, &scope), "read which flows an inspector needs")
            guard seedOfScope(scope) == seed else { return [] }
            found.append(scope)
        }
        return found
    }

    /// Packets that were left out, by the inspectors' positions; empty where nothing was told for this seed.
    public func unneededSamples(seed: UInt64, inspectors: Int) throws(KernelError) -> [UnneededSamples] {
        guard maps[.sampleScopes] != nil, maps[.scopeCounts] != nil else { return [] }
        let map = try descriptor(.sampleScopes)
        var found: [UnneededSamples] = []
        var scope = [UInt8](repeating: 0, count: MemoryLayout<guard_sample_scope>.size)
        for position in 0..<min(inspectors, Int(GUARD_SCOPES)) {
            var key = UInt32(position)
            try check(bpf_map_lookup_elem(map, &key, &scope), "read which flows an inspector needs")
            guard seedOfScope(scope) == seed else { return [] }
            let values = try perCPUValues(descriptor(.scopeCounts), key: key, of: guard_counter())
            found.append(
                values.reduce(into: UnneededSamples()) {
                    $0.packets &+= $1.packets
                    $0.bytes &+= $1.bytes
                })
        }
        return found
    }

    private func clearUnneeded(_ position: UInt32) throws(KernelError) {
        var key = position
        var zeros = [guard_counter](repeating: guard_counter(), count: try possibleCPUs())
        try check(
            bpf_map_update_elem(try descriptor(.scopeCounts), &key, &zeros, UInt64(BPF_ANY)),
            "clear counters")
    }

    private func seedOfScope(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { bytes in
            let at = bytes.count - MemoryLayout<UInt64>.size
            return at >= 0 ? bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) : 0
        }
    }
}
