// SPDX-License-Identifier: Apache-2.0
// An inspector's `protocols:`: names that are looked up later, and lists that cannot be meant so.
import Diagnostics

/// `protocols:` as it stands there. A list is nil where its key does not stand.
private struct ProtocolsAST: Sendable {
    struct List: Sendable {
        var names: [Positioned<String>]
        var range: SourceRange
        /// It is written without a name.
        var isEmpty: Bool
    }

    var forbid: List?
    var allowOnly: List?

    static let table = KeyTable<ProtocolsAST>(
        "protocols",
        [
            "forbid": { $2.forbid = $0.protocolNames($1) },
            "allow-only": { $2.allowOnly = $0.protocolNames($1) },
        ])
}

extension PolicyParser {
    mutating func protocols(_ node: Node, _ inspector: inout Inspector) {
        var protocols = ProtocolsAST()
        guard read(node, ProtocolsAST.table, into: &protocols) != nil else { return }
        if let forbid = protocols.forbid { inspector.forbidden = inspector.keepRanges(forbid.names) }
        inspector.allowedOnly = protocols.allowOnly.map { inspector.keepRanges($0.names) }
        warnOfNothing(protocols)
        warnOfBoth(protocols)
    }

    fileprivate mutating func protocolNames(_ node: Node) -> ProtocolsAST.List {
        var isEmpty = false
        if case .sequence(let items) = node.kind { isEmpty = items.isEmpty }
        return ProtocolsAST.List(
            names: texts(node, parseProtocolName), range: node.range, isEmpty: isEmpty)
    }

    private mutating func warnOfNothing(_ protocols: ProtocolsAST) {
        let help = "leave the key out, or name a protocol"
        if let list = protocols.forbid, list.isEmpty {
            warn("empty-value", "'forbid' names nothing", list.range, help: help)
        }
        if let list = protocols.allowOnly, list.isEmpty {
            warn("empty-value", "'allow-only' names nothing: every flow breaks it", list.range, help: help)
        }
    }

    /// Names in both lists, in whichever case: what is forbidden stays so.
    private mutating func warnOfBoth(_ protocols: ProtocolsAST) {
        guard let allowed = protocols.allowOnly, let forbid = protocols.forbid else { return }
        let forbidden = Dictionary(
            forbid.names.map { ($0.value.lowercased(), $0.range) }, uniquingKeysWith: { first, _ in first })
        let both = allowed.names.filter { forbidden[$0.value.lowercased()] != nil }
        guard let first = both.first else { return }
        if both.count == allowed.names.count {
            return warn(
                "all that 'allow-only' names is forbidden as well: every flow breaks one of both",
                allowed.range, forbidden[first.value.lowercased()],
                help: "name a protocol in one of both")
        }
        for name in both {
            warn(
                "'\(name.value)' is forbidden as well, which stands above", name.range,
                forbidden[name.value.lowercased()], help: "name it in one of both")
        }
    }

    private mutating func warn(
        _ message: String, _ range: SourceRange, _ forbidden: SourceRange?, help: String
    ) {
        note(
            Diagnostic(
                .warning, id: "forbidden-protocol", message, at: range,
                related: forbidden.map { [.init($0, "here")] } ?? [], help: help))
    }
}
