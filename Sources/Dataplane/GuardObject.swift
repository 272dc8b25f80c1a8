// SPDX-License-Identifier: Apache-2.0
// One loaded XDP program with its maps: a generation. Image in, file descriptors out.
import CBPF
import Foundation
import Glibc
import GuardABI

/// The maps that all generations share, by their names in the object and as pins.
enum SharedMap: String, CaseIterable {
    case reasons = "guard_reasons"
    case rules = "guard_rules"
    case rulePages = "guard_rule_pages"
    case slots = "guard_slots"
    case sets = "guard_sets"
    case setSlots = "guard_set_slots"
    case bans = "guard_bans"
    case banLengths = "guard_ban_lengths"
    case banUpkeep = "guard_ban_upkeep"
    case fragments = "guard_fragments"
    case fragmentCharges = "guard_fragment_charges"
    case host = "guard_host"
    case answers = "guard_answers"
    case answerState = "guard_answer_state"
    case settings = "guard_settings"
    case limits = "guard_limits"
    case limitSlots = "guard_limit_slots"
    case buckets = "guard_buckets"
    case limited = "guard_limited"
    case flows = "guard_flows"
    case unanswered = "guard_unanswered"
    case halfOpen = "guard_half_open"
    case flowMarks = "guard_flow_marks"
    case flowPorts = "guard_flow_ports"
    case flowTotals = "guard_flow_totals"
    case sampleFlows = "guard_sample_flows"
    case samples = "guard_samples"
    case sampleCounts = "guard_sample_counts"
    case sampleScopes = "guard_sample_scopes"
    case scopeCounts = "guard_scope_counts"
    case sampleWake = "guard_sample_wake"
    case droppedFlows = "guard_dropped_flows"
    case droppedAny = "guard_dropped_any"
    case talkers = "guard_talkers"
    case events = "guard_events"
    case lost = "guard_lost"

    /// How many entries a generation needs of a map that only some policies need; 0: none, it has one that
    /// nothing touches. Nil: every generation needs the map, as large as the program says.
    func entries(for config: guard_config) -> UInt32? {
        func has(_ flag: guard_config_flags) -> Bool { config.flags & UInt32(flag.rawValue) != 0 }
        switch self {
        case .buckets: return has(GUARD_CFG_LIMITS) ? config.bucket_lines : 0
        case .limited: return has(GUARD_CFG_LIMITS) ? UInt32(GUARD_LIMITED_GROUPS) : 0
        case .fragmentCharges:
            let isNeeded = has(GUARD_CFG_LIMITS) && has(GUARD_CFG_FRAGMENTS_TRACK)
            return isNeeded ? 1 << UInt32(GUARD_FRAGMENT_GROUPS_BITS) : 0
        case .flows: return config.followsConnections ? guard_flow_groups(config.flow_count) : 0
        case .unanswered: return config.followsConnections ? UInt32(GUARD_UNANSWERED) : 0
        case .halfOpen: return config.followsConnections ? UInt32(GUARD_HALF_OPEN) : 0
        case .flowMarks: return config.followsConnections ? UInt32(GUARD_MARK_LINES) : 0
        case .flowPorts: return config.followsConnections ? UInt32(GUARD_PORT_WORDS.rawValue) : 0
        case .flowTotals: return config.followsConnections ? 1 : 0
        case .sampleFlows: return has(GUARD_CFG_INSPECT) ? config.sample_lines : 0
        case .samples: return has(GUARD_CFG_INSPECT) ? config.sample_bytes : 0
        case .sampleCounts: return has(GUARD_CFG_INSPECT) ? UInt32(GUARD_SAMPLE_COUNTS.rawValue) : 0
        case .sampleScopes, .scopeCounts: return has(GUARD_CFG_INSPECT) ? UInt32(GUARD_SCOPES) : 0
        case .droppedFlows: return has(GUARD_CFG_INSPECT) ? UInt32(GUARD_DROPPED_FLOWS) : 0
        case .sampleWake: return has(GUARD_CFG_INSPECT) ? UInt32(GUARD_READER_WORDS.rawValue) : 0
        case .droppedAny: return has(GUARD_CFG_INSPECT) ? 1 : 0
        default: return nil
        }
    }

    /// Some policies do without it.
    var isOptional: Bool { entries(for: guard_config()) != nil }

    func isNeeded(by config: guard_config) -> Bool { entries(for: config) != 0 }
}

/// The XDP program's name in the object and in the kernel.
let guardProgramName = "xdpguard"

