// SPDX-License-Identifier: Apache-2.0
// The keys of a rule, each with the function that reads it.
import Diagnostics
import NetworkTypes

extension RuleAST {
    static let table = KeyTable<RuleAST>(
        "a rule",
        [
            "name": { $2.name = $0.value($1, parseName) },
            "source": { $2.match.source = $0.addresses($1) },
            "destination": { $2.match.destination = $0.addresses($1) },
            "service": { $2.match.service = $0.services($1) },
            "source-port": { $2.match.further.sourcePort = $0.list($1, parsePortRange) },
            "tcp-flags": { $2.match.further.tcpFlags = $0.tcpFlags($1) },
            "family": { $2.match.further.families = $0.wordList($1, AddressFamily.self) },
            "interface": { $2.match.further.interface = $0.list($1, parseInterfaceGlob) },
            "vlan": { $2.match.further.vlan = $0.list($1, parseTag) },
            "inner-vlan": { $2.match.further.innerVLAN = $0.list($1, parseTag) },
            "length": { $2.match.further.length = $0.list($1, parseLengthRange) },
            "ttl": { $2.match.further.ttl = $0.list($1, parseTTLRange) },
            "dscp": { $2.match.further.dscp = $0.list($1, parseDSCPRange) },
            "fragment": { $2.match.further.fragment = $0.wordList($1, FragmentTerm.self) },
            "ip-options": { $2.match.further.ipOptions = $0.list($1, parseBool) },
            "state": { $2.match.further.state = $0.wordList($1, ConnectionState.self) },
            "payload": { $2.match.further.payload = $0.payload($1) },
            "action": { $2.action = $0.word($1, RuleAction.self) },
            "limit": { $2.limit = $0.definitionReference($1) },
            "inspect": { $2.inspect = $0.definitionReference($1) },
            "log": { $2.log = $0.value($1, parseLogRate) },
            "syn-cookies": { $2.synCookies = $0.synCookies($1) },
            "mode": { $2.mode = $0.word($1, PolicyMode.self) },
            "expires": { $2.expires = $0.value($1, parseTimestamp) },
        ])
}

extension PolicyParser {
    /// The rules of a file, one by one.
    mutating func forEachRule(of node: Node?, _ body: (RuleAST) -> Void) {
        guard let node else { return }
        key = "rules"
        guard case .sequence(let items) = node.kind else {
            return blockElements(node).forEach { rule($0, body) }
        }
        for item in items { rule(item, body) }
    }

    private mutating func rule(_ node: Node, _ body: (RuleAST) -> Void) {
        var rule = RuleAST(range: node.range)
        guard let keys = read(node, RuleAST.table, into: &rule) else { return }
        rule.keys = keys
        body(rule)
    }

    mutating func services(_ node: Node) -> ItemList<ServiceTerm>? {
        let memo = serviceMemo
        return list(node) { text throws(ValueError) in try memo.term(text) }
    }

    mutating func wordList<Word: WordValue>(_ node: Node, _ type: Word.Type) -> ItemList<Word>? {
        let name = key
        return list(node) { text throws(ValueError) in try parseWord(text, named: name) }
    }

    mutating func tcpFlags(_ node: Node) -> Positioned<TCPFlagsMatch>? {
        let nodes = elements(node)
        let texts = nodes.compactMap { scalar($0) }
        guard texts.count == nodes.count, !isMissing(node) else { return nil }
        do throws(ValueError) {
            return Positioned(try parseTCPFlags(items: texts), node.range)
        } catch {
            let culprit = nodes.count > 1 ? nodes.first { !canStandAlone($0) } : nil
            report(error.id, error.message, (culprit ?? node).range, help: error.help)
            return nil
        }
    }

    private func canStandAlone(_ flag: Node) -> Bool {
        (try? parseTCPFlags(items: [flag.text ?? ""])) != nil
    }

