// SPDX-License-Identifier: Apache-2.0
// Fuzz target: policy text through reader, parser and checker, and every diagnostic through its rendering.
// In: the bytes of a policy; behind a zero byte those of every other file that it names. Out: nothing, or a
// trap.
import Glibc
import PolicyLanguage

/// The input's files: the policy, and one content for all others.
private struct InputFiles: FileReader {
    let policy: [UInt8]
    let others: [UInt8]?

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        if path == "policy.conf" { return policy }
        guard let others else { throw FileReadError(errno: ENOENT, path: path) }
        return others
    }
}

/// 2026-01-02T00:00:00Z, so that an input gives the same every day.
private let day: Int64 = 1_767_312_000

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let parts = UnsafeBufferPointer(start: start, count: count).split(
        separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    let files = InputFiles(
        policy: parts.first.map { Array($0) } ?? [], others: parts.count > 1 ? Array(parts[1]) : nil)
    let report = loadPolicy(path: "policy.conf", reader: files, now: day)
    _ = report.rendered(limit: .max)
    precondition((report.policy == nil) == (report.exitCode != 0), "a policy with errors, or neither")
    return 0
}