/// What a generation is loaded from: the compiled policy and its description for `status`.
public struct GenerationImage: Sendable {
    public var config: guard_config
    public var tables: [UInt8]
    /// The front of guard_addresses' value, of `config.addresses_size` bytes.
    public var addresses: [UInt8]
    /// Stays with the program, for whoever asks what runs.
    public var info: [UInt8]
    /// Called by an entry in a dispatcher: libxdp loads entries without the flag for frames in several
    /// buffers, and the kernel lets only programs of the same kind call each other. The dispatcher has it.
    var isShared = false
    /// How many bans a new table of them has room for.
    public var maxBans: UInt32?
    public init(config: guard_config, tables: [UInt8], addresses: [UInt8], info: [UInt8]) {
        self.config = config
        self.tables = tables
        self.addresses = addresses
        self.info = info
    }
}

/// A loaded program. It lives as long as this object, a link or a pin holds it.
final class GuardObject {
    private let object: OpaquePointer
    private(set) var program: Int32 = -1
    let tableBytes: Int
    /// With the sizes of the shared maps as they are.
    let config: guard_config
    /// What guard_addresses holds at first.
    private var addresses: AddressMap?

    /// Loads the program for an image.
    /// - Parameters:
    ///   - shared: shared maps that exist already; the others are made anew.
    ///   - elf: the compiled program.
    init(
        _ image: GenerationImage, reusing shared: [SharedMap: FileDescriptor], elf: Data
    ) throws(KernelError) {
        libbpf_set_print(captureLog)
        LogBuffer.shared.reset()
        tableBytes = image.tables.count + image.addresses.count
        var image = image
        try image.config.adopt(shared)
        try image.config.checkSizes()
        config = image.config
        // From here on a throw runs deinit, which closes the object.
        object = try Self.open(elf)
        try configure(image)
        for map in SharedMap.allCases where map.isNeeded(by: image.config) {
            try share(map, shared[map], image.config)
        }
        if let bans = image.maxBans, shared[.bans] == nil {
            try check(bpf_map__set_max_entries(try map(SharedMap.bans.rawValue), bans), "size guard_bans")
        }
        try load()
        try fill(image)
    }

    /// Loads the embedded program for an image.
    convenience init(
        _ image: GenerationImage, reusing shared: [SharedMap: FileDescriptor]
    ) throws(KernelError) {
        try self.init(image, reusing: shared, elf: try decodeEmbedded(guardObjectBase64, "XDP program"))
    }

    deinit { bpf_object__close(object) }

    func descriptor(_ name: String) throws(KernelError) -> Int32 { bpf_map__fd(try map(name)) }

    private static func open(_ elf: Data) throws(KernelError) -> OpaquePointer {
        var options = bpf_object_open_opts()
        options.sz = optionsSize(upTo: \bpf_object_open_opts.object_name)
        let opened = elf.withUnsafeBytes { buffer in
            "xdpguard".withCString { name -> OpaquePointer? in
                options.object_name = name
                return bpf_object__open_mem(buffer.baseAddress, buffer.count, &options)
            }
        }
        guard let opened else {
            throw KernelError("open the XDP program", log: LogBuffer.shared.text)
        }
        return opened
    }

    private func map(_ name: String) throws(KernelError) -> OpaquePointer {
        guard let map = bpf_object__find_map_by_name(object, name) else {
            throw KernelError("find the map \(name) in the XDP program", code: ENOENT)
        }
        return map
    }

    private func configure(_ image: GenerationImage) throws(KernelError) {
        let program = bpf_object__find_program_by_name(object, guardProgramName)
        let flags = image.isShared ? 0 : UInt32(BPF_F_XDP_HAS_FRAGS)
        try check(bpf_program__set_flags(program, flags), "configure the XDP program")
        // As an entry's, which is cleared before the kernel compares; always, so that links can be updated.
        try check(
            bpf_program__set_expected_attach_type(program, BPF_CGROUP_INET_INGRESS),
            "configure the XDP program")
        var config = image.config
        let result = bpf_map__set_initial_value(
            try map(".rodata.config"), &config, MemoryLayout<guard_config>.size)
        try check(result, "configure the XDP program")
        try check(
            bpf_map__set_value_size(try map("guard_tables"), UInt32(image.tables.count)), "size the tables")
        let addresses = try AddressMap(valueSize: image.config.addresses_size)
        image.addresses.withUnsafeBytes { addresses.fill($0) }
        self.addresses = addresses
        try check(
            bpf_map__set_inner_map_fd(try map("guard_addresses"), addresses.descriptor.raw),
            "size the tables of addresses")
        let infoSize = UInt32(max(8, (image.info.count + 7) & ~7))
        try check(bpf_map__set_value_size(try map("guard_info"), infoSize), "size the description")
    }

