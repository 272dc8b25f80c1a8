// SPDX-License-Identifier: Apache-2.0
// When set files are read again: `refresh:` of the running policy's sets. Pure: times in, names out.

/// A set that comes from a file, and how often that is read.
public struct SetRefresh: Codable, Sendable, Hashable {
    public var name: String
    /// Above zero.
    public var everyNanoseconds: Int64

    public init(name: String, everyNanoseconds: Int64) {
        self.name = name
        self.everyNanoseconds = everyNanoseconds
    }
}

/// The sets of one generation, and when each is due. Times are nanoseconds of one clock that does not go
/// back.
struct RefreshSchedule: Sendable {
    private var dues: [(set: SetRefresh, at: UInt64)]

    /// An `apply` has just read them all.
    init(_ sets: [SetRefresh], from now: UInt64) {
        dues = sets.map { set in (set, now &+ UInt64(max(1, set.everyNanoseconds))) }
    }

    /// The next moment at which one is due; nil: never.
    var next: UInt64? { dues.map(\.at).min() }

    /// Sets whose time has come. Each is due again after its interval from now on: what was missed while this
    /// host slept is not made up for.
    mutating func take(at now: UInt64) -> [String] {
        var names: [String] = []
        for index in dues.indices where dues[index].at <= now {
            names.append(dues[index].set.name)
            dues[index].at = now &+ UInt64(max(1, dues[index].set.everyNanoseconds))
        }
        return names
    }
}
