// SPDX-License-Identifier: Apache-2.0
// A document's values in one array, each collection before what it holds: 20 bytes a value, where a tree of
// Swift arrays and strings takes some 150. A scalar's text is the file's own wherever YAML leaves it as it
// is.
import Diagnostics

/// All values of a document, in the order in which they start.
final class NodeTree: Sendable {
    let source: SourceText
    let records: [NodeRecord]
    /// Texts that do not stand in the file as they are: with escapes, folded lines or doubled quotes.
    private let texts: [String]

    init(_ source: SourceText, _ records: [NodeRecord], _ texts: [String]) {
        self.source = source
        self.records = records
        self.texts = texts
    }

    /// Where the value itself stands that an alias stands for; other values stand for themselves.
    func target(of index: Int) -> Int {
        records[index].kind == .alias ? records[index].link : index
    }

    func range(_ index: Int) -> SourceRange {
        SourceRange(source, records[index].start, records[index].end)
    }

    func isEmptyText(_ record: NodeRecord) -> Bool {
        record.isEmptyText || record.kind == .separate && texts[record.link].isEmpty
    }

    func text(_ index: Int) -> String { Self.text(records[index], source, texts) }

    static func text(_ record: NodeRecord, _ source: SourceText, _ texts: [String]) -> String {
        switch record.kind {
        case .written: String(decoding: source.bytes[record.start..<record.end], as: UTF8.self)
        case .insideQuotes:
            String(decoding: source.bytes[(record.start + 1)..<(record.end - 1)], as: UTF8.self)
        case .separate: texts[record.link]
        case .sequence, .mapping, .alias: ""
        }
    }
}

/// One value.
struct NodeRecord: Sendable {
    enum Kind: UInt8, Sendable {
        /// Scalars by where their text stands: at `start..<end`, there without the quotes, or in the tree's
        /// texts at `link`.
        case written, insideQuotes, separate
        /// Collections; `link` is behind the last record of what they hold.
        case sequence, mapping
        /// `link` is the collection that it stands for.
        case alias
    }

    let kind: Kind
    let quoted: Bool
    /// A key that was refused, or its value: they are no entry, but an alias may stand for them.
    var isDropped = false
    // Files have at most 1 GiB, so that offsets, and records, of which each takes a byte, fit 32 bits.
    private let startOffset: UInt32
    private var endOffset: UInt32
    private var linked: UInt32
    private var held: UInt32 = 0

    init(_ kind: Kind, _ start: Int, _ end: Int, link: Int = 0, quoted: Bool = false) {
        self.kind = kind
        self.quoted = quoted
        startOffset = UInt32(truncatingIfNeeded: start)
        endOffset = UInt32(truncatingIfNeeded: end)
        linked = UInt32(truncatingIfNeeded: link)
    }

    /// Offsets in the file's bytes.
    var start: Int { Int(startOffset) }
    var end: Int { Int(endOffset) }
    var link: Int { Int(linked) }
    /// Values of a list; keys and values of a mapping.
    var count: Int { Int(held) }
    var isCollection: Bool { kind == .sequence || kind == .mapping }
    /// A scalar with a text of no bytes.
    var isEmptyText: Bool { kind == .written && startOffset == endOffset }

    /// The record behind this one, which stands at `index`, and all that it holds.
    func next(_ index: Int) -> Int { isCollection ? link : index + 1 }

    /// Ends a collection.
    mutating func close(at end: Int, link: Int, count: Int) {
        endOffset = UInt32(truncatingIfNeeded: end)
        linked = UInt32(truncatingIfNeeded: link)
        held = UInt32(truncatingIfNeeded: count)
    }
}
