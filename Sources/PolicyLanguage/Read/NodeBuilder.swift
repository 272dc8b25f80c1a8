// SPDX-License-Identifier: Apache-2.0
// Events in, one tree of nodes out, with all that YAML allows and a policy does not as errors.
import Diagnostics

/// What one pass over the text gave.
struct Reading {
    var root: Node?
    var diagnostics: [Diagnostic] = []
    /// The syntax ended at a value that should have been quoted.
    var toQuote: MeantValue?
}

struct NodeBuilder {
    /// A collection whose end is still to come.
    struct Open {
        /// Its record; what it holds follows.
        let record: Int
        let start: Int
        let isMapping: Bool
        let flow: Bool
        let anchor: String?
        /// What aliases had cost before it.
        let expandedBefore: Int
        /// Values of a list; keys and values of a mapping.
        var count = 0
        var key: Key = .awaited
        /// The record of the mapping's last key.
        var lastKey = 0
        /// The record of each key, once there are many.
        var index: [String: Int] = [:]
        /// Entries that `index` holds, and the record behind them.
        var indexed = (count: 0, next: 0)
    }

    enum Key {
        case awaited
        /// Its record.
        case read(Int)
        /// Told as an error: the value that belongs to it is dropped.
        case refused
    }

    /// A value that an alias can stand for, and the bytes of text that it comes to.
    struct Anchored {
        /// Where a collection stands; scalars are copied from `record`.
        let index: Int
        let record: NodeRecord
        let weight: Int
    }

    static let deepest = 64
    static let mostExpansion = 10

    let source: SourceText
    let meant: [Int: MeantValue]
    /// All values so far, see `NodeTree`.
    var records: [NodeRecord] = []
    var texts: [String] = []
    var open: [Open] = []
    var anchors: [String: Anchored] = [:]
    /// Bytes of text that the aliases so far stand for.
    var expanded = 0
    var reading = Reading()
    var documents = 0
    var isDone = false
    var hasRoot = false
    /// Every character of the file is one byte.
    var isASCII = false
    /// The last value that ended: what stands directly before a syntax error.
    var last: (start: Int, end: Int, quoted: Bool) = (0, 0, false)

    /// - Parameter bytes: the source's, with each of `meant` overwritten by a plain word.
    static func read(_ source: SourceText, _ bytes: [UInt8], meant: [MeantValue]) -> Reading {
        let byStart = Dictionary(meant.map { ($0.range.start, $0) }, uniquingKeysWith: { _, later in later })
        var builder = NodeBuilder(source: source, meant: byStart)
        // A value takes some 11 bytes of a policy; memory that is not written to costs nothing.
        builder.records.reserveCapacity(bytes.count / 6 + 16)
        bytes.withUnsafeBufferPointer { builder.run($0) }
        if builder.hasRoot {
            let tree = NodeTree(source, builder.records, builder.texts)
            builder.reading.root = Node(tree: tree, index: 0)
        }
        return builder.reading
    }

    private mutating func run(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard var stream = EventStream(bytes, from: byteOrderMarkLength(source.bytes)) else {
            return stop("yaml-syntax", "there is no memory to read this file", at: range(0, 0))
        }
        isASCII = stream.isASCII
        do {
            while !isDone { take(try stream.next()) }
        } catch {
            hasRoot = false
            reading.toQuote = meantValue(at: error)
            if reading.toQuote == nil { reading.diagnostics.append(syntaxDiagnostic(error, in: source)) }
        }
    }

    private mutating func take(_ event: YAMLEvent) {
        switch event.kind {
        case .streamStart, .documentEnd: break
        case .streamEnd: endOfStream()
        case .documentStart: startDocument(event)
        case .scalar(let text, let style): scalar(event, text, style)
        case .sequenceStart(let flow): begin(event, isMapping: false, flow: flow)
        case .mappingStart(let flow): begin(event, isMapping: true, flow: flow)
        case .collectionEnd: endCollection(event)
        case .alias(let name): alias(event, name)
        }
    }

