// SPDX-License-Identifier: Apache-2.0
// Scalars, keys and entries of the tree, and those that only look like YAML because quotes are missing.
import Diagnostics
import Glibc

extension NodeBuilder {
    mutating func scalar(
        _ event: YAMLEvent, _ text: UnsafeBufferPointer<UInt8>, _ style: YAMLEvent.ScalarStyle
    ) {
        var end = event.end
        while style == .block, end > event.start, source.bytes[end - 1] <= 0x20 { end -= 1 }
        last = (event.start, end, style != .plain)
        if let value = meant[event.start] {
            records.append(NodeRecord(.written, value.range.start, value.range.end, quoted: true))
        } else if looksUnquoted(event, text, style) {
            reading.diagnostics.append(MeantValue(range(event.start, end)).diagnostic)
            records.append(NodeRecord(.written, event.start, end, quoted: true))
        } else {
            if hasTag(event) { refuseTag(event) }
            if style == .quoted { checkEscapes(text, event.start, end) }
            appendScalar(text, event.start, end, quoted: style != .plain)
        }
        remember(records.count - 1, as: event.anchor, weight: end - event.start)
        add(records.count - 1)
    }

    /// Nearly all texts stand in the file as they are, or between quotes.
    private mutating func appendScalar(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, quoted: Bool
    ) {
        if text.count == end - start, stands(text, start) {
            records.append(NodeRecord(.written, start, end, quoted: quoted))
        } else if text.count == end - start - 2, stands(text, start + 1) {
            records.append(NodeRecord(.insideQuotes, start, end, quoted: quoted))
        } else {
            appendSeparate(String(decoding: text, as: UTF8.self), start, end, quoted: quoted)
        }
    }

    /// Whether the file has the text at an offset, behind which it is at least as long.
    private func stands(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
        guard let wanted = text.baseAddress else { return true }
        return source.bytes.withUnsafeBytes { bytes in
            bytes.baseAddress.map { memcmp($0 + start, wanted, text.count) == 0 } ?? false
        }
    }

    /// libyaml gives no tag for a lone "!", so the text is asked too.
    private func hasTag(_ event: YAMLEvent) -> Bool {
        event.tag != nil || event.start < source.bytes.count && source.bytes[event.start] == UInt8(ascii: "!")
    }

    /// `!$office` and `&office` with nothing behind them, `!a b`: text that is meant, not a tag or an
    /// anchor.
    private func looksUnquoted(
        _ event: YAMLEvent, _ text: UnsafeBufferPointer<UInt8>, _ style: YAMLEvent.ScalarStyle
    ) -> Bool {
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

    private mutating func checkEscapes(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        if text.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return }
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars
        where scalar != "\n" && scalar != "\t" {
            guard let message = whyForbidden(scalar.value) else { continue }
            return report(
                "control-character", "\(message), written as an escape", range(start, end), "remove it")
        }
    }

    /// Hands a finished value to the collection it stands in.
    mutating func add(_ index: Int) {
        guard !open.isEmpty else {
            if !isDone { hasRoot = true }
            return
        }
        let top = open.count - 1
        guard open[top].isMapping else { return open[top].count += 1 }
        switch open[top].key {
        case .awaited: open[top].key = acceptKey(index)
        case .refused:
            open[top].key = .awaited
            records[index].isDropped = true
        case .read(let key):
            open[top].key = .awaited
            if tailOfCommaValue(key, index) { return }
            open[top].count += 2
            open[top].lastKey = key
        }
    }

    func text(_ index: Int) -> String { NodeTree.text(records[index], source, texts) }
    func range(_ index: Int) -> SourceRange { range(records[index].start, records[index].end) }

    private mutating func acceptKey(_ index: Int) -> Key {
        let record = records[index]
        guard !record.isCollection, record.kind != .alias else {
            return refuseKey(
                index, "key-not-text", "a key must be text, not a list or a mapping",
                "write a word as the key")
        }
        let text = text(index)
        if text == "<<", !record.quoted {
            return refuseKey(
                index, "merge-key", "merge keys ('<<') are not allowed", "write the keys out")
        }
        if text.isEmpty {
            return refuseKey(index, "empty-key", "a key is missing before ':'", "write a word as the key")
        }
        guard let first = firstEntry(named: text, of: record) else { return .read(index) }
        records[index].isDropped = true
        reading.diagnostics.append(
            Diagnostic(
                id: "duplicate-key", "key '\(text)' stands twice in this mapping", at: range(index),
                label: "again here", related: [.init(range(first), "first here")],
                help: "remove one of them"))
        return .refused
    }

    private mutating func refuseKey(_ index: Int, _ id: String, _ message: String, _ help: String) -> Key {
        records[index].isDropped = true
        report(id, message, range(index), help)
        return .refused
    }

