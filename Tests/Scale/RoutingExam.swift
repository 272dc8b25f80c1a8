// SPDX-License-Identifier: Apache-2.0
// A routing table as exams: which prefix is the longest that holds an address, said by rules in two ways.
//
// - By length: one rule and one set file for each prefix length, the longest first. The first rule that
//   matches tells the length of the longest prefix, and with it the prefix. The sets overlap as the table's
//   prefixes do, some 25 deep.
// - By value: the table's values resolved to the ranges of addresses that each ends up with, one rule and one
//   set file for each of the values that are asked for. The sets are disjoint, many, and full of holes.
import NetworkTypes
import TestSupport

/// A routing table with the answers that came with it.
struct RoutingTable {
    let table: NaivePrefixes
    /// The longest prefix that holds an address, and its value; nil where none does.
    let answers: [(address: IPAddress, prefix: Prefix?, value: String?)]

    init(_ file: AnsweredFile) throws {
        let answers = try file.answers.map { Exam.answerLines(try SharedData.bytes($0)) }
        try self.init(table: try SharedData.bytes(file.path), answers: answers ?? [])
    }

    /// - Parameter lines: address, longest prefix and value; `-` and `-` where there is none.
    init(table bytes: [UInt8], answers lines: [[Substring]]) throws {
        table = try NaivePrefixes(list: bytes)
        answers = try lines.map { words in
            guard words.count == 3, let address = IPAddress(words[0]) else {
                throw ExamError(description: "expected 'ADDRESS PREFIX VALUE', got \(words)")
            }
            if words[1] == "-" { return (address, nil, nil) }
            guard let prefix = Prefix(text: Array(words[1].utf8)[...]) else {
                throw ExamError(description: "'\(words[1])' is no prefix")
            }
            return (address, prefix, String(words[2]))
        }
        for answer in answers where table.longest(answer.address) != answer.prefix {
            throw ExamError(description: "the naive look-up is wrong about \(answer.address)")
        }
    }

    /// A rule for each length, the longest first.
    func byLength() -> Exam {
        var files: [String: [UInt8]] = [:]
        let lengths = table.families.flatMap(table.lengths).sorted(by: >)
        for prefix in table.prefixes {
            files["/l\(prefix.length)", default: []] += "\(prefix)\n".utf8
        }
        let questions = answers.map { answer in
            question(answer.address, rule: answer.prefix.map { "l\($0.length)" })
        }
        return Exam(policy: policy(lengths.map { "l\($0)" }), files: files, questions: questions)
    }

    /// A rule for each of the values that the answers have most often, at most `count`.
    func byValue(_ count: Int) -> Exam {
        var uses: [String: Int] = [:]
        for case let value? in answers.map(\.value) { uses[value, default: 0] += 1 }
        let chosen = uses.sorted { ($0.value, $0.key) > ($1.value, $1.key) }.prefix(count).map(\.key)
        let wanted = Set(chosen)
        var files: [String: [UInt8]] = [:]
        for stretch in stretches() where wanted.contains(stretch.value) {
            files["/v\(stretch.value)", default: []] += "\(stretch.first)-\(stretch.last)\n".utf8
        }
        let questions = answers.map { answer in
            let value = answer.value.flatMap { wanted.contains($0) ? "v\($0)" : nil }
            return question(answer.address, rule: value)
        }
        return Exam(policy: policy(chosen.map { "v\($0)" }), files: files, questions: questions)
    }

    /// Addresses with one longest prefix, or several neighbours of one value.
    private struct Stretch {
        var first: IPAddress
        var last: IPAddress
        var value: String
    }

    /// The addresses between one end of a prefix and the next, each with the value of its longest prefix.
    private func stretches() -> [Stretch] { table.families.flatMap { stretches($0) } }

    private func stretches(_ family: AddressFamily) -> [Stretch] {
        var starts: Set<UInt128> = []
        for prefix in table.prefixes where prefix.address.family == family {
            starts.insert(prefix.bounds.lowerBound)
            if prefix.bounds.upperBound < family.lastBits { starts.insert(prefix.bounds.upperBound + 1) }
        }
        let sorted = starts.sorted()
        let lasts = sorted.dropFirst().map { $0 - 1 } + [family.lastBits]
        return zip(sorted, lasts).compactMap { bits, last -> Stretch? in
            let first = IPAddress(family: family, bits: bits)
            guard let prefix = table.longest(first), let value = table.values[prefix] else { return nil }
            return Stretch(first: first, last: IPAddress(family: family, bits: last), value: value)
        }
    }

    private func policy(_ names: [String]) -> String {
        var text = "policy: table\ndefault: pass\nstateful: false\nspoofed: pass\nessential: []\nsets:\n"
        for name in names { text += "  \(name): { file: /\(name) }\n" }
        text += "rules:\n"
        for name in names { text += "  - { name: \(name), destination: $\(name), action: drop }\n" }
        return text
    }

    private func question(_ address: IPAddress, rule: String?) -> Question {
        let source = IPAddress(family: address.family, bits: 1 << 24 | 1)
        return Question(source, address, rule: rule)
    }
}
