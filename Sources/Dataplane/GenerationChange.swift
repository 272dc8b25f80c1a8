// SPDX-License-Identifier: Apache-2.0
// Bringing one program to several interfaces: all of them, or none.
import CBPF
import Glibc

/// New links are attached but only pinned at the end; links in use are replaced last, and put back when one
/// refuses. Dispatchers are in between: entries are put in, and all of them change by one update.
struct GenerationChange {
    private let generation: GuardObject
    private let pins: PinDirectory
    private(set) var remarks: [String] = []
    private var created: [XDPLink] = []
    private var adopted: [XDPLink] = []
    private var replaced: [(link: XDPLink, old: FileDescriptor)] = []
    private var pinned: [XDPLink] = []
    /// Interfaces of dispatchers: those that get our entry, and whether some have it already.
    private var toShare: [NetworkInterface] = []
    private var hasEntries = false
    private var entries: [SharedEntry] = []
    private var generationSwitch: GenerationSwitch?
    private var switchedFrom: FileDescriptor?

    init(generation: GuardObject, pins: PinDirectory) {
        self.generation = generation
        self.pins = pins
    }

    private var program: Int32 { generation.program }

    /// Attaches where nothing of ours is; adopts the link where there is one.
    mutating func bring(_ interface: NetworkInterface, attach: AttachRequest) throws(KernelError) {
        if let link = try XDPLink.pinned(interface, in: pins) { return adopted.append(link) }
        if try SharedEntry.pinned(interface, in: pins) != nil {
            hasEntries = true
            return
        }
        unlink(pins.link(interface.index))
        switch attach {
        case .shared: toShare.append(interface)
        case .native: created.append(try .attach(program, to: interface, mode: .native))
        case .generic: created.append(try .attach(program, to: interface, mode: .generic))
        case .auto:
            do {
                created.append(try .attach(program, to: interface, mode: .native))
            } catch {
                created.append(try .attach(program, to: interface, mode: .generic))
                let why = String(cString: strerror(error.code))
                remarks.append("\(interface.name) runs in generic mode, as native mode was refused: \(why)")
            }
        }
    }

    mutating func commit() throws(KernelError) {
        for link in created {
            try link.pin(in: pins)
            pinned.append(link)
        }
        try pinNext(program, as: pins.program)
        try pinNext(generation.descriptor("guard_info"), as: pins.description)
        try pinNext(generation.descriptor("guard_addresses"), as: pins.addresses)
        let running = try FileDescriptor.pinned(pins.program)
        try share(instead: running)
        for link in adopted {
            let old = try link.program(expected: running)
            try link.replace(old, with: program)
            replaced.append((link, old))
        }
        rename(Self.next(pins.program), pins.program)
        rename(Self.next(pins.description), pins.description)
        rename(Self.next(pins.addresses), pins.addresses)
    }

    /// New entries call what their neighbours call; then all change at once.
    private mutating func share(instead running: FileDescriptor?) throws(KernelError) {
        guard hasEntries || !toShare.isEmpty else { return }
        let shared = try GenerationSwitch.open(pins)
        generationSwitch = shared
        if !hasEntries { try shared.set(program) }
        for interface in toShare {
            entries.append(try .attach(to: interface, switching: shared.array, pins: pins))
        }
        guard hasEntries else { return }
        try shared.set(program)
        switchedFrom = running
    }

    /// Pins beside the running generation's; renamed over it once all links have the new program.
    private func pinNext(_ descriptor: Int32, as path: String) throws(KernelError) {
        unlink(Self.next(path))
        try check(bpf_obj_pin(descriptor, Self.next(path)), "pin \(path)")
    }

    private static func next(_ path: String) -> String { path + "-next" }

    /// Puts everything back. The descriptors of the replaced programs have kept them alive.
    /// - Returns: what could not be.
    mutating func undo() -> [KernelError] {
        var failures: [KernelError] = []
        func attempt(_ step: () throws(KernelError) -> Void) {
            do throws(KernelError) { try step() } catch { failures.append(error) }
        }
        for (link, old) in replaced.reversed() {
            attempt { () throws(KernelError) in
                try check(
                    bpf_link_update(link.descriptor.raw, old.raw, nil),
                    "put the old program back on \(link.interface.name)")
            }
        }
        if let switchedFrom {
            attempt { () throws(KernelError) in try generationSwitch?.set(switchedFrom.raw) }
        }
        for entry in entries { attempt { () throws(KernelError) in try entry.undo(pins) } }
        if generationSwitch?.isNew == true { unlink(pins.current) }
        for path in [pins.program, pins.description, pins.addresses] { unlink(Self.next(path)) }
        for link in pinned { unlink(pins.link(link.interface.index)) }
        // They filter until nobody holds them.
        (created, pinned) = ([], [])
        return failures
    }
}
