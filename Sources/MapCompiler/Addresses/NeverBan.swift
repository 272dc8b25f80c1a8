// SPDX-License-Identifier: Apache-2.0
// Where no ban holds, as the tables say it now: `never-ban` may name sets, which change meanwhile.
import GuardABI
import NetworkTypes

extension AddressMemory {
    /// The sources whose row has the never-ban flag.
    public var neverBan: AddressSet {
        AddressSet(v4: flagged(0), v6: flagged(2))
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
