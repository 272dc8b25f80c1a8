// SPDX-License-Identifier: Apache-2.0
// A bounded table, for what is kept of addresses that anybody can make up: what was not used for longest
// goes, so that a newcomer always finds a place.

/// Something that is kept until a time.
public protocol Expiring {
    /// - Parameter now: nanoseconds, packets' time.
    func isNeeded(at now: Int64) -> Bool
}

/// Values by key, in two halves: what is used goes to the younger. When that is full, the older one is
/// forgotten and the younger takes its place: each step is short, and the half used last is always there.
public struct RecentTable<Key: Hashable, Value: Expiring> {
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]
    private let half: Int
    /// Entries that were forgotten and not over.
    public private(set) var forgotten: UInt64 = 0

    /// - Parameter most: entries, at most.
    public init(most: Int) { half = max(1, most / 2) }

    public var count: Int { young.count + old.count }

    /// The value of a key, which is used by that.
    public mutating func use(_ key: Key, at now: Int64) -> Value? {
        if let value = young[key] { return value }
        guard let value = old[key] else { return nil }
        set(value, for: key, at: now)
        return value
    }

    public mutating func set(_ value: Value, for key: Key, at now: Int64) {
        if young[key] == nil {
            old[key] = nil
            if young.count >= half { turn(now) }
        }
        young[key] = value
    }

    public mutating func remove(_ key: Key) {
        young[key] = nil
        old[key] = nil
    }

    private mutating func turn(_ now: Int64) {
        forgotten &+= UInt64(old.values.count { $0.isNeeded(at: now) })
        old = young.filter { $0.value.isNeeded(at: now) }
        young = [:]
    }
}
