// SPDX-License-Identifier: Apache-2.0
// Scalars, keys and entries of the tree, and those that only look like YAML because quotes are missing.
import Diagnostics

extension NodeBuilder {
    mutating func scalar(_ event: YAMLEvent, _ text: String, _ style: YAMLEvent.ScalarStyle) {
        var end = event.end
        while style == .block, end > event.start, source.bytes[end - 1] <= 0x20 { end -= 1 }
        let place = range(event.start, end)
        last = (event.start, end, style != .plain)
        let node: Node
        if let value = meant[event.start] {
            node = Node(.scalar(value.text, quoted: true), value.range)
        } else if looksUnquoted(event, text, style) {
            let value = MeantValue(place)
            reading.diagnostics.append(value.diagnostic)
            node = Node(.scalar(value.text, quoted: true), place)
        } else {
            if hasTag(event) { refuseTag(event) }
            if style == .quoted { checkEscapes(text, place) }
            node = Node(.scalar(text, quoted: style != .plain), place)
        }
        remember(node, as: event.anchor, weight: end - event.start)
        add(node)
    }

    /// libyaml gives no tag for a lone "!", so the text is asked too.
    private func hasTag(_ event: YAMLEvent) -> Bool {
        event.tag != nil || event.start < source.bytes.count && source.bytes[event.start] == UInt8(ascii: "!")
    }

    /// `!$office` and `&office` with nothing behind them, `!a b`: text that is meant, not a tag or an
    /// anchor.
    private func looksUnquoted(_ event: YAMLEvent, _ text: String, _ style: YAMLEvent.ScalarStyle) -> Bool {
        guard style == .plain, event.start < event.end else { return false }
        guard hasTag(event) else { return event.anchor != nil && text.isEmpty }
        let raw = source.bytes[event.start..<event.end]
        guard raw.first == UInt8(ascii: "!"), !raw.contains(UInt8(ascii: "\n")) else { return false }
        let second = raw.dropFirst().first
        return second != UInt8(ascii: "!") && second != UInt8(ascii: "<")
    }

    mutating func refuseTag(_ event: YAMLEvent) {
        var start = event.start
        // An anchor may stand before the tag.
        while start < event.end, source.bytes[start] != UInt8(ascii: "!") { start += 1 }
        var end = start
        while end < source.bytes.count, source.bytes[end] > 0x20 { end += 1 }
        let place = range(start, end)
        report("yaml-tag", "YAML tags such as '\(place.text)' have no meaning here", place, "remove the tag")
    }

    private mutating func checkEscapes(_ text: String, _ place: SourceRange) {
        for scalar in text.unicodeScalars where scalar != "\n" && scalar != "\t" {
            guard let message = whyForbidden(scalar.value) else { continue }
            return report("control-character", "\(message), written as an escape", place, "remove it")
        }
    }

    /// Hands a finished value to the collection it stands in.
    mutating func add(_ node: Node) {
        guard !open.isEmpty else {
            if !isDone { reading.root = node }
            return
        }
        let top = open.count - 1
        guard open[top].isMapping else { return open[top].items.append(node) }
        switch open[top].key {
        case .awaited: open[top].key = acceptKey(node)
        case .refused: open[top].key = .awaited
        case .read(let key):
            open[top].key = .awaited
            if !tailOfCommaValue(key, node) { open[top].entries.append(Node.Entry(key: key, value: node)) }
        }
    }

    private mutating func acceptKey(_ node: Node) -> Key {
        guard case .scalar(let text, let quoted) = node.kind else {
            report(
                "key-not-text", "a key must be text, not a list or a mapping", node.range,
                "write a word as the key")
            return .refused
        }
        if text == "<<", !quoted {
            report("merge-key", "merge keys ('<<') are not allowed", node.range, "write the keys out")
            return .refused
        }
        if text.isEmpty {
            report("empty-key", "a key is missing before ':'", node.range, "write a word as the key")
            return .refused
        }
        guard let first = firstEntry(named: text) else { return .read(node) }
        reading.diagnostics.append(
            Diagnostic(
                id: "duplicate-key", "key '\(text)' stands twice in this mapping", at: node.range,
                label: "again here", related: [.init(first, "first here")], help: "remove one of them"))
        return .refused
    }

    /// Where the innermost mapping has this key already. Small mappings are searched, large ones indexed.
    private mutating func firstEntry(named text: String) -> SourceRange? {
        let top = open.count - 1
        let count = open[top].entries.count
        guard count >= 8 else { return open[top].entries.first { $0.key.text == text }?.key.range }
        for position in open[top].index.count..<count {
            open[top].index[open[top].entries[position].key.text ?? ""] = position
        }
        return open[top].index[text].map { open[top].entries[$0].key.range }
    }

    /// `{ tcp-flags: syn, !ack }`: YAML sees a key `!ack` without a value; the value `syn, !ack` was meant.
    private mutating func tailOfCommaValue(_ key: Node, _ value: Node) -> Bool {
        let top = open.count - 1
        guard open[top].flow, value.text == "", value.range.start == value.range.end, !colonFollows(key)
        else {
            return false
        }
        guard let before = open[top].entries.last, before.value.text != nil,
            range(before.value.range.start, key.range.end).line == key.range.line
        else {
            report(
                "missing-value", "key '\(key.text ?? "")' has no value", key.range, "write a value behind it")
            return true
        }
        let whole = MeantValue(range(before.value.range.start, key.range.end))
        reading.diagnostics.removeAll { $0.id == whole.id && whole.range.holds($0.range) }
        let help = "write \(quotedForm(whole.text)), or give '\(key.text ?? "")' a value"
        report(whole.id, "'\(whole.text)' must be quoted", whole.range, help)
        let position = open[top].entries.count - 1
        open[top].entries[position] = .init(
            key: before.key, value: Node(.scalar(whole.text, quoted: true), whole.range))
        return true
    }

    private func colonFollows(_ key: Node) -> Bool {
        source.bytes[key.range.end...].first { $0 > 0x20 } == UInt8(ascii: ":")
    }

    /// `- 2001:db8::` reads as the key `2001:db8:` without a value; the text was meant. Nil for all other
    /// mappings.
    mutating func keyWithoutValue(_ closed: Open) -> Node? {
        guard closed.isMapping, closed.entries.count == 1, let entry = closed.entries.first,
            case .scalar(let key, quoted: false) = entry.key.kind, entry.value.text == "",
            entry.value.range.start == entry.value.range.end, let parent = open.last,
            !parent.isMapping || key.hasSuffix(":"), entry.key.range.end < source.bytes.count,
            source.bytes[entry.key.range.end] == UInt8(ascii: ":"),
            source.bytes[closed.start] != UInt8(ascii: "{")
        else { return nil }
        let value = MeantValue(range(entry.key.range.start, entry.key.range.end + 1))
        let other = key.hasSuffix(":") ? "" : ", or give '\(key)' a value"
        report(
            value.id, "'\(value.text)' must be quoted", value.range, "write \(quotedForm(value.text))" + other
        )
        return Node(.scalar(value.text, quoted: true), value.range)
    }
}
