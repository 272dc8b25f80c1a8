// SPDX-License-Identifier: Apache-2.0
// The keys of limits and inspectors, each with the function that reads it.
import Diagnostics
import NetworkTypes

extension LimitAST {
    static let table = KeyTable<LimitAST>(
        "a limit",
        [
            "rate": { $2.rate = $0.value($1, parseRate) },
            "burst": { parser, node, limit in
                limit.burst = parser.scalar(node).map { Positioned($0, node.range) }
            },
            "per": { $2.per = $0.value($1, parseLimitKey) },
            "ipv6-prefix": { $2.ipv6Prefix = $0.value($1, parseIPv6PrefixLength) },
            "over": { $2.over = $0.value($1, parseLimitExcess) },
            "mode": { $2.mode = $0.word($1, PolicyMode.self) },
        ])
}

extension InspectorAST {
    static let table = KeyTable<InspectorAST>(
        "an inspector",
        [
            "sample": { parser, node, ast in parser.sample(node, &ast.inspector) },
            "every": { parser, node, ast in
                if let every = parser.value(node, parseFlowShare) { ast.inspector.everyFlow = every.value }
            },
            "protocols": { parser, node, ast in
                parser.protocols(node, &ast.inspector)
            },
            "signatures": { parser, node, ast in
                ast.inspector.signatures = ast.inspector.keepRanges(parser.texts(node, parsePath))
            },
            "on-match": { parser, node, ast in
                if let response = parser.value(node, parseMatchResponse) {
                    ast.inspector.onMatch = response.value
                }
            },
            "on-overload": { parser, node, ast in
                if let response = parser.word(node, OverloadResponse.self) {
                    ast.inspector.onOverload = response.value
                }
            },
        ])
}

extension Inspector {
    static let sampleTable = KeyTable<Inspector>(
        "a sample",
        [
            "packets": { $2.samplePackets = $0.value($1, parseSampledPackets)?.value },
            "bytes": { $2.sampleBytes = $0.value($1, parseSampledBytes)?.value },
        ])

    /// The texts, after noting where they stand: what they name is looked at later.
    mutating func keepRanges(_ texts: [Positioned<String>]) -> [String] {
        for text in texts { ranges[text.value] = text.range }
        return texts.map(\.value)
    }
}

extension PolicyParser {
    mutating func limits(_ node: Node, _ ast: inout PolicyAST) {
        for (name, value) in definitions(node, of: "limits") {
            var limit = LimitAST(name: name)
            guard let keys = read(value, LimitAST.table, into: &limit) else {
                broken.insert(name.value)
                continue
            }
            limit.keys = keys
            for needed in ["rate", "per"] where !keys.contains(needed) {
                report(
                    "missing-key", "limit '\(name.value)' has no '\(needed)'", name.range,
                    help: needed == "rate"
                        ? "write rate: 1000 pps" : "write per: source, or per: rule for all packets")
            }
            ast.limits.append(limit)
        }
    }

    mutating func inspectors(_ node: Node, _ ast: inout PolicyAST) {
        for (name, value) in definitions(node, of: "inspectors") {
            var inspector = InspectorAST(
                name: name, inspector: Inspector(name: name.value, range: name.range))
            guard read(value, InspectorAST.table, into: &inspector) != nil else {
                broken.insert(name.value)
                continue
            }
            ast.inspectors.append(inspector)
        }
    }

    mutating func sample(_ node: Node, _ inspector: inout Inspector) {
        guard let keys = read(node, Inspector.sampleTable, into: &inspector), keys.isEmpty else { return }
        report(
            "missing-key", "the sample has no budget", node.range,
            help: "write { packets: 16, bytes: 32 KiB }")
    }
}
