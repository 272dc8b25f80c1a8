// SPDX-License-Identifier: Apache-2.0
// A published list as an exam: a policy that uses it as a set file, and addresses that are in it or not, by
// the answers that came with it and by a naive look-up.
//
// Three rules use the one set, so that source and destination are both looked up and told apart: each frame
// has one address as its source and the next one as its destination.
import NetworkTypes
import TestSupport

extension Exam {
    /// Addresses that are tried beside those of the answers.
    private static let probes = 600

    init(list: AnsweredFile, seed: UInt64) throws {
        let bytes = try SharedData.bytes(list.path)
        let naive = try NaivePrefixes(list: bytes)
        let known = try list.answers.map { try Self.membership(SharedData.bytes($0)) } ?? []
        for (address, isIn) in known where (naive.longest(address) != nil) != isIn {
            throw ExamError(description: "the naive look-up is wrong about \(address)")
        }
        let addresses = known.map(\.address) + naive.probes(Self.probes, seed: seed)
        policy = """
            policy: list
            default: pass
            stateful: false
            spoofed: pass
            essential: []
            sets:
              list: { file: /list }
            rules:
              - { name: both, source: $list, destination: $list, action: drop }
              - { name: source, source: $list, action: drop }
              - { name: destination, destination: $list, action: drop }

            """
        files = ["/list": bytes]
        questions = AddressFamily.allCases.flatMap { family in
            Self.questions(addresses.filter { $0.family == family }, naive)
        }
    }

    /// A packet from each address to the next one.
    private static func questions(_ addresses: [IPAddress], _ naive: NaivePrefixes) -> [Question] {
        addresses.indices.map { index in
            let (source, destination) = (addresses[index], addresses[(index + 1) % addresses.count])
            let isIn = (naive.longest(source) != nil, naive.longest(destination) != nil)
            let rule = isIn.0 ? (isIn.1 ? "both" : "source") : isIn.1 ? "destination" : nil
            return Question(source, destination, rule: rule)
        }
    }

    /// The lines `ADDRESS 1` and `ADDRESS 0`.
    private static func membership(_ answers: [UInt8]) throws -> [(address: IPAddress, isIn: Bool)] {
        try answerLines(answers).map { words in
            guard words.count == 2, let address = IPAddress(words[0]), ["0", "1"].contains(words[1]) else {
                throw ExamError(description: "expected 'ADDRESS 1' or 'ADDRESS 0', got \(words)")
            }
            return (address, words[1] == "1")
        }
    }

    /// The words of the lines that are no comments.
    static func answerLines(_ answers: [UInt8]) -> [[Substring]] {
        let text = String(decoding: answers, as: UTF8.self)
        return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { $0.split(separator: "\t") }
    }
}

extension Question {
    /// A packet without ports between two addresses of one family.
    init(_ source: IPAddress, _ destination: IPAddress, rule: String?) {
        let packet = PacketDescription(proto: .gre, source: source, destination: destination)
        self.init(frame: packet.frame(), rule: rule, text: "\(source) > \(destination)")
    }
}
