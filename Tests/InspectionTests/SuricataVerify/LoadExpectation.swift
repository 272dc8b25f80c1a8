// SPDX-License-Identifier: Apache-2.0
// What a test of suricata-verify that looks at no event expects of its rules' loading. In: the test's own
// test.yaml. Out: whether as many are refused as it says.
import Diagnostics
import Foundation
import PolicyLanguage
import Signatures

struct LoadExpectation {
    /// Suricata's exit status: 1 where a rule is refused.
    private var exitStatus: Int
    /// How many rules are loaded and how many are refused, where the test says so.
    private var loaded: Int?
    private var refused: Int?

    /// Nil where the test does not look at the status, or at other programs' files beside it.
    init?(folder: String) throws {
        let text = String(decoding: try DiskReader().read("\(folder)/test.yaml"), as: UTF8.self)
        let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        guard let line = lines.first(where: { $0.hasPrefix("exit-code:") }),
            let status = Int(line.dropFirst("exit-code:".count).trimmingCharacters(in: .whitespaces))
        else { return nil }
        exitStatus = status
        if let match = text.firstMatch(of: /([0-9]+) rules successfully loaded, ([0-9]+) rules failed/) {
            loaded = Int(match.1)
            refused = Int(match.2)
        } else if let match = text.firstMatch(of: /'error parsing signature'.*\n\s*expect: ([0-9]+)/) {
            refused = Int(match.1)
        }
    }

    /// What is not as expected.
    func miss(_ set: SignatureSet) -> String? {
        let found = set.counts.errors + set.counts.unsupported
        if (found > 0) != (exitStatus != 0) { return "exit status \(exitStatus), \(found) refused" }
        if let refused, refused != found { return "\(refused) to be refused, found \(found)" }
        if let loaded, loaded != set.signatures.count {
            return "\(loaded) to be loaded, found \(set.signatures.count)"
        }
        return nil
    }
}
