// SPDX-License-Identifier: Apache-2.0
// This network namespace's instance: apply a generation, adopt what runs, say what is attached, detach.
import CBPF
import Glibc
import GuardABI

/// How to attach where nothing of ours is attached yet.
public enum AttachRequest: String, Sendable { case auto, native, generic, shared }

/// One interface with our program on it.
public struct Attachment: Sendable {
    public var interface: NetworkInterface
    public var programID: UInt32
    public var mode: AttachMode
    /// How the egress program is attached; nil where the policy needs none.
    public var egress: EgressMode?
}

/// What an apply did, for the user.
public struct AppliedGeneration: Sendable {
    public var attachments: [Attachment]
    /// Interfaces that had our program and are not in the policy any more.
    public var detached: [String]
    /// Remarks, as that bpffs was mounted or native mode was refused.
    public var remarks: [String]
    /// Size of the generation's tables.
    public var tableBytes: Int
    /// Lines of token buckets, places of connections, as the shared tables have them; 0: not used.
    public var bucketLines: UInt32
    public var flowCount: UInt32
}

/// What a policy has counters for, by name.
public struct CountedNames: Sendable {
    public var rules: [String]
    public var sets: [String]
    public var limits: [String]
    public init(rules: [String], sets: [String], limits: [String]) {
        self.rules = rules
        self.sets = sets
        self.limits = limits
    }
}

/// Counters by name.
public struct CounterSlots: Sendable {
    public var rules: [String: UInt32]
    public var sets: [String: UInt32]
    public var limits: [String: UInt32]
    public init(rules: [String: UInt32], sets: [String: UInt32], limits: [String: UInt32]) {
        self.rules = rules
        self.sets = sets
        self.limits = limits
    }

    /// Where there are no counters yet.
    public init(first names: CountedNames) {
        rules = Dictionary(zip(names.rules, UInt32(0)...), uniquingKeysWith: { first, _ in first })
        sets = Dictionary(zip(names.sets, UInt32(0)...), uniquingKeysWith: { first, _ in first })
        limits = Dictionary(zip(names.limits, UInt32(0)...), uniquingKeysWith: { first, _ in first })
    }
}

/// Another process is changing an instance: try again.
public struct DatapathBusy: Error, Sendable, CustomStringConvertible {
    public init() {}
    public let description = "another xdpguard is changing this host's policy; try again"
}

/// The instance of a network namespace. All changes take the lock.
public struct Datapath {
    public let pins: PinDirectory
    /// How many bans an apply makes room for; nil: as many as there are, or GUARD_BANS_MAX.
    public var maxBans: UInt32?
    /// Called with the state that a first apply made, before the program meets a packet.
    public var beforeFirstPacket: (SharedState) -> Void = { _ in }
    /// Called with the state before every change that an apply makes to interfaces.
    public var beforeChange: (SharedState) throws -> Void = { _ in }

    public init() throws(KernelError) { pins = try PinDirectory() }

    /// Everything of ours that is attached. Links whose interface is gone are left out.
    public func attachments() throws(KernelError) -> [Attachment] {
        var found: [Attachment] = []
        for interface in try NetworkInterface.all() {
            if let link = try XDPLink.pinned(interface, in: pins),
                let running = try interface.attachedProgram()
            {
                let program = try link.information().program
                found.append(Attachment(interface: interface, programID: program, mode: running.mode))
            } else if try SharedEntry.pinned(interface, in: pins) != nil {
                let program = try runningProgramID() ?? 0
                found.append(Attachment(interface: interface, programID: program, mode: .shared))
            }
        }
        for index in found.indices {
            found[index].egress = try EgressLink.pinned(found[index].interface, in: pins)?.mode
        }
        return found
    }

    /// Loads a generation and lets it go again: the verifier's word without a change.
    /// - Returns: what memory its tables take where none is there yet.
    @discardableResult
    public static func verify(_ image: GenerationImage) throws(KernelError) -> TableMemory {
        let generation = try GuardObject(image, reusing: [:])
        _ = try EgressObject.beside(generation)
        return generation.memory
    }

