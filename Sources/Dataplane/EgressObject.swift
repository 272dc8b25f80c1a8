// SPDX-License-Identifier: Apache-2.0
// The program that learns connections from what this host sends: loaded over the maps of the generation that
// it belongs to; it also samples the replies of inspected flows. In: a loaded generation.
// Out: a program to attach at the egress of its interfaces.
import CBPF
import Foundation
import Glibc
import GuardABI

extension guard_config {
    /// Connections are followed: an egress program belongs to the generation.
    var followsConnections: Bool {
        flags & UInt32(GUARD_CFG_OPENED.rawValue | GUARD_CFG_STATE.rawValue) != 0
    }

    /// Flows are inspected: their replies are sampled, and dropped with them.
    var inspectsFlows: Bool { flags & UInt32(GUARD_CFG_INSPECT.rawValue) != 0 }
}

/// A loaded egress program. It lives as long as this object, a link or a pin holds it.
final class EgressObject {
    static let programName = "xdpguard_egress"
    /// The generation's maps that both programs use.
    private static let shared = [
        "guard_flows", "guard_unanswered", "guard_half_open", "guard_flow_marks", "guard_flow_ports",
        "guard_flow_totals", "guard_trace", "guard_tables", "guard_sample_flows", "guard_samples",
        "guard_sample_counts", "guard_sample_wake", "guard_dropped_flows", "guard_dropped_any",
    ]
    /// Maps of its own.
    private static let own = ["guard_scratch", ".rodata.config"]

    private let object: OpaquePointer
    private(set) var program: Int32 = -1

    /// Loads the program beside a generation, or nil where its policy follows no connections and inspects
    /// nothing.
    static func beside(_ generation: GuardObject) throws(KernelError) -> EgressObject? {
        let config = generation.config
        return config.followsConnections || config.inspectsFlows ? try EgressObject(generation) : nil
    }

    private init(_ generation: GuardObject) throws(KernelError) {
        object = try openEmbedded(egressObjectBase64, "egress program")
        try configure(generation)
        try loadEmbedded(object, "egress program")
        program = bpf_program__fd(bpf_object__find_program_by_name(object, Self.programName))
    }

    deinit { bpf_object__close(object) }

    /// Of the maps that the stages declare only those are made that are used here.
    private func configure(_ generation: GuardObject) throws(KernelError) {
        var next = bpf_object__next_map(object, nil)
        while let map = next {
            let name = String(cString: bpf_map__name(map))
            if Self.shared.contains(name) {
                try check(bpf_map__reuse_fd(map, generation.descriptor(name)), "share \(name)")
            } else if !Self.own.contains(name) {
                try check(bpf_map__set_autocreate(map, false), "leave \(name) out")
            }
            next = bpf_object__next_map(object, map)
        }
        var config = generation.config
        // Sources are not judged here.
        config.flags &= ~UInt32(GUARD_CFG_OWN_ADDRESSES.rawValue)
        guard let constants = bpf_object__find_map_by_name(object, ".rodata.config") else {
            throw KernelError("find the egress program's configuration", code: ENOENT)
        }
        try check(
            bpf_map__set_initial_value(constants, &config, MemoryLayout<guard_config>.size),
            "configure the egress program")
    }
}
