// SPDX-License-Identifier: Apache-2.0
// Step "read": a policy file's bytes in, its one YAML document as nodes with positions and everything wrong
// with the text out. Values that should have been quoted are told, read as they were meant, and the reading
// goes on.
import Diagnostics

/// Reads one YAML document strictly; see docs/policy.md, "How a file is read".
/// - Returns: `root` is nil where the text could not be read to its end. Beside errors in `diagnostics` it
/// holds values as   they were meant, so that more can be said about them in the same run.
public func readDocument(_ source: SourceText) -> (root: Node?, diagnostics: [Diagnostic]) {
    let badText = checkText(source)
    guard badText.isEmpty else { return (nil, badText) }
    var bytes = source.bytes
    var meant: [MeantValue] = []
    while true {
        let reading = NodeBuilder.read(source, bytes, meant: meant)
        if let value = reading.toQuote {
            meant.append(value)
            // The value becomes a plain word of the same length, so that all positions stay.
            for index in value.range.start..<value.range.end { bytes[index] = UInt8(ascii: "x") }
            if meant.count < mostMeantValues { continue }
        }
        let unquoted = meant.filter { value in
            !reading.diagnostics.contains { $0.id == value.id && $0.range.holds(value.range) }
        }
        let all = unquoted.map(\.diagnostic) + reading.diagnostics
        return (reading.root, all.sorted { $0.range.start < $1.range.start })
    }
}

/// Each one costs a further pass over the file.
private let mostMeantValues = 20

/// A value that YAML cannot read without quotes.
struct MeantValue {
    let range: SourceRange
    /// As it stands in the file.
    let text: String
    let id = "unquoted-value"

    init(_ range: SourceRange) {
        self.range = range
        text = range.text
    }

    var diagnostic: Diagnostic {
        Diagnostic(id: id, "'\(text)' must be quoted", at: range, help: "write \(quotedForm(text))")
    }
}

/// The text in double quotes, or in single ones where it holds quotes or backslashes itself.
func quotedForm(_ text: String) -> String {
    guard text.contains(where: { $0 == "\"" || $0 == "\\" }) else { return "\"\(text)\"" }
    return "'" + text.replacing("'", with: "''") + "'"
}

extension SourceRange {
    var text: String { String(decoding: source.bytes[start..<end], as: UTF8.self) }
    func holds(_ other: SourceRange) -> Bool { start <= other.start && other.end <= end }
}
