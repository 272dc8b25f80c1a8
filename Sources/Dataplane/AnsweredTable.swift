// SPDX-License-Identifier: Apache-2.0
// guard_flows through mmap: connections put beside those that the programs keep at the same time, by the
// rules of stages/answered.bpf.h: a place belongs to whoever swapped the end of its key for GUARD_FLOW_OWNED.
import CBPF
import Glibc
import GuardABI
import Synchronization

/// The table of answered connections.
struct AnsweredTable {
    private let memory: MapMemory
    private let groups: UInt32
    private let seed: UInt64
    private static let tries = 4

    /// Connections that it is meant for.
    var capacity: UInt32 { groups * UInt32(GUARD_FLOW_GROUP) }

    /// - Parameter seed: of the programs' configuration.
    init(map: Int32, seed: UInt64) throws(KernelError) {
        groups = try entries(ofMap: map)
        memory = try MapMemory(map: map, length: Int(groups) * MemoryLayout<guard_flow_group>.stride)
        self.seed = seed
    }

    /// Whether a connection stands here whose time is not over.
    func has(_ key: guard_flow_key, now: UInt64) -> Bool {
        let (group, _) = group(of: key)
        return group.lines.contains { group.hasKey(key, $0) && group.isLive($0, now: now) }
    }

    /// Keeps a connection, unless one with its key lives here.
    /// - Returns: false where every place of its group has one that lives.
    func keep(_ place: guard_flow_place, now: UInt64) -> Bool {
        let (group, hash) = group(of: place.key)
        let first = Int(guard_flow_first(hash))
        for _ in 0..<Self.tries {
            let own = group.lines.first { group.hasKey(place.key, $0) }
            if let own, group.isLive(own, now: now) { return true }
            let choices = (own.map { [$0] } ?? []) + [first] + group.lines
            let taken = choices.first { !group.isLive($0, now: now) && group.own($0, now: now) }
            guard let taken else { continue }
            group.write(place, guard_flow_tag(hash), at: taken)
            partTwins(of: place.key, taken, group)
            return true
        }
        return false
    }

    /// A program may have kept the key in another place at the same time. Both look for the other's after
    /// they wrote their own, and the later place is emptied.
    private func partTwins(of key: guard_flow_key, _ own: Int, _ group: SharedGroup) {
        for _ in 0..<Self.tries {
            guard let twin = group.lines.first(where: { $0 != own && group.hasKey(key, $0) }) else { return }
            group.empty(max(twin, own), of: key)
            if twin < own { return }
        }
    }

    private func group(of key: guard_flow_key) -> (SharedGroup, hash: UInt64) {
        var key = key
        let hash = guard_flow_hash(seed, &key)
        let offset = Int(guard_flow_group_of(hash, groups)) * MemoryLayout<guard_flow_group>.stride
        return (SharedGroup(memory: memory, base: memory.base + offset), hash)
    }
}

/// One group where the programs have it. Its places are lines of their own, numbered from 1.
private struct SharedGroup {
    let memory: MapMemory
    let base: UnsafeMutableRawPointer
    var lines: ClosedRange<Int> { 1...Int(GUARD_FLOW_PLACES) }

    private static let endOffset = MemoryLayout<guard_flow_key>.offset(of: \.local_port) ?? 32

    private func place(_ line: Int) -> UnsafeMutablePointer<guard_flow_place> {
        (base + line * MemoryLayout<guard_flow_place>.stride).assumingMemoryBound(to: guard_flow_place.self)
    }

    /// Ports, family and protocol of a place's key.
    private func end(_ line: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (UnsafeMutableRawPointer(place(line)) + Self.endOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    private static func end(_ key: guard_flow_key) -> UInt64 {
        withUnsafeBytes(of: key) { $0.loadUnaligned(fromByteOffset: endOffset, as: UInt64.self) }
    }

    private func read(_ line: Int) -> UInt64 { end(line).pointee.load(ordering: .sequentiallyConsistent) }

    private func swap(_ line: Int, _ from: UInt64, for to: UInt64) -> Bool {
        end(line).pointee.compareExchange(
            expected: from, desired: to, ordering: .sequentiallyConsistent
        ).exchanged
    }

    private func set(tag: UInt32, _ line: Int) {
        base.storeBytes(of: tag, toByteOffset: line * MemoryLayout<UInt32>.stride, as: UInt32.self)
    }

    private func sameAddresses(_ line: Int, _ key: guard_flow_key) -> Bool {
        let stored = place(line).pointee.key
        return stored.local.high == key.local.high && stored.local.low == key.local.low
            && stored.remote.high == key.remote.high && stored.remote.low == key.remote.low
    }

    func hasKey(_ key: guard_flow_key, _ line: Int) -> Bool {
        let end = Self.end(key)
        return read(line) == end && sameAddresses(line, key) && read(line) == end
    }

    /// Whether a place has a connection that counts, or is somebody's just now.
    func isLive(_ line: Int, now: UInt64) -> Bool {
        let end = read(line)
        guard end != 0, end != GUARD_FLOW_OWNED else { return end != 0 }
        let found = place(line).pointee
        return timeLeft(found.key, found.flow, now: now) > 0
    }

    /// Takes a place that has nothing to lose.
    /// - Returns: false where it has something by now.
    func own(_ line: Int, now: UInt64) -> Bool {
        let end = read(line)
        guard end != GUARD_FLOW_OWNED, swap(line, end, for: GUARD_FLOW_OWNED) else { return false }
        // Its flow is read behind that: a program may have seen the connection meanwhile.
        var key = place(line).pointee.key
        withUnsafeMutableBytes(of: &key) {
            $0.storeBytes(of: end, toByteOffset: Self.endOffset, as: UInt64.self)
        }
        if end == 0 || timeLeft(key, place(line).pointee.flow, now: now) == 0 { return true }
        _ = swap(line, GUARD_FLOW_OWNED, for: end)
        return false
    }

    /// Writes an owned place, which is everybody's again.
    func write(_ new: guard_flow_place, _ tag: UInt32, at line: Int) {
        set(tag: tag, line)
        let place = UnsafeMutableRawPointer(place(line))
        place.storeBytes(of: new.key.local, as: guard_address6.self)
        place.storeBytes(
            of: new.key.remote, toByteOffset: MemoryLayout<guard_address6>.stride, as: guard_address6.self)
        place.storeBytes(
            of: new.flow, toByteOffset: MemoryLayout<guard_flow_key>.stride, as: guard_flow.self)
        _ = swap(line, GUARD_FLOW_OWNED, for: Self.end(new.key))
    }

    /// Empties a place, if its key still is this one.
    func empty(_ line: Int, of key: guard_flow_key) {
        let end = Self.end(key)
        guard swap(line, end, for: GUARD_FLOW_OWNED) else { return }
        guard sameAddresses(line, key) else {
            _ = swap(line, GUARD_FLOW_OWNED, for: end)
            return
        }
        set(tag: 0, line)
        _ = swap(line, GUARD_FLOW_OWNED, for: 0)
    }
}
