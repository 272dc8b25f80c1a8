// SPDX-License-Identifier: Apache-2.0
// Where YAML's syntax ends: the place in, and out the value that stands there, if quotes are all that it
// lacks.
import Diagnostics

extension NodeBuilder {
    /// The value that made libyaml stop; nil for all other syntax errors.
    func meantValue(at failure: YAMLFailure) -> MeantValue? {
        guard let start = meantStart(failure) else { return nil }
        let end = valueEnd(from: start, inFlow: isInFlow(failure))
        guard end > start, end >= min(failure.offset, end), meant[start] == nil else { return nil }
        return MeantValue(range(start, end))
    }

    /// Whether the value stands between brackets. When the parser stops, libyaml's scanner is some words
    /// ahead of it, maybe behind the brackets: `- { source: ::1, service: tcp/22 }`.
    private func isInFlow(_ failure: YAMLFailure) -> Bool {
        if failure.problem.contains("','") { return true }
        switch failure.context {
        case "while parsing a flow node": return true
        case "while parsing a node": return open.last?.flow ?? false
        default: return failure.scannerIsInFlow
        }
    }

    private func meantStart(_ failure: YAMLFailure) -> Int? {
        let (here, context) = (byte(failure.offset), byte(failure.contextOffset))
        switch (failure.context, failure.problem) {
        case (_, "found character that cannot start any token"):
            // `%`, `@` and backticks; a tab is an error of another kind.
            return here == 0x09 ? nil : failure.offset
        case ("while scanning an alias", _), ("while scanning an anchor", _), ("while scanning a tag", _),
            ("while parsing a tag", _), ("while parsing a node", "found undefined tag handle"):
            return "*&!".utf8.contains(context) ? failure.contextOffset : nil
        case ("while scanning a plain scalar", "found unexpected ':'"):
            return failure.contextOffset
        case (_, "mapping values are not allowed in this context"):
            return blockValueStart(before: failure.offset)
        case (_, "did not find expected node content"):
            return here == UInt8(ascii: ":") ? failure.offset : nil
        case (_, "did not find expected ',' or ']'"), (_, "did not find expected ',' or '}'"):
            return last.end == failure.offset ? lastStart(before: failure.offset) : nil
        case (_, "did not find expected key"), (_, "did not find expected '-' indicator"),
            (_, "did not find expected <document start>"):
            return lastStart(before: failure.offset)
        default: return nil
        }
    }

    /// Where the unquoted value starts that `offset` stands behind on the same line: `[e]th0`, `*wan x`,
    /// `a: b`.
    private func lastStart(before offset: Int) -> Int? {
        guard !last.quoted, last.start < last.end, last.end <= offset else { return nil }
        let between = source.bytes[last.start..<offset]
        return between.contains(0x0a) ? nil : last.start
    }

    /// The start of a block value on the line of `offset`: behind its "- " marks and the first "key: ". Nil
    /// where no key stands before `offset`, and for quoted values.
    private func blockValueStart(before offset: Int) -> Int? {
        var index = offset
        while index > 0, source.bytes[index - 1] != 0x0a { index -= 1 }
        while index + 1 < offset, byte(index) <= 0x20 || isMark(index) { index += 1 }
        if let quote = quoteMark(index) {
            index += 1
            while index < offset, byte(index) != quote { index += 1 }
        }
        while index < offset, !(byte(index) == UInt8(ascii: ":") && byte(index + 1) <= 0x20) { index += 1 }
        index += 1
        while index < offset, byte(index) <= 0x20 { index += 1 }
        return index < offset && quoteMark(index) == nil ? index : nil
    }

    private func isMark(_ index: Int) -> Bool {
        (byte(index) == UInt8(ascii: "-") || byte(index) == UInt8(ascii: "?")) && byte(index + 1) <= 0x20
    }

    private func quoteMark(_ index: Int) -> UInt8? {
        byte(index) == UInt8(ascii: "\"") || byte(index) == UInt8(ascii: "'") ? byte(index) : nil
    }

    /// Behind a value that goes on to the end of its line or to a comment; in flow to a comma or bracket of
    /// the flow.
    private func valueEnd(from start: Int, inFlow: Bool) -> Int {
        var index = start
        var depth = 0
        scan: while index < source.bytes.count, byte(index) != 0x0a, byte(index) != 0x0d {
            switch byte(index) {
            case UInt8(ascii: "#") where index > start && byte(index - 1) <= 0x20: break scan
            case UInt8(ascii: ",") where inFlow && depth == 0: break scan
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if inFlow, depth == 0 { break scan }
                depth -= 1
            default: break
            }
            index += 1
        }
        while index > start, byte(index - 1) <= 0x20 { index -= 1 }
        return index
    }

    /// A line feed beyond the end.
    private func byte(_ index: Int) -> UInt8 { index < source.bytes.count ? source.bytes[index] : 0x0a }
}
