// SPDX-License-Identifier: Apache-2.0
// A diagnostic: what is wrong, where, and the way out; and how it is drawn.

public enum Severity: String, Sendable { case error, warning, note }

/// One finding about a text. `id` is stable and names the kind of finding, as in "unknown-key".
public struct Diagnostic: Sendable, Hashable {
    /// A further place with a remark under its caret.
    public struct Label: Sendable, Hashable {
        public let range: SourceRange
        public let text: String
        public init(_ range: SourceRange, _ text: String) {
            self.range = range
            self.text = text
        }
    }

    public let id: String
    public let severity: Severity
    /// Lower case, no full stop, the user's text in quotes.
    public let message: String
    public let range: SourceRange
    /// The remark under the caret; may be empty.
    public let label: String
    public let related: [Label]
    /// A way out; nil where there is nothing to say.
    public let help: String?
    /// It is said of the file as a whole, `range` names the file only: rendered without a line.
    public let isOfWholeFile: Bool

    /// The same finding where the text is used without what it is about.
    public var asWarning: Diagnostic {
        Diagnostic(
            .warning, id: id, message, at: range, label: label, related: related, help: help,
            isOfWholeFile: isOfWholeFile)
    }

    public init(
        _ severity: Severity = .error, id: String, _ message: String, at range: SourceRange,
        label: String = "",
        related: [Label] = [], help: String? = nil, isOfWholeFile: Bool = false
    ) {
        self.isOfWholeFile = isOfWholeFile
        self.id = id
        self.severity = severity
        self.message = message
        self.range = range
        self.label = label
        self.related = related
        self.help = help
    }
}

extension Diagnostic {
    /// "path:line:column: severity: message [id]", the line with a caret under the text, related lines, and
    /// the help.
    public func rendered() -> String {
        let (line, column) = range.source.position(ofByte: range.start)
        var text = printable(range.source.path) + (isOfWholeFile ? ": " : ":\(line):\(column): ")
        text += "\(severity.rawValue): \(Self.shortened(message)) [\(id)]\n"
        let places = (isOfWholeFile ? [] : [Label(range, label)]) + related
        let width = places.map { String($0.range.line).count }.max() ?? 1
        for place in places { text += Self.quote(place, gutter: width) }
        if let help { text += " help: \(Self.shortened(help))\n" }
        return text
    }

    /// Words that repeat the user's text end where nobody reads on: a value can have megabytes.
    private static func shortened(_ text: String) -> String {
        let most = 500
        guard text.utf8.count > most else { return printable(text) }
        let start = text.prefix(most)
        return printable(String(start)) + (start.endIndex < text.endIndex ? "..." : "")
    }

    /// Characters of a line that are shown before and behind the caret's start.
    private static let shown = (before: 100, behind: 140)

    private static func quote(_ place: Label, gutter: Int) -> String {
        let source = place.range.source
        let line = source.position(ofByte: place.range.start).line
        let bounds = source.lineBounds(line)
        let start = min(max(place.range.start, bounds.lowerBound), bounds.upperBound)
        let end = min(max(place.range.end, start), bounds.upperBound)
        guard !bounds.isEmpty else { return "" }
        func text(_ from: Int, _ to: Int) -> String {
            printable(String(decoding: source.bytes[from..<to], as: UTF8.self))
        }
        // Long lines are cut to what stands around the caret.
        var before = text(bounds.lowerBound, start)
        if before.count > shown.before { before = "..." + before.suffix(shown.before) }
        var behind = text(start, bounds.upperBound)
        let length = min(text(start, end).count, shown.behind)
        if behind.count > shown.behind { behind = behind.prefix(shown.behind) + "..." }
        let number = String(line)
        let padding = String(repeating: " ", count: gutter - number.count)
        // Tabs stay tabs in the padding, so that the caret stands under the text whatever a tab is worth.
        let indent = String(before.map { $0 == "\t" ? "\t" : " " })
        let caret = String(repeating: "^", count: max(1, length))
        let remark = place.text.isEmpty ? "" : " " + printable(place.text)
        return " \(padding)\(number) | \(before)\(behind)\n"
            + " \(String(repeating: " ", count: gutter)) | \(indent)\(caret)\(remark)\n"
    }
}

/// Text for a terminal or log: control characters other than tab become `?`, so that no input can move the
/// cursor.
public func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(isUnprintable(scalar) ? "?" : scalar) }
    return String(result)
}

private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "\t" { return false }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return true
    default: return false
    }
}

/// The nearest of `candidates` to a misspelt word, for "did you mean"; nil where none is near (edit
/// distance at most a third of the word, and at most 3).
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let count = word.count
    let limit = min(3, max(1, count / 3))
    let spelt = Array(word.lowercased())
    // Words of another length cannot be near: with many candidates this is what keeps it cheap.
    let near = candidates.filter { abs($0.count - count) <= limit }
    let scored = near.map { ($0, editDistance(spelt, Array($0.lowercased()))) }
    return scored.filter { $0.1 <= limit }.min { $0.1 < $1.1 }?.0
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var older = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in a.indices {
        var current = [i + 1]
        for j in b.indices {
            var best = min(previous[j + 1], current[j]) + 1
            best = min(best, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, older[j - 1] + 1) }
            current.append(best)
        }
        (older, previous) = (previous, current)
    }
    return previous[b.count]
}
