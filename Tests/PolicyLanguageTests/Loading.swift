// SPDX-License-Identifier: Apache-2.0
// Policies for the tests: from text in memory, on a fixed day.
import Diagnostics
import Glibc
import NetworkTypes
import PolicyLanguage

/// 2026-01-02T00:00:00Z.
let testDay: Int64 = 1_767_312_000

/// Files by path; all others are missing.
struct MemoryFiles: FileReader {
    var files: [String: String]

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        guard let text = files[path] else { throw FileReadError(errno: ENOENT, path: path) }
        return Array(text.utf8)
    }
}

/// The top keys that every policy of this version wants written out.
let header = "default: drop\nstateful: false\nfragments: drop\n"

func load(_ text: String, _ files: [String: String] = [:]) -> PolicyReport {
    let all = files.merging(["policy.conf": text]) { _, main in main }
    return loadPolicy(path: "policy.conf", reader: MemoryFiles(files: all), now: testDay)
}

/// The one rule of a policy that has `keys` beside a name and an action.
func ruleWith(_ keys: String, top: String = "") -> Rule? {
    load(header + top + "rules:\n  - { name: one, action: pass, \(keys) }\n").policy?.rules.first
}

func addressSet(_ items: String...) -> AddressSet {
    items.reduce(AddressSet()) { all, text in
        all.union((try? parseAddressItem(text, lenientHostBits: false).addresses) ?? .all)
    }
}

extension PolicyReport {
    /// "line:column id" of each diagnostic.
    var places: [String] { diagnostics.map { "\($0.range.line):\($0.range.column) \($0.id)" } }
}
