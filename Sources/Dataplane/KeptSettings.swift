// SPDX-License-Identifier: Apache-2.0
// Settings of the network namespace that `apply` changed, as they were before: kept with the pins.
import CBPF
import GuardABI

/// Values of sysctls before the first change; nil where none was made.
public struct KeptSettings: Sendable, Hashable {
    /// net.ipv4.tcp_syncookies
    public var syncookies: UInt32?
    /// net.ipv4.tcp_timestamps
    public var timestamps: UInt32?

    public init() {}
    public var isEmpty: Bool { syncookies == nil && timestamps == nil }
}

extension SharedState {
    public func keptSettings() throws(KernelError) -> KeptSettings {
        var key: UInt32 = 0
        var stored = guard_settings()
        try check(bpf_map_lookup_elem(descriptor(.settings), &key, &stored), "read the kept settings")
        var kept = KeptSettings()
        if stored.syncookies > 0 { kept.syncookies = stored.syncookies - 1 }
        if stored.timestamps > 0 { kept.timestamps = stored.timestamps - 1 }
        return kept
    }

    public func keep(_ settings: KeptSettings) throws(KernelError) {
        var key: UInt32 = 0
        var stored = guard_settings(
            syncookies: settings.syncookies.map { $0 &+ 1 } ?? 0,
            timestamps: settings.timestamps.map { $0 &+ 1 } ?? 0)
        try check(bpf_map_update_elem(descriptor(.settings), &key, &stored, 0), "keep settings")
    }
}