    /// Where the innermost mapping has this key already. Small mappings are searched, large ones indexed.
    private mutating func firstEntry(named text: String, of key: NodeRecord) -> Int? {
        let top = open.count - 1
        let count = open[top].count / 2
        guard count >= 24 else {
            var index = open[top].record + 1
            for _ in 0..<count {
                index = records.entry(from: index)
                let isSame = Self.isSameText(records[index], key, isASCII ? source.bytes : nil)
                if isSame ?? (self.text(index) == text) { return index }
                index = records.behindValue(ofKey: index)
            }
            return nil
        }
        if open[top].indexed.count == 0 { open[top].indexed.next = open[top].record + 1 }
        while open[top].indexed.count < count {
            let index = records.entry(from: open[top].indexed.next)
            open[top].index[self.text(index)] = index
            open[top].indexed = (open[top].indexed.count + 1, records.behindValue(ofKey: index))
        }
        return open[top].index[text]
    }

    /// ASCII is the same where its bytes are, other text where Unicode says so: nil.
    private static func isSameText(_ other: NodeRecord, _ key: NodeRecord, _ ascii: [UInt8]?) -> Bool? {
        guard let ascii, other.kind == .written, key.kind == .written else { return nil }
        guard other.end - other.start == key.end - key.start else { return false }
        return ascii[other.start..<other.end].elementsEqual(ascii[key.start..<key.end])
    }

    /// `{ tcp-flags: syn, !ack }`: YAML sees a key `!ack` without a value; the value `syn, !ack` was meant.
    private mutating func tailOfCommaValue(_ key: Int, _ value: Int) -> Bool {
        let top = open.count - 1
        guard open[top].flow, records[value].isEmptyText, !colonFollows(key) else { return false }
        let place = range(key)
        let before = records[open[top].count == 0 ? key : records.value(ofKey: open[top].lastKey)]
        guard open[top].count > 0, !before.isCollection, before.kind != .alias,
            range(before.start, place.end).line == place.line
        else {
            report("missing-value", "key '\(text(key))' has no value", place, "write a value behind it")
            dropTail(from: key)
            return true
        }
        let whole = MeantValue(range(before.start, place.end))
        reading.diagnostics.removeAll { $0.id == whole.id && whole.range.holds($0.range) }
        let help = "write \(quotedForm(whole.text)), or give '\(text(key))' a value"
        report(whole.id, "'\(whole.text)' must be quoted", whole.range, help)
        dropTail(from: key)
        records[records.value(ofKey: open[top].lastKey)] = NodeRecord(
            .written, whole.range.start, whole.range.end, quoted: true)
        return true
    }

    /// Forgets the last values, which are scalars: anchors keep copies of those.
    private mutating func dropTail(from index: Int) { records.removeSubrange(index...) }

    private func colonFollows(_ key: Int) -> Bool {
        source.bytes[records[key].end...].first { $0 > 0x20 } == UInt8(ascii: ":")
    }

    /// `- 2001:db8::` reads as the key `2001:db8:` without a value; the text was meant: the mapping becomes
    /// that text, whose record is returned. Nil for all other mappings.
    mutating func replaceKeyWithoutValue(_ closed: Open) -> Int? {
        guard closed.isMapping, closed.count == 2, let parent = open.last else { return nil }
        let key = records[closed.lastKey]
        guard !key.quoted, records[records.value(ofKey: closed.lastKey)].isEmptyText,
            key.end < source.bytes.count, source.bytes[key.end] == UInt8(ascii: ":"),
            source.bytes[closed.start] != UInt8(ascii: "{")
        else { return nil }
        let text = text(closed.lastKey)
        guard !parent.isMapping || text.hasSuffix(":") else { return nil }
        let value = MeantValue(range(key.start, key.end + 1))
        let other = text.hasSuffix(":") ? "" : ", or give '\(text)' a value"
        report(
            value.id, "'\(value.text)' must be quoted", value.range, "write \(quotedForm(value.text))" + other
        )
        replace(closed.record, by: NodeRecord(.written, value.range.start, value.range.end, quoted: true))
        return records.count - 1
    }

    /// The collection at `index`, with which the records end, becomes a scalar.
    private mutating func replace(_ index: Int, by scalar: NodeRecord) {
        let holdsCollections = records[(index + 1)...].contains { $0.isCollection }
        guard holdsCollections else {
            records.removeSubrange(index...)
            return records.append(scalar)
        }
        // What was dropped inside may have an anchor.
        records[index].close(at: scalar.end, link: records.count, count: 0)
        records[index].isDropped = true
        records.append(scalar)
    }
}

// On the array alone: a function of the builder would copy all of it for each key.
extension [NodeRecord] {
    /// The value at `index`, or the first one behind what was dropped there.
    fileprivate func entry(from index: Int) -> Int {
        var index = index
        while self[index].isDropped { index = self[index].next(index) }
        return index
    }

    fileprivate func value(ofKey index: Int) -> Int { entry(from: index + 1) }

    fileprivate func behindValue(ofKey index: Int) -> Int {
        let value = value(ofKey: index)
        return self[value].next(value)
    }
}
