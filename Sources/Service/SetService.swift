// SPDX-License-Identifier: Apache-2.0
// `set` and `refresh`: what an operator asks, as changes of the running tables of addresses.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage

/// A named set as it is shown.
public struct SetEntry: Sendable {
    public var set: ImageSet
    /// Nil for a set that nothing in the running policy uses: there is nothing to look up.
    public var members: AddressSet?
    public var hits: SetHits
}

/// What a change came to.
public struct SetOutcome: Sendable {
    public var name: String
    /// Prefixes, addresses or ranges that were given, or stand in the file.
    public var count: Int
    public var isChanged: Bool
    public var isFile: Bool
}

/// The instance whose sets are asked about.
public struct SetService {
    let datapath: Datapath
    private let state: SharedState
    private let command: String

    public init(for command: String) throws {
        (datapath, state) = try openInstance(for: command)
        self.command = command
    }

    func running() throws -> RunningAddresses {
        guard let running = try datapath.addresses() else {
            throw nothingRuns(command)
        }
        return running
    }

    func editor(_ map: AddressMap) throws -> AddressEditor {
        guard let base = map.value.baseAddress else { throw ServiceError(.internalError, "an empty table") }
        let used = Int(map.value.loadUnaligned(as: guard_addresses_header.self).used)
        do throws(SetChangeError) {
            return try AddressEditor(AddressMemory(base, used: used, capacity: map.size))
        } catch {
            throw ServiceError(.unavailable, "the running policy has no named sets that a rule uses")
        }
    }

    /// All sets of the running policy.
    public func list() throws -> [SetEntry] {
        let running = try running()
        let editor = try editor(running.current)
        return try editor.sets.map { set in
            SetEntry(
                set: set,
                members: set.isUsed ? try asking(set.name, editor) { try editor.members(of: set.name) } : nil,
                hits: try state.setHits(slot: set.slot))
        }
    }

    public func show(_ name: String) throws -> SetEntry {
        let running = try running()
        let editor = try editor(running.current)
        let members = try asking(name, editor) { try editor.members(of: name) }
        guard let set = editor.sets.first(where: { $0.name == name }) else {
            throw ServiceError(.internalError, "set '\(name)' is gone")
        }
        return SetEntry(set: set, members: members, hits: try state.setHits(slot: set.slot))
    }

    /// Changes a set by hand.
    public func change(_ change: SetChange) throws -> SetOutcome {
        let lock = try PinDirectory.lock()
        defer { _ = lock }
        let running = try running()
        try carryOut([change], on: running)
        return SetOutcome(name: change.set, count: change.count, isChanged: true, isFile: false)
    }

    /// Carries out changes in a copy of the tables, which then takes the running ones' place.
    func carryOut(_ changes: [SetChange], on running: RunningAddresses) throws {
        if changes.count == 1, AddressEditor.isLittle(changes[0]) {
            if try carryOutInPlace(changes[0], running) { return }
        }
        let first = try editor(running.current)
        var editor = first
        var memory: AddressMemory?
        for change in changes {
            let made = try asking(change.set, first) { try editor.rebuilt(change) }
            memory = made
            editor = try asking(change.set, first) { try AddressEditor(made) }
        }
        guard let memory else { return }
        let bytes = UnsafeRawBufferPointer(start: memory.base, count: memory.used)
        if memory.used <= running.current.size {
            let map = try AddressMap(valueSize: UInt32(running.current.size))
            map.fill(bytes)
            return try running.replace(with: map)
        }
        try datapath.regenerate(
            addresses: memory.bytes, size: addressesSize(memory.used, canChange: true))
    }

    /// - Returns: false where there is no room.
    private func carryOutInPlace(_ change: SetChange, _ running: RunningAddresses) throws -> Bool {
        let map = try AddressMap(valueSize: UInt32(running.current.size))
        let used = Int(running.current.value.loadUnaligned(as: guard_addresses_header.self).used)
        map.fill(UnsafeRawBufferPointer(rebasing: running.current.value.prefix(used)))
        var editor = try editor(map)
        let before = editor
        guard try asking(change.set, before, { try editor.apply(change) }) else { return false }
        try running.replace(with: map)
        return true
    }

    /// Runs what asks about a set, and puts its refusals in words.
    func asking<Result>(
        _ name: String, _ editor: AddressEditor, _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch let error as SetChangeError {
            throw refusal(error, name, editor.sets)
        }
    }

    private func refusal(_ error: SetChangeError, _ name: String, _ sets: [ImageSet]) -> ServiceError {
        switch error {
        case .unknownSet:
            let near = nearest(to: name, among: sets.map(\.name)).map { "did you mean '\($0)'?" }
            let all = sets.prefix(10).map(\.name).joined(separator: ", ")
            return ServiceError(
                .unavailable,
                "the running policy has no set '\(printable(name))'; \(near ?? "it has \(all)")")
        case .unusedSet:
            return ServiceError(
                .unavailable,
                "set '\(name)' is not looked up: no rule, failsafe entry or never-ban of the running policy "
                    + "names it; name it there and apply")
        case .tooManyClasses:
            return ServiceError(
                .unavailable,
                "the change makes more than \(GUARD_LABELS_MAX) classes of addresses; nothing was changed; "
                    + "use fewer different sets, or merge overlapping ones")
        case .tooLarge:
            return ServiceError(
                .unavailable,
                "set '\(name)' would need tables of more than 512 MiB; nothing was changed; "
                    + "give fewer addresses")
        case .damagedImage:
            return ServiceError(
                .unavailable, "the running tables of addresses cannot be read; apply the policy again")
        }
    }
}