    /// Loads a generation and makes it the one on all `interfaces`, or changes nothing.
    /// - Parameters:
    ///   - names: what the new policy counts.
    ///   - runningNames: those of a description, for the policy that runs.
    ///   - build: makes the image once counter slots are known.
    public func apply(
        to interfaces: [NetworkInterface], attach: AttachRequest, names: CountedNames,
        runningNames: ([UInt8]) -> [String], build: (CounterSlots) throws -> GenerationImage
    ) throws -> AppliedGeneration {
        let mounted = try PinDirectory.mountIfNeeded()
        let lock = try PinDirectory.lock()
        defer { _ = lock }
        try preflight(interfaces, attach: attach)
        PinDirectory.sweep(except: pins.path)
        try removeRemains()
        let isFirst = !pins.exists
        try pins.create()
        do {
            let running = try description().map(runningNames) ?? []
            let isShared = attach == .shared || !pins.entryIndexes().isEmpty
            let generation = try load(names, running: Set(running)) { slots in
                var image = try build(slots)
                image.isShared = isShared
                image.maxBans = maxBans
                return image
            }
            var applied = try uninterrupted {
                try put(generation, on: interfaces, attach: attach, isFirst: isFirst)
            }
            if mounted { applied.remarks.insert("mounted bpffs at \(PinDirectory.bpffs)", at: 0) }
            return applied
        } catch {
            if isFirst { removePins() }
            throw error
        }
    }

    /// Puts a loaded generation in its place, with what it takes over from the one before.
    private func put(
        _ generation: GuardObject, on interfaces: [NetworkInterface], attach: AttachRequest, isFirst: Bool
    ) throws -> AppliedGeneration {
        let bans = try BanMove(from: pins, to: generation)
        if isFirst, let state = try SharedState.open(pins) { beforeFirstPacket(state) }
        let news = try pinOptionalMaps(of: generation)
        var applied: AppliedGeneration
        do {
            if let state = try SharedState.open(pins) { try beforeChange(state) }
            applied = try bring(
                generation, to: interfaces, attach: attach, hasOldFlows: !news.contains(.flows))
        } catch {
            for map in news { unlink(pins.map(map)) }
            bans?.undo()
            throw error
        }
        applied.remarks += remark("bans that were made during this apply may be missing") {
            () throws(KernelError) in try bans?.finish()
        }
        for map in SharedMap.allCases where !map.isNeeded(by: generation.config) {
            unlink(pins.map(map))
        }
        return applied
    }

    /// What failed after the policy was in its place, which it is no reason to take away again.
    private func remark(_ consequence: String, _ step: () throws(KernelError) -> Void) -> [String] {
        do throws(KernelError) {
            try step()
            return []
        } catch {
            return ["\(consequence): \(error)"]
        }
    }

    /// What the running generation was stored with; nil where nothing runs.
    public func description() throws(KernelError) -> [UInt8]? {
        guard let map = try FileDescriptor.pinned(pins.description) else { return nil }
        return try readDescription(map)
    }

    /// The program that runs here; nil where nothing does.
    public func runningProgram() throws(KernelError) -> FileDescriptor? {
        try FileDescriptor.pinned(pins.program)
    }

    /// The id of the program that runs here; nil where none does.
    public func runningProgramID() throws(KernelError) -> UInt32? {
        guard let program = try runningProgram() else { return nil }
        return try programID(program)
    }

    private func bring(
        _ generation: GuardObject, to interfaces: [NetworkInterface], attach: AttachRequest, hasOldFlows: Bool
    ) throws -> AppliedGeneration {
        var change = GenerationChange(generation: generation, pins: pins)
        var egress = try EgressChange(generation, pins)
        let seeding: FlowSeeding?
        do {
            try egress.bring(to: interfaces)
            // What begins from here on is learnt. New XDP links filter at once.
            // Where nothing filtered until now, an apply before may have ended between the two.
            let isNew = try !hasOldFlows || egress.isNewSomewhere || attachments().isEmpty
            let isSeeded = generation.config.followsConnections && isNew
            seeding = isSeeded ? try FlowSeeding(generation) : nil
            _ = seeding?.seedSockets(now: programClock())
            for interface in interfaces { try change.bring(interface, attach: attach) }
            try change.commit()
        } catch {
            throw HalfChanged.error(error, change.undo() + egress.undo())
        }
        var remarks = change.remarks + egress.remarks
        // Handshakes that ended in between, of which the egress program saw no beginning.
        remarks += seeding?.seedSockets(now: programClock()) ?? []
        remarks += remark("the egress program of an earlier policy stays until the next apply") {
            () throws(KernelError) in try egress.finish(on: interfaces)
        }
        let kept = Set(interfaces.map(\.index))
        let dropped = try attachments().filter { !kept.contains($0.interface.index) }
        for attachment in dropped { try remove(attachment) }
        remarks += remark("pins of interfaces that are gone stay until the next apply") {
            () throws(KernelError) in try removeDeadLinks()
        }
        return AppliedGeneration(
            attachments: try attachments(), detached: dropped.map(\.interface.name), remarks: remarks,
            tableBytes: generation.tableBytes, bucketLines: generation.config.bucket_lines,
            flowCount: generation.config.followsConnections ? generation.config.flow_count : 0)
    }

