// SPDX-License-Identifier: Apache-2.0
// A YAML document as values with positions: no YAML meaning, every scalar as it is written.
import Diagnostics

/// One value of the document and the text that it was read from.
public struct Node: Sendable {
    public enum Kind: Sendable {
        /// The scalar's text after YAML's unquoting, and whether it was quoted in the file.
        case scalar(String, quoted: Bool)
        case sequence(NodeList)
        /// In the order of the file; keys are scalars and unique.
        case mapping(EntryList)
    }

    let tree: NodeTree
    let index: Int

    public struct Entry: Sendable {
        public let key: Node
        public let value: Node
    }

    /// What it is; behind an alias, what that stands for.
    public var kind: Kind {
        let index = tree.target(of: index)
        let record = tree.records[index]
        switch record.kind {
        case .sequence: return .sequence(NodeList(tree: tree, parent: index))
        case .mapping: return .mapping(EntryList(nodes: NodeList(tree: tree, parent: index)))
        default: return .scalar(tree.text(index), quoted: record.quoted)
        }
    }

    /// From the first to behind the last byte of the value, quotes included.
    public var range: SourceRange { tree.range(index) }

    /// The scalar's text; nil for other kinds.
    public var text: String? {
        let index = tree.target(of: index)
        return tree.records[index].isCollection ? nil : tree.text(index)
    }

    /// Values of a list; 1 for a value that is none.
    var elementCount: Int {
        let record = tree.records[tree.target(of: index)]
        return record.kind == .sequence ? record.count : 1
    }

    /// A scalar without text and quotes: a key's value that is left out.
    var isMissing: Bool {
        let record = tree.records[tree.target(of: index)]
        return !record.quoted && !record.isCollection && tree.isEmptyText(record)
    }
}

/// The values of a list, or a mapping's keys and values in turn.
public struct NodeList: Sendable, Sequence {
    let tree: NodeTree
    let parent: Int

    public var count: Int { tree.records[parent].count }
    public var isEmpty: Bool { count == 0 }

    public func makeIterator() -> Iterator { Iterator(tree: tree, index: parent + 1, left: count) }

    public struct Iterator: IteratorProtocol {
        let tree: NodeTree
        var index: Int
        var left: Int

        public mutating func next() -> Node? {
            guard left > 0 else { return nil }
            left -= 1
            while tree.records[index].isDropped { index = tree.records[index].next(index) }
            defer { index = tree.records[index].next(index) }
            return Node(tree: tree, index: index)
        }
    }
}

/// A mapping's entries.
public struct EntryList: Sendable, Sequence {
    let nodes: NodeList

    public var count: Int { nodes.count / 2 }
    public var isEmpty: Bool { nodes.isEmpty }

    public func makeIterator() -> Iterator { Iterator(nodes: nodes.makeIterator()) }

    public struct Iterator: IteratorProtocol {
        var nodes: NodeList.Iterator

        public mutating func next() -> Node.Entry? {
            guard let key = nodes.next(), let value = nodes.next() else { return nil }
            return Node.Entry(key: key, value: value)
        }
    }
}
