// SPDX-License-Identifier: Apache-2.0
// Which signature files the running policy's inspectors name. In: the kernel's description of what runs. Out:
// paths.
import Inspection
import PolicyLanguage

/// The signature files of the running policy's inspectors as they are now, each once, in the policy's order.
/// - Throws: `ServiceError` where nothing runs, or its policy cannot be told any more.
public func runningSignatureFiles() throws -> [String] {
    try requirePrivileges(for: "signatures without files")
    let command = "look at its signatures; or name files"
    let (datapath, _) = try openInstance(for: command)
    guard let info = try runningInfo(datapath) else { throw nothingRuns(command) }
    let path = info.header.file
    let policy = try appliedPolicy(info, DiskReader())
    var seen: Set<String> = []
    let files = policy.inspectors.flatMap(signatureFiles(of:)).filter { seen.insert($0).inserted }
    guard !files.isEmpty else {
        throw ServiceError(.noInput, "no inspector of \(path) names a signature file; name files to look at")
    }
    return files
}
