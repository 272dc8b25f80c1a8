// SPDX-License-Identifier: Apache-2.0
// The bytes of guard_tables: tables in, offsets out.
import GuardABI

/// Appends tables, each aligned to 8 bytes, and tells where they begin.
struct TableWriter {
    private(set) var bytes: [UInt8] = []

    /// The elements as they lie in memory; returns their offset.
    /// - Parameter alignment: 8 or more; of what begins a cache line.
    mutating func append<T: BitwiseCopyable>(_ elements: [T], alignment: Int = 8) -> UInt32 {
        while bytes.count % alignment != 0 { bytes.append(0) }
        let offset = bytes.count
        elements.withUnsafeBytes { bytes.append(contentsOf: $0) }
        while bytes.count % 8 != 0 { bytes.append(0) }
        return UInt32(offset)
    }

    /// Rows as the program reads them: head, summary of the words that are not zero, words.
    mutating func append(rows: [Row]) -> UInt32 {
        var words: [UInt64] = []
        for row in rows {
            let rules = row.words.dropFirst()
            var summary: UInt64 = 0
            for (number, word) in rules.enumerated() where word != 0 { summary |= 1 << UInt64(number) }
            words.append(row.words[0])
            words.append(summary)
            words.append(contentsOf: rules)
        }
        return append(words)
    }
}
