// SPDX-License-Identifier: Apache-2.0
// Where no ban holds, as the tables say it now: `never-ban` may name sets, which change meanwhile.
import GuardABI
import NetworkTypes
import PolicyLanguage

extension AddressMemory {
    /// The sources whose row has the never-ban flag.
    public var neverBan: AddressSet {
        AddressSet(v4: flagged(0), v6: flagged(2))
    }

    /// The head word of the rows that an address has as a source: its failsafe matches and flags.
    public func sourceHead(of address: IPAddress) -> UInt64 {
        let table = header[partition: address.family == .ipv4 ? 0 : 2]
        let label =
            address.family == .ipv4
            ? self.label(of: UInt32(truncatingIfNeeded: address.bits), table)
            : self.label(of: address.bits, table)
        guard let label, label < Int(table.label_count) else { return 0 }
        return read(UInt64.self, at: Int(record(label, of: table).row), or: 0)
    }

    private func label<Bound: CellBound>(of address: Bound, _ table: guard_partition) -> Int? {
        let partition = partition(table, of: Bound.self)
        guard let place = partition.starts.lastIndex(where: { $0 <= address }) else { return nil }
        return place < partition.labels.count ? Int(partition.labels[place]) : nil
    }

    private func flagged<Bound: CellBound>(_ number: Int) -> IntervalSet<Bound> {
        let table = header[partition: number]
        let isFlagged = (0..<Int(min(table.label_count, UInt32(GUARD_LABELS_MAX)))).map { label in
            read(UInt64.self, at: Int(record(label, of: table).row), or: 0) >> 63 == 1
        }
        let partition = partition(table, of: Bound.self)
        var ranges: [ClosedRange<Bound>] = []
        for (place, label) in partition.labels.enumerated() where isFlagged[safe: Int(label)] {
            let end = place + 1 < partition.starts.count ? partition.starts[place + 1] - 1 : Bound.max
            ranges.append(partition.starts[place]...end)
        }
        return IntervalSet(ranges)
    }
}

/// Which bits of the head word say that an address is a source of a failsafe entry: one for each, in the
/// policy's order. The others are those of replies.
public func failsafeSourceBits(_ policy: CheckedPolicy) -> [Int] {
    var bits: [Int] = []
    var next = 0
    for entry in policy.failsafe {
        bits.append(next)
        next += failsafeMatches(entry).count
    }
    return bits
}
