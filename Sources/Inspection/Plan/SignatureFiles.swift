// SPDX-License-Identifier: Apache-2.0
// The files that an inspector's `signatures` name. In: a path or glob as the policy spells it, and the file
// that it stands in. Out: the files' paths, sorted, and their bytes.
import Glibc
import PolicyLanguage

/// Where signature files come from.
public protocol PlanFiles: FileReader {
    /// The files that a path or glob means, which stands in the file `namer`.
    func paths(_ pattern: String, namedIn namer: String) -> [String]

    /// The same for all paths of one file.
    func identity(of path: String) -> String
}

/// Files of this machine.
public struct DiskFiles: PlanFiles {
    public init() {}

    public func paths(_ pattern: String, namedIn namer: String) -> [String] {
        signatureFiles(pattern, namedIn: namer)
    }

    public func read(_ path: String) throws(FileReadError) -> [UInt8] { try DiskReader().read(path) }

    public func identity(of path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}

/// The files that a path or glob means; empty where there is none.
/// - Parameters:
///   - pattern: relative to the folder of `namer`, or absolute.
///   - namer: the path of the file that names it.
public func signatureFiles(_ pattern: String, namedIn namer: String) -> [String] {
    var full = pattern
    if !pattern.hasPrefix("/"), let slash = namer.lastIndex(of: "/") {
        // What is special in the folder's own name is not meant as a glob.
        full = namer[...slash].map { "*?[\\".contains($0) ? "\\\($0)" : String($0) }.joined() + pattern
    }
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(full, GLOB_BRACE, nil, &found) == 0, let paths = found.gl_pathv else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { paths[$0].map { String(cString: $0) } }
}

/// All files with signatures that an inspector names, those with thresholds left out.
public func signatureFiles(of inspector: PolicyLanguage.Inspector) -> [String] {
    var seen: Set<String> = []
    return inspector.signatures.flatMap { pattern in
        let range = inspector.ranges[pattern] ?? inspector.range
        return signatureFiles(pattern, namedIn: range.source.path)
    }.filter { !isThresholdFile($0) && seen.insert(DiskFiles().identity(of: $0)).inserted }
}

/// Suricata's threshold.config, and whatever else ends like it.
public func isThresholdFile(_ path: String) -> Bool { path.hasSuffix(".config") }