    /// A shared map that exists, or one of the size that the configuration asks for.
    private func share(
        _ shared: SharedMap, _ existing: FileDescriptor?, _ config: guard_config
    ) throws(KernelError) {
        let map = try self.map(shared.rawValue)
        if let existing {
            try check(bpf_map__reuse_fd(map, existing.raw), "share \(shared.rawValue)")
        } else if let entries = shared.entries(for: config) {
            try check(bpf_map__set_max_entries(map, entries), "size \(shared.rawValue)")
        }
    }

    private func load() throws(KernelError) {
        let program = bpf_object__find_program_by_name(object, guardProgramName)
        let result = bpf_object__load(object)
        if result < 0 {
            throw KernelError(
                "load the XDP program", code: -result,
                help: result == -ENOMEM ? "its tables need \(memory): nothing was changed" : "",
                log: LogBuffer.shared.text)
        }
        guard program != nil else { throw KernelError("find the XDP program", code: ENOENT) }
        self.program = bpf_program__fd(program)
    }

    /// What memory the tables need.
    var memory: TableMemory {
        var memory = TableMemory()
        var next = bpf_object__next_map(object, nil)
        while let map = next {
            memory.add(map)
            next = bpf_object__next_map(object, map)
        }
        // The table within guard_addresses.
        memory.add("addresses of sets", bytes: UInt64(config.addresses_size))
        return memory
    }

    private func fill(_ image: GenerationImage) throws(KernelError) {
        let memory = try MapMemory(map: descriptor("guard_tables"), length: image.tables.count)
        image.tables.withUnsafeBytes { memory.base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        var zero: UInt32 = 0
        if var addresses = addresses?.descriptor.raw {
            try check(
                bpf_map_update_elem(descriptor("guard_addresses"), &zero, &addresses, 0),
                "fill the tables of addresses")
        }
        addresses = nil
        var info = image.info
        while info.count % 8 != 0 || info.isEmpty { info.append(0) }
        try check(bpf_map_update_elem(descriptor("guard_info"), &zero, &info, 0), "store the description")
    }
}

extension guard_config {
    /// Takes the sizes of shared maps that exist: they keep theirs until the last program goes.
    fileprivate mutating func adopt(_ shared: [SharedMap: FileDescriptor]) throws(KernelError) {
        if let buckets = shared[.buckets] { bucket_lines = try entries(ofMap: buckets.raw) }
        if let flows = shared[.flows] {
            flow_count = try entries(ofMap: flows.raw) * UInt32(GUARD_FLOW_GROUP)
        }
        if let flows = shared[.sampleFlows] { sample_lines = try entries(ofMap: flows.raw) }
    }

    /// Places are told apart by bits of a hash: with another number most of them would never be used.
    fileprivate func checkSizes() throws(KernelError) {
        guard followsConnections, flow_count.nonzeroBitCount != 1 else { return }
        throw KernelError(
            "use a table for \(flow_count) connections", code: EINVAL,
            help: "it must be a power of two; 'xdpguard detach' removes one that an earlier version made")
    }
}

/// A map's size as it was made.
func entries(ofMap map: Int32) throws(KernelError) -> UInt32 {
    var info = bpf_map_info()
    var size = UInt32(MemoryLayout<bpf_map_info>.size)
    try check(bpf_obj_get_info_by_fd(map, &info, &size), "ask about a map")
    return info.max_entries
}

/// libbpf's messages of the last load: where the verifier says why.
final class LogBuffer: @unchecked Sendable {
    static let shared = LogBuffer()
    private let lock = NSLock()
    private var lines: [String] = []

    var text: String { lock.withLock { lines.joined() } }
    func reset() { lock.withLock { lines = [] } }
    func append(_ line: String) {
        lock.withLock {
            lines.append(line)
            if lines.count > 4000 { lines.removeFirst(1000) }
        }
    }
}

let captureLog: libbpf_print_fn_t = { level, format, arguments in
    guard level != LIBBPF_DEBUG, let format, let arguments else { return 0 }
    var buffer = [CChar](repeating: 0, count: 1 << 20)
    let count = vsnprintf(&buffer, buffer.count, format, arguments)
    LogBuffer.shared.append(
        String(
            decoding: buffer.prefix(Int(max(0, min(count, 1 << 20 - 1)))).map(UInt8.init(bitPattern:)),
            as: UTF8.self))
    return count
}
