// SPDX-License-Identifier: Apache-2.0
// The keys of a policy's own tests, each with the function that reads it.
import Diagnostics
import NetworkTypes

extension TestAST {
    static let table = KeyTable<TestAST>(
        "a test",
        [
            "packet": { $2.packet = $0.packet($1) },
            "expect": { $0.expectation($1, &$2) },
        ])

    static let expectationTable = KeyTable<TestAST>(
        "an expectation",
        [
            "verdict": { $2.verdict = $0.word($1, Verdict.self) },
            "rule": { $2.rule = $0.value($1, parseName) },
            "reason": { $2.reason = $0.word($1, Reason.self) },
        ])
}

extension PolicyParser {
    mutating func tests(_ node: Node, _ ast: inout PolicyAST) {
        for item in blockElements(node) {
            var test = TestAST(range: item.range)
            guard let keys = read(item, TestAST.table, into: &test) else { continue }
            test.keys = keys
            for needed in ["packet", "expect"] where !keys.contains(needed) {
                report(
                    "missing-key", "the test has no '\(needed)'", item.range,
                    help: needed == "packet"
                        ? "write packet: tcp 192.0.2.1:40000 > 198.51.100.1:22 syn"
                        : "write expect: pass or expect: drop")
            }
            ast.tests.append(test)
        }
    }

    /// `expect: drop`, or a mapping.
    mutating func expectation(_ node: Node, _ test: inout TestAST) {
        guard case .mapping = node.kind else {
            key = "expect"
            test.verdict = word(node, Verdict.self)
            return
        }
        guard let keys = read(node, TestAST.expectationTable, into: &test), keys.isEmpty else { return }
        report(
            "missing-key", "the test expects nothing", node.range, help: "write a verdict, a rule or a reason"
        )
    }

    mutating func packet(_ node: Node) -> Positioned<PacketDescription>? {
        guard let text = scalar(node) else { return nil }
        do throws(PacketTextError) {
            return Positioned(try PacketDescription(parsing: text), node.range)
        } catch {
            let range = place(error.offset, of: text, in: node.range)
            report("packet-syntax", error.message, range, help: error.help)
            return nil
        }
    }

    /// The word at an offset of the scalar's text, where text and file agree byte by byte; else the whole
    /// value.
    private func place(_ offset: Int, of text: String, in range: SourceRange) -> SourceRange {
        let bytes = Array(text.utf8)
        let raw = range.source.bytes[range.start..<range.end]
        let quotes = raw.count == bytes.count ? 0 : 1
        guard raw.dropFirst(quotes).dropLast(quotes).elementsEqual(bytes) else { return range }
        var end = min(offset, bytes.count)
        while end < bytes.count, bytes[end] != 0x20 { end += 1 }
        let start = range.start + quotes
        return SourceRange(range.source, start + min(offset, bytes.count), start + end)
    }
}