    /// Loads a generation over the pinned shared maps; the first one makes and pins them.
    private func load(
        _ names: CountedNames, running: Set<String>, build: (CounterSlots) throws -> GenerationImage
    ) throws -> GuardObject {
        if let state = try SharedState.open(pins) {
            let slots = CounterSlots(
                rules: try state.assignSlots(to: names.rules, running: running),
                sets: try state.assignSetSlots(to: names.sets),
                limits: try state.assignLimitSlots(to: names.limits))
            var image = try build(slots)
            var host = try state.host()
            if try host.clockIsWrong() {
                try host.setClock()
                try state.setHost(host)
            }
            image.config.adopt(host)
            return try GuardObject(image, reusing: try keptMaps(of: state))
        }
        var image = try build(CounterSlots(first: names))
        var host = guard_host()
        host.seed = UInt64.random(in: 0...UInt64.max)
        try host.setClock()
        image.config.adopt(host)
        let generation = try GuardObject(image, reusing: [:])
        var maps: [SharedMap: FileDescriptor] = [:]
        for map in SharedMap.allCases where !map.isOptional {
            let descriptor = try generation.descriptor(map.rawValue)
            try check(bpf_obj_pin(descriptor, pins.map(map)), "pin the map \(map.rawValue)")
            maps[map] = FileDescriptor(owning: dup(descriptor))
        }
        let state = SharedState(maps: maps)
        try state.setHost(host)
        _ = try state.assignSlots(to: names.rules, running: [])
        _ = try state.assignSetSlots(to: names.sets)
        _ = try state.assignLimitSlots(to: names.limits)
        return generation
    }

    /// Pins the maps that this generation needs and those before did not.
    private func pinOptionalMaps(of generation: GuardObject) throws(KernelError) -> [SharedMap] {
        var pinned: [SharedMap] = []
        for map in SharedMap.allCases where map.isOptional && map.isNeeded(by: generation.config) {
            guard access(pins.map(map), F_OK) != 0 else { continue }
            let result = bpf_obj_pin(try generation.descriptor(map.rawValue), pins.map(map))
            if result < 0 { for map in pinned { unlink(pins.map(map)) } }
            try check(result, "pin the map \(map.rawValue)")
            pinned.append(map)
        }
        return pinned
    }

    /// Detaches from the named interfaces, or from all; with the last one all pins go.
    /// - Returns: the names of the interfaces that were detached.
    public func detach(_ names: Set<String>?) throws -> [String] {
        guard pins.exists else { return [] }
        let lock = try PinDirectory.lock()
        defer { _ = lock }
        let chosen = try attachments().filter { names?.contains($0.interface.name) ?? true }
        for attachment in chosen {
            try remove(attachment)
            if attachment.mode != .shared { try waitUntilDetached(attachment) }
        }
        try removeDeadLinks()
        if pins.linkIndexes().isEmpty, pins.entryIndexes().isEmpty { removePins() }
        return chosen.map(\.interface.name)
    }

    private func remove(_ attachment: Attachment) throws(KernelError) {
        let index = attachment.interface.index
        if attachment.mode == .shared { try SharedEntry.pinned(attachment.interface, in: pins)?.detach() }
        let path = attachment.mode == .shared ? pins.entry(index) : pins.link(index)
        if unlink(path) != 0 { throw KernelError("remove \(path)") }
        try EgressChange.removeLinks(pins) { $0 == index }
    }

    /// The kernel drops an unpinned link's last reference a moment later: asks until the program is gone.
    private func waitUntilDetached(_ attachment: Attachment) throws(KernelError) {
        for _ in 0..<2000 {
            guard try attachment.interface.attachedProgram()?.id == attachment.programID else { return }
            usleep(1000)
        }
        throw KernelError(
            "detach from \(attachment.interface.name)", code: 0,
            help: "something else still holds the program's link")
    }

    /// Pins of a first apply that died before anything was attached.
    private func removeRemains() throws(KernelError) {
        guard pins.exists, try attachments().isEmpty, !pins.hasAllMaps else { return }
        removePins()
    }

    private func removeDeadLinks() throws(KernelError) {
        let alive = Set(try attachments().map(\.interface.index))
        for index in pins.linkIndexes() where !alive.contains(index) { unlink(pins.link(index)) }
        for index in pins.entryIndexes() where !alive.contains(index) {
            unlink(pins.entry(index))
            SharedEntry.clean(after: index)
        }
        try EgressChange.removeLinks(pins) { !alive.contains($0) }
        if pins.entryIndexes().isEmpty { unlink(pins.current) }
    }

    private func removePins() {
        for entry in pins.entries() { unlink(pins.path + "/" + entry) }
        pins.removeIfEmpty()
    }
}