    /// A limit's or inspector's name; "$" is for sets and services.
    mutating func definitionReference(_ node: Node) -> Positioned<String>? {
        let name = key
        return value(node) { text throws(ValueError) in
            guard text.utf8.first == UInt8(ascii: "$") else { return text }
            throw ValueError(
                id: "name-syntax", "'\(name)' takes a name without '$'", help: "write \(text.dropFirst())")
        }
    }

    mutating func synCookies(_ node: Node) -> Positioned<Rate>? {
        var found = SynCookieKeys()
        guard let keys = read(node, SynCookieKeys.table, into: &found) else { return nil }
        if keys.isEmpty {
            report("missing-key", "'syn-cookies' has no rate", node.range, help: "write { above: 5k pps }")
        }
        guard let rate = found.above, case .bits = rate.value else { return found.above }
        report("rate-syntax", "SYNs are counted in packets", rate.range, help: "write a rate as in 5k pps")
        return nil
    }

    mutating func payload(_ node: Node) -> [PayloadPattern]? {
        let nodes = elements(node)
        if nodes.isEmpty, !isMissing(node) {
            report(
                "empty-value", "'payload' names nothing", node.range, help: "leave the key out, or name bytes"
            )
        }
        let patterns = nodes.compactMap { pattern($0) }
        return patterns.count == nodes.count && !patterns.isEmpty ? patterns : nil
    }

    private mutating func pattern(_ node: Node) -> PayloadPattern? {
        var keys = PayloadKeys()
        guard let found = read(node, PayloadKeys.table, into: &keys) else { return nil }
        guard found.contains("bytes") else {
            report(
                "missing-key", "the pattern names no 'bytes'", node.range,
                help: "write bytes: \"00 0e 38 63\"")
            return nil
        }
        guard let bytes = keys.bytes, found.contains("mask") == (keys.mask != nil),
            found.contains("offset") == (keys.offset != nil), fits(keys, node.range)
        else { return nil }
        let mask = keys.mask?.value ?? Array(repeating: 0xff, count: bytes.value.count)
        let masked = zip(bytes.value, mask).map { $0 & $1 }
        if masked != bytes.value {
            warn(
                "masked-bytes", "some bits of 'bytes' are not in 'mask' and are ignored", bytes.range,
                help: "clear them, or set them in the mask")
        }
        return PayloadPattern(offset: keys.offset?.value ?? 0, bytes: masked, mask: mask)
    }

    private mutating func fits(_ keys: PayloadKeys, _ range: SourceRange) -> Bool {
        let count = keys.bytes?.value.count ?? 0
        if count > 16 {
            report(
                "out-of-range", "the pattern has \(count) bytes", keys.bytes?.range ?? range,
                help: "use at most 16 bytes")
        } else if (keys.offset?.value ?? 0) + count > 64 {
            report(
                "out-of-range", "the pattern ends beyond the payload's first 64 bytes",
                keys.offset?.range ?? range,
                help: "use an offset of at most \(64 - count) for \(count) bytes")
        } else if let mask = keys.mask, mask.value.count != count {
            report(
                "mask-length", "the mask has \(mask.value.count) bytes, 'bytes' has \(count)", mask.range,
                help: "write as many bytes in both")
        } else {
            return true
        }
        return false
    }
}

struct SynCookieKeys: Sendable {
    var above: Positioned<Rate>?

    static let table = KeyTable<SynCookieKeys>(
        "syn-cookies", ["above": { $2.above = $0.value($1, parseRate) }])
}

struct PayloadKeys: Sendable {
    var offset: Positioned<Int>?
    var bytes: Positioned<[UInt8]>?
    var mask: Positioned<[UInt8]>?
}

extension PayloadKeys {
    static let table = KeyTable<PayloadKeys>(
        "a payload pattern",
        [
            "offset": { parser, node, keys in
                keys.offset = parser.value(node) { text throws(ValueError) in
                    Int(clamping: try parseNumber(text, in: 0...63, named: "offset"))
                }
            },
            "bytes": { $2.bytes = $0.value($1, parseHexBytes) },
            "mask": { $2.mask = $0.value($1, parseHexBytes) },
        ])
}
