// SPDX-License-Identifier: Apache-2.0
// Columns and numbers for people.

/// Lines of equally wide columns; the first is flush left, the others flush right.
func table(_ rows: [[String]]) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
        rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
        row.enumerated().map { column, text in
            let gap = String(repeating: " ", count: widths[column] - text.count)
            return column == 0 ? text + gap : gap + text
        }.joined(separator: "  ")
    }
}

/// A count with a unit prefix of 1000, as in "12.3k".
func short(_ value: Double) -> String {
    let units = ["", "k", "M", "G", "T"]
    var scaled = value
    var unit = 0
    while scaled >= 1000, unit < units.count - 1 {
        scaled /= 1000
        unit += 1
    }
    if unit == 0 { return String(Int(scaled.rounded())) }
    let tenths = Int((scaled * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)\(units[unit])"
}

/// A time span in words, as in "2 h 5 min".
func span(nanoseconds: Int64) -> String {
    let seconds = max(0, nanoseconds / 1_000_000_000)
    switch seconds {
    case ..<60: return "\(seconds) s"
    case ..<3600: return "\(seconds / 60) min \(seconds % 60) s"
    case ..<86400: return "\(seconds / 3600) h \(seconds / 60 % 60) min"
    default: return "\(seconds / 86400) d \(seconds / 3600 % 24) h"
    }
}
