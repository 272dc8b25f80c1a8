// SPDX-License-Identifier: Apache-2.0
// Signatures on their way from files to a worker that has none: what a process with files read for a policy's
// inspectors, and what it compiled, in one run of bytes; and the same as files again.
import Inspection
import PolicyLanguage
import SignatureMatching
import Synchronization

/// Reads files of this machine, and remembers what it gave.
final class NotedFiles: PlanFiles {
    private let noted = Mutex(InspectionBundle())
    private let files = DiskFiles()

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        let bytes = try files.read(path)
        noted.withLock { $0.contents[path] = bytes }
        return bytes
    }

    func paths(_ pattern: String, namedIn namer: String) -> [String] {
        let paths = files.paths(pattern, namedIn: namer)
        noted.withLock { $0.listings[InspectionBundle.key(pattern, namer)] = paths }
        return paths
    }

    func identity(of path: String) -> String {
        let identity = files.identity(of: path)
        noted.withLock { $0.identities[path] = identity }
        return identity
    }

    /// - Parameter databases: those that were compiled from the files.
    func bundle(with databases: DatabaseShelf) -> InspectionBundle {
        var bundle = noted.withLock { $0 }
        bundle.databases = databases.files
        return bundle
    }
}

/// Files that were read, what globs meant, and compiled databases.
struct InspectionBundle: PlanFiles {
    /// Which flows the signatures need, by the inspectors' positions, each a struct guard_sample_scope: for
    /// the controller, once the worker has changed over.
    var scopes: [[UInt8]] = []
    /// Of the generation that they are of, which may be another than the worker began with.
    var description: [UInt8] = []
    var contents: [String: [UInt8]] = [:]
    var listings: [String: [String]] = [:]
    var identities: [String: String] = [:]
    var databases: [[UInt8]] = []

    /// Bytes of a bundle: signatures and databases of some hundred thousand signatures.
    static let mostBytes = 1 << 30

    static func key(_ pattern: String, _ namer: String) -> String { pattern + "\u{0}" + namer }

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        guard let bytes = contents[path] else {
            // ENOENT: it was not there when the bundle was made.
            throw FileReadError(errno: 2, path: path)
        }
        return bytes
    }

    func paths(_ pattern: String, namedIn namer: String) -> [String] {
        listings[Self.key(pattern, namer)] ?? []
    }

    func identity(of path: String) -> String { identities[path] ?? path }

    func encoded() -> [UInt8] {
        var writer = DescriptionWriter()
        writer.append(UInt32(scopes.count))
        for scope in scopes { writer.append(scope) }
        writer.append(description)
        writer.append(UInt32(contents.count))
        for (path, bytes) in contents {
            writer.append(Array(path.utf8))
            writer.append(bytes)
        }
        writer.append(UInt32(listings.count))
        for (key, paths) in listings {
            writer.append(Array(key.utf8))
            writer.append(UInt32(paths.count))
            for path in paths { writer.append(Array(path.utf8)) }
        }
        writer.append(UInt32(identities.count))
        for (path, identity) in identities {
            writer.append(Array(path.utf8))
            writer.append(Array(identity.utf8))
        }
        writer.append(UInt32(databases.count))
        for bytes in databases { writer.append(bytes) }
        return writer.bytes
    }

    /// The scopes alone; none of bytes that no `encoded` made.
    static func scopes(of bytes: [UInt8]) -> [[UInt8]] {
        var reader = DescriptionReader(bytes: bytes)
        return reader.blocks() ?? []
    }

    /// Nil for bytes that no `encoded` made.
    static func decoded(_ bytes: [UInt8]) -> InspectionBundle? {
        var reader = DescriptionReader(bytes: bytes)
        var bundle = InspectionBundle()
        guard let scopes = reader.blocks() else { return nil }
        bundle.scopes = scopes
        guard let description = reader.block() else { return nil }
        bundle.description = Array(description)
        guard let files = reader.number(UInt32.self) else { return nil }
        for _ in 0..<files {
            guard let path = reader.text(), let contents = reader.block() else { return nil }
            bundle.contents[path] = Array(contents)
        }
        guard let listings = reader.number(UInt32.self) else { return nil }
        for _ in 0..<listings {
            guard let key = reader.text(), let count = reader.number(UInt32.self) else { return nil }
            var paths: [String] = []
            for _ in 0..<count {
                guard let path = reader.text() else { return nil }
                paths.append(path)
            }
            bundle.listings[key] = paths
        }
        guard let identities = reader.number(UInt32.self) else { return nil }
        for _ in 0..<identities {
            guard let path = reader.text(), let identity = reader.text() else { return nil }
            bundle.identities[path] = identity
        }
        guard let databases = reader.blocks() else { return nil }
        bundle.databases = databases
        return reader.isAtEnd ? bundle : nil
    }
}

extension DescriptionReader {
    /// A count, and so many runs of bytes.
    fileprivate mutating func blocks() -> [[UInt8]]? {
        guard let count = number(UInt32.self) else { return nil }
        var found: [[UInt8]] = []
        for _ in 0..<count {
            guard let bytes = block() else { return nil }
            found.append(Array(bytes))
        }
        return found
    }

    fileprivate mutating func text() -> String? { block().map { String(decoding: $0, as: UTF8.self) } }
}
