// SPDX-License-Identifier: Apache-2.0
// What there is to be asked: the rule sets, lists and routing tables of the folder beside the checkout, by
// listing it. Out: names, and the exam of a name, which is large and made when it is asked for.
import TestSupport

/// A file with the file of its answers; printed by its place in the folder.
struct AnsweredFile: CustomStringConvertible, Sendable {
    /// Below the folder, as in `blocklists/tor/Tor_exit_nodes.txt`.
    var place: String
    /// nil: none came with it.
    var answersPlace: String?

    var path: String { "\(SharedData.folder ?? "")/\(place)" }
    var answers: String? { answersPlace.map { "\(SharedData.folder ?? "")/\($0)" } }
    var description: String { place }
}

enum Catalogue {
    /// ClassBench sets by the places of their stems, as in `rulesets-classbench/acl1_1k.v6`.
    static let ruleSets: [AnsweredFile] = {
        let folder = "rulesets-classbench"
        return SharedData.files(in: folder).compactMap { name in
            guard let end = name.firstRange(of: ".rules") else { return nil }
            return AnsweredFile(place: "\(folder)/\(name[..<end.lowerBound])")
        }
    }()

    static let lists: [AnsweredFile] = SharedData.files(in: "blocklists").flatMap { group in
        let folder = "blocklists/\(group)"
        let names = SharedData.files(in: folder)
        return names.filter { !$0.hasSuffix(membership) }.map { name in
            let answers = answerNames(name).first(where: names.contains)
            return AnsweredFile(place: "\(folder)/\(name)", answersPlace: answers.map { "\(folder)/\($0)" })
        }
    }

    /// Those with answers; a routing table without is only a list.
    static let tables: [AnsweredFile] = {
        let folder = "routing-tables"
        let names = SharedData.files(in: folder)
        return names.filter { !$0.hasSuffix(longestMatch) }.compactMap { name in
            let stem = name.prefix { $0 != "." }
            let answers = names.first { $0 == stem + longestMatch }
            return answers.map { AnsweredFile(place: "\(folder)/\(name)", answersPlace: "\(folder)/\($0)") }
        }
    }()

    private static let membership = ".membership.tsv"
    private static let longestMatch = ".lpm.tsv"

    /// `x.txt.gz` has its answers in `x.txt.gz`, `x.txt` or `x` and the ending.
    private static func answerNames(_ list: String) -> [String] {
        let unpacked = list.hasSuffix(".gz") ? String(list.dropLast(3)) : list
        let stem = unpacked.split(separator: ".").dropLast().joined(separator: ".")
        return [list, unpacked, stem].map { $0 + membership }
    }
}
