// SPDX-License-Identifier: Apache-2.0
// A policy's files as they were applied, kept with the program that runs them: whoever edits one has changed
// nothing until he applies it. In: the texts that `apply` read. Out: the same policy, at any time.
import Diagnostics
import Glibc
import PolicyLanguage

extension GenerationInfo {
    /// The policy's file, or one that it includes, as `apply` read it.
    public struct PolicyFile: Codable, Sendable, Hashable {
        /// From the root on; links are not followed, as what it includes stands beside the link.
        public var path: String
        /// Of its bytes.
        public var digest: UInt64
        /// Its text is among `texts`.
        public var isKept: Bool
    }

    /// Texts of one policy that are kept with its program; of more only the digest is.
    static let mostKeptBytes = 4 << 20

    /// - Parameter sources: the policy's file, then those that it includes.
    mutating func keep(_ sources: [SourceText], atMost most: Int = mostKeptBytes) {
        var room = most
        texts = []
        header.policyFiles = sources.map { source in
            let isKept = source.bytes.count <= room
            if isKept {
                room -= source.bytes.count
                texts.append(source.bytes)
            }
            return PolicyFile(
                path: pathFromRoot(source.path), digest: digest(source.bytes), isKept: isKept)
        }
    }
}

/// The policy as it was applied, whatever its files say by now; those of address sets are read as they are.
/// - Throws: `ServiceError` where that cannot be told any more.
func appliedPolicy(_ info: GenerationInfo, _ files: some FileReader) throws -> CheckedPolicy {
    let applied = try AppliedFiles(info, files)
    // What an earlier version applied is only known by the file's name.
    let path = info.header.policyFiles?.first?.path ?? info.header.file
    // What has ended since then is no reason to say so.
    let report = loadPolicy(
        path: path, reader: applied, now: info.header.appliedNanoseconds / 1_000_000_000)
    guard let policy = report.policy else {
        let first = report.diagnostics.first { $0.severity == .error }
        let words = first.map { ": \($0.range.source.path):\($0.range.line): \($0.message)" } ?? ""
        throw ServiceError(
            .wrongInput, "\(path) has errors since it was applied: correct and apply it\(words)")
    }
    return policy
}

/// What a policy that others than `apply` read again has to be.
func hasChanged(_ path: String) -> ServiceError {
    ServiceError(.wrongInput, "\(path) has changed since it was applied: apply it again")
}

/// A policy's own files as they were applied, and others as they are.
private struct AppliedFiles: FileReader {
    private var texts: [String: [UInt8]] = [:]
    private let others: any FileReader

    /// - Throws: `ServiceError` where a file of which only the digest is kept is another one.
    init(_ info: GenerationInfo, _ others: some FileReader) throws {
        self.others = others
        var kept = info.texts[...]
        for file in info.header.policyFiles ?? [] {
            if file.isKept, let text = kept.popFirst() {
                texts[file.path] = text
                continue
            }
            let text: [UInt8]
            do throws(FileReadError) {
                text = try others.read(file.path)
            } catch {
                throw ServiceError(
                    .noInput,
                    "cannot read \(file.path), which was applied: \(error.reason); put it back as it was, "
                        + "or apply another policy")
            }
            guard digest(text) == file.digest else { throw hasChanged(file.path) }
            texts[file.path] = text
        }
    }

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        guard let text = texts[path] else { return try others.read(path) }
        return text
    }
}

/// The path from the root on; links and ".." stay as they are.
func pathFromRoot(_ path: String) -> String {
    guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    return String(cString: folder) + "/" + path
}

/// FNV-1a: tells an edited file, and nobody who wants to deceive himself.
private func digest(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}
