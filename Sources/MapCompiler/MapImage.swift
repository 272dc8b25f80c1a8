// SPDX-License-Identifier: Apache-2.0
// What the compiler makes of a policy: all that a generation's maps hold, as values.
import Diagnostics
import GuardABI
import NetworkTypes

/// A generation's constant configuration and tables, ready to be loaded.
public struct MapImage: Sendable {
    public var config: guard_config
    /// The bytes of guard_tables; config's offsets point into them. Never empty.
    public var tables: [UInt8]
    /// The front of the value of guard_addresses' inner map, which has `config.addresses_size` bytes: a
    /// guard_addresses_header and what it tells of.
    public var addresses: [UInt8]
}

/// What the compiler must know of where the policy will run.
public struct CompileTarget: Sendable {
    /// An interface that packets come in on.
    public struct Interface: Sendable, Hashable {
        public var name: String
        public var index: UInt32
        public init(name: String, index: UInt32) {
            self.name = name
            self.index = index
        }
    }

    public var interfaces: [Interface] = []
    /// This host's addresses: spoofed as sources. Empty in a replay.
    public var ownAddresses: [IPAddress] = []
    /// Counter slots of the rules, by name.
    public var slots: [String: UInt32] = [:]
    /// Hit counters of the sets, by name; without one the set's position.
    public var setSlots: [String: UInt32] = [:]
    /// Time and interface come from guard_trace, and the answer goes there.
    public var isReplay = false
    /// What to subtract from nanoseconds since 1970 to get the program's clock; 0 in a replay.
    public var clockOffsetNanoseconds: Int64 = 0

    public init() {}
}

/// A policy beyond what the datapath can hold. Each diagnostic names the limit and the policy's line.
public struct CompileError: Error, Sendable {
    public var diagnostics: [Diagnostic]
}
