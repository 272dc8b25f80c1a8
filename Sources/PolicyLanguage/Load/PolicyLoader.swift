// SPDX-License-Identifier: Apache-2.0
// The whole language in one call: a policy's path in, files read, documents parsed, names checked; the
// checked policy or every diagnostic out.
import Diagnostics
import Glibc

/// What loading has just finished: a file's text is a tree of nodes, its tree is definitions; with all files,
/// their rules are parsed and all is checked.
public enum LoadStep: String, Sendable { case read, parse, check }

/// Reads, parses and checks a policy and every file that it names.
/// - Parameters:
///   - path: as the user gave it; messages show it so.
///   - now: seconds since 1970-01-01T00:00Z, for `expires:` that is past; nil: the system's clock.
///   - finished: is told of each step, to measure it.
public func loadPolicy(
    path: String, reader: some FileReader = DiskReader(), now: Int64? = nil,
    finished: @escaping (LoadStep) -> Void = { _ in }
) -> PolicyReport {
    var loader = PolicyLoader(reader: reader, finished: finished)
    guard let main = loader.load(path, isIncluded: false, namedAt: nil) else {
        return PolicyReport(policy: nil, unsorted: loader.diagnostics)
    }
    let seconds = now ?? Int64(time(nil))
    var checker = PolicyChecker(main, including: loader.included, reader: reader, now: seconds)
    checker.hasErrors = loader.diagnostics.contains { $0.severity == .error }
    let policy = checker.check()
    finished(.check)
    let all = loader.diagnostics + checker.ruleDiagnostics + checker.diagnostics
    let failed = all.contains { $0.severity == .error }
    var report = PolicyReport(policy: failed ? nil : policy, unsorted: all)
    report.sources = loader.sources
    return report
}

/// Reads files and those that they include, each once.
struct PolicyLoader {
    private(set) var diagnostics: [Diagnostic] = []
    /// In the order in which their rules stand.
    private(set) var included: [PolicyAST] = []
    /// Each file that could be read, in the order of reading.
    private(set) var sources: [SourceText] = []
    private let reader: any FileReader
    private let finished: (LoadStep) -> Void
    private var known: Set<String> = []
    /// The files that are being read, each named by the one before it.
    private var chain: [String] = []

    /// Links can hide that a file includes itself.
    private static let deepest = 32

    init(reader: any FileReader, finished: @escaping (LoadStep) -> Void) {
        self.reader = reader
        self.finished = finished
    }

    mutating func load(_ path: String, isIncluded: Bool, namedAt place: SourceRange?) -> PolicyAST? {
        let bytes: [UInt8]
        do throws(FileReadError) {
            bytes = try reader.read(path)
        } catch {
            diagnostics.append(cannotRead(error, namedAt: place))
            return nil
        }
        let source = SourceText(path: path, bytes: bytes)
        sources.append(source)
        let (root, problems) = readDocument(source)
        diagnostics += problems
        guard let root else { return nil }
        finished(.read)
        var (ast, found) = PolicyParser.parse(root, isIncluded: isIncluded)
        finished(.parse)
        ast.spokenOf = Set(problems.map(\.range.start))
        diagnostics += ast.unspoken(found)
        chain.append(path)
        known.insert(normalisedPath(path))
        for include in ast.includes { self.include(include, from: path) }
        chain.removeLast()
        return ast
    }

    private mutating func include(_ include: Positioned<String>, from namer: String) {
        let path = resolvePath(include.value, in: namer)
        let identity = normalisedPath(path)
        if let start = chain.firstIndex(where: { normalisedPath($0) == identity }) {
            let cycle = (chain[start...] + [path]).map(normalisedPath).joined(separator: " -> ")
            return report("include-cycle", "'\(include.value)' includes itself: \(cycle)", include.range)
        }
        guard chain.count < Self.deepest else {
            return report("too-deep", "more than \(Self.deepest) files include each other", include.range)
        }
        guard !known.contains(identity) else { return }
        known.insert(identity)
        guard let ast = load(path, isIncluded: true, namedAt: include.range) else { return }
        included.append(ast)
    }

    private mutating func report(_ id: String, _ message: String, _ range: SourceRange) {
        diagnostics.append(Diagnostic(id: id, message, at: range, help: "remove one of the includes"))
    }
}

/// A file that cannot be read: told where it is named, or of the file itself where no file names it.
func cannotRead(_ error: FileReadError, namedAt place: SourceRange?) -> Diagnostic {
    guard let place else {
        let nothing = SourceText(path: error.path, bytes: [])
        return Diagnostic(
            id: unreadableFile, "cannot read: \(error.reason)", at: SourceRange(nothing, 0, 0),
            isOfWholeFile: true)
    }
    return Diagnostic(
        id: unreadableFile, "cannot read '\(error.path)': \(error.reason)", at: place,
        help: "paths are relative to the file that names them")
}
