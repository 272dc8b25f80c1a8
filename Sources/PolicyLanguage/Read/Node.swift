// SPDX-License-Identifier: Apache-2.0
// A YAML document as values with positions: no YAML meaning, every scalar as it is written.
import Diagnostics

/// One value of the document and the text that it was read from.
public struct Node: Sendable {
    public enum Kind: Sendable {
        /// The scalar's text after YAML's unquoting, and whether it was quoted in the file.
        case scalar(String, quoted: Bool)
        case sequence([Node])
        /// In the order of the file; keys are scalars and unique.
        case mapping([Entry])
    }

    public struct Entry: Sendable {
        public let key: Node
        public let value: Node
        public init(key: Node, value: Node) {
            self.key = key
            self.value = value
        }
    }

    public let kind: Kind
    /// From the first to behind the last byte of the value, quotes included.
    public let range: SourceRange

    public init(_ kind: Kind, _ range: SourceRange) {
        self.kind = kind
        self.range = range
    }

    /// The scalar's text; nil for other kinds.
    public var text: String? {
        if case .scalar(let text, _) = kind { return text }
        return nil
    }
}