    private mutating func startDocument(_ event: YAMLEvent) {
        documents += 1
        guard documents > 1 else { return }
        reading.diagnostics.append(
            Diagnostic(
                id: "second-document", "a policy is one YAML document; a second one starts here",
                at: range(event.start, event.end),
                help: "remove the line '---' or move what follows to a file of its own"))
        isDone = true
    }

    private mutating func endOfStream() {
        isDone = true
        if hasRoot, !records[0].isEmptyText { return }
        guard reading.diagnostics.isEmpty else { return }
        stop("empty-document", "the file holds no policy", at: range(0, 0))
    }

    private mutating func begin(_ event: YAMLEvent, isMapping: Bool, flow: Bool) {
        if event.tag != nil || source.bytes[event.start] == UInt8(ascii: "!") { refuseTag(event) }
        guard open.count < Self.deepest else {
            return stop(
                "too-deep", "values are nested more than \(Self.deepest) levels deep",
                at: range(event.start, event.end))
        }
        open.append(
            Open(
                record: records.count, start: event.start, isMapping: isMapping, flow: flow,
                anchor: event.anchor, expandedBefore: expanded))
        records.append(NodeRecord(isMapping ? .mapping : .sequence, event.start, event.start))
    }

    private mutating func endCollection(_ event: YAMLEvent) {
        guard let closed = open.popLast() else { return }
        // A block ends where its last value does; libyaml's mark stands at what comes next.
        let end = closed.flow ? event.end : max(last.end, closed.start)
        last = (closed.start, end, false)
        if let scalar = replaceKeyWithoutValue(closed) { return add(scalar) }
        records[closed.record].close(at: end, link: records.count, count: closed.count)
        remember(
            closed.record, as: closed.anchor,
            weight: end - closed.start + expanded - closed.expandedBefore)
        add(closed.record)
    }

    private mutating func alias(_ event: YAMLEvent, _ name: String) {
        let place = range(event.start, event.end)
        last = (event.start, event.end, false)
        guard let anchored = anchors[name] else { return undefinedAlias(name, place) }
        expanded += anchored.weight
        guard source.bytes.count + expanded <= Self.mostExpansion * source.bytes.count else {
            return stop(
                "alias-expansion", "aliases make this file more than \(Self.mostExpansion) times as long",
                at: place)
        }
        if anchored.record.isCollection {
            records.append(NodeRecord(.alias, event.start, event.end, link: anchored.index))
        } else {
            let text = NodeTree.text(anchored.record, source, texts)
            appendSeparate(text, event.start, event.end, quoted: anchored.record.quoted)
        }
        add(records.count - 1)
    }

    private mutating func undefinedAlias(_ name: String, _ place: SourceRange) {
        if open.contains(where: { $0.anchor == name }) {
            report(
                "alias-cycle", "alias '*\(name)' stands inside the value that it means", place,
                "remove the alias")
        } else {
            report(
                "undefined-alias", "alias '*\(name)' has no anchor '&\(name)' before it", place,
                "write \(quotedForm(place.text)) where the text itself is meant")
        }
        records.append(NodeRecord(.written, place.start, place.end, quoted: true))
        add(records.count - 1)
    }

    mutating func remember(_ index: Int, as anchor: String?, weight: Int) {
        guard let anchor else { return }
        anchors[anchor] = Anchored(index: index, record: records[index], weight: weight)
    }

    mutating func appendSeparate(_ text: String, _ start: Int, _ end: Int, quoted: Bool) {
        records.append(NodeRecord(.separate, start, end, link: texts.count, quoted: quoted))
        texts.append(text)
    }

    func range(_ start: Int, _ end: Int) -> SourceRange { SourceRange(source, start, end) }

    mutating func report(_ id: String, _ message: String, _ place: SourceRange, _ help: String? = nil) {
        reading.diagnostics.append(Diagnostic(id: id, message, at: place, help: help))
    }

    /// An error behind which nothing can be read.
    mutating func stop(_ id: String, _ message: String, at place: SourceRange) {
        report(id, message, place)
        hasRoot = false
        isDone = true
    }
}
