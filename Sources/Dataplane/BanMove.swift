// SPDX-License-Identifier: Apache-2.0
// An apply that changes how many bans there is room for: the next generation gets a table of its own with the
// running one's bans, and takes over what was banned in between. The caller holds the lock.
import CBPF
import Glibc
import GuardABI

/// A table of bans that is to take another's place.
struct BanMove {
    private let old: SharedState
    private let new: SharedState
    private let pin: String
    private var next: String { pin + "-next" }

    /// Copies the bans into a generation's own table. Nil where it shares the pinned one.
    init?(from pins: PinDirectory, to generation: GuardObject) throws(KernelError) {
        guard let old = try SharedState.open(pins) else { return nil }
        let map = try generation.descriptor(SharedMap.bans.rawValue)
        guard try mapID(map) != mapID(old.descriptor(.bans)) else { return nil }
        var maps = old.maps
        maps[.bans] = FileDescriptor(owning: dup(map))
        (self.old, new, pin) = (old, SharedState(maps: maps), pins.map(.bans))
        let now = programClock()
        let bans = try old.bans().filter { $0.holds(at: now) }
        let room = try entries(ofMap: map)
        guard bans.count <= Int(room) else {
            throw KernelError(
                "make room for \(room) bans", code: 0,
                help: "\(bans.count) run: lift some with 'xdpguard unban', or give a larger '--max-bans'")
        }
        for ban in bans { _ = try new.add(ban, now: now) }
        unlink(next)
        try check(bpf_obj_pin(map, next), "pin the map \(SharedMap.bans.rawValue)")
    }

    /// The new generation runs: what the old one banned, or counted, since the copy goes over.
    func finish() throws(KernelError) {
        rename(next, pin)
        let now = programClock()
        for ban in try old.bans() where ban.holds(at: now) { _ = try new.add(ban, now: now) }
    }

    func undo() { unlink(next) }
}

extension Datapath {
    /// The shared maps that the next generation goes on with: without the table of bans where another size is
    /// asked for.
    func keptMaps(of state: SharedState) throws(KernelError) -> [SharedMap: FileDescriptor] {
        var maps = state.maps
        if let maxBans, try entries(ofMap: state.descriptor(.bans)) != maxBans { maps[.bans] = nil }
        return maps
    }
}

private func mapID(_ map: Int32) throws(KernelError) -> UInt32 {
    var info = bpf_map_info()
    var size = UInt32(MemoryLayout<bpf_map_info>.size)
    try check(bpf_obj_get_info_by_fd(map, &info, &size), "ask about a map")
    return info.id
}
