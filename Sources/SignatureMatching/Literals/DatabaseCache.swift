// SPDX-License-Identifier: Apache-2.0
// lists of literals -> their databases: from a file named by their digest if there is one, else compiled,
// and kept for the next time.

import Glibc

/// Where compiled databases are kept: one file for a set of signatures.
public struct DatabaseCache: Sendable {
    /// The directory; it must exist. Files of other sets in it are left alone. Nil: the shelf is all.
    public var directory: String?
    /// Where databases are looked for first, and put once they are there.
    public var shelf: DatabaseShelf?
    private var compiles = true

    public init(directory: String) { self.directory = directory }

    /// Without files.
    /// - Parameter compiles: false: what the shelf does not have is an error, as to compile it takes long.
    public init(shelf: DatabaseShelf, compiles: Bool) {
        self.shelf = shelf
        self.compiles = compiles
    }

    /// What became of a cache file.
    public enum Outcome: Equatable, Sendable {
        /// No cache was asked for.
        case off
        /// The databases were read.
        case read
        /// There was no file; one was written.
        case written
        /// The file was damaged or of another library or processor; it was replaced.
        case replaced
        /// The databases were compiled and could not be kept: the operation and errno's text.
        case notWritten(String)
    }

    /// The databases of `lists`, in their order.
    func databases(
        for lists: [[Literal]]
    ) throws(LiteralDatabaseError) -> (databases: [LiteralDatabase], outcome: Outcome) {
        let digest = DatabaseCache.digest(of: lists)
        if let file = shelf?.file(digest),
            let found = DatabaseCache.decode(file, digest: digest, lists: lists)
        {
            return (found, .read)
        }
        guard compiles else { throw .missing }
        let path = directory.map { $0 + "/signatures-" + hexadecimal(digest) + ".hsdb" }
        let file = path.flatMap(readWholeFile)
        if let file, let found = DatabaseCache.decode(file, digest: digest, lists: lists) {
            shelf?.put(file, digest)
            return (found, .read)
        }
        let compiled = try DatabaseCache.compile(lists)
        let encoded = try DatabaseCache.encode(compiled, digest: digest)
        shelf?.put(encoded, digest)
        guard let path else { return (compiled, .off) }
        if let failure = replaceFile(path, with: encoded) { return (compiled, .notWritten(failure)) }
        return (compiled, file == nil ? .written : .replaced)
    }

    static func compile(_ lists: [[Literal]]) throws(LiteralDatabaseError) -> [LiteralDatabase] {
        var databases: [LiteralDatabase] = []
        for list in lists { databases.append(try LiteralDatabase(list)) }
        return databases
    }

    /// Over everything that a database depends on: the literals, their flags and order, and the library.
    static func digest(of lists: [[Literal]]) -> [UInt8] {
        var text = Array("xdpguard literals 1 \(LiteralDatabase.libraryVersion)\n".utf8)
        for list in lists {
            append(UInt64(list.count), to: &text)
            for literal in list {
                text.append(literal.caseless ? 1 : 0)
                append(UInt64(literal.bytes.count), to: &text)
                text += literal.bytes
            }
        }
        return text.withUnsafeBytes { Digest.sha256.of($0) }
    }

    /// The digest that a file is of; nil where it has none. Whether it is right is `decode`'s to say.
    static func digest(inFile file: [UInt8]) -> [UInt8]? {
        let end = magic.count + Digest.sha256.byteCount
        return file.count >= end ? Array(file[magic.count..<end]) : nil
    }

    private static let magic = Array("XGHSDB01".utf8)

    /// magic, digest of the literals, digest of the rest; of each database its length and bytes.
    static func encode(
        _ databases: [LiteralDatabase], digest: [UInt8]
    ) throws(LiteralDatabaseError) -> [UInt8] {
        var body: [UInt8] = []
        for database in databases {
            let bytes = try database.serialized()
            append(UInt64(bytes.count), to: &body)
            body += bytes
        }
        return magic + digest + body.withUnsafeBytes { Digest.sha256.of($0) } + body
    }

    /// Nil for anything that is not exactly what `encode` writes for these lists.
    static func decode(_ file: [UInt8], digest: [UInt8], lists: [[Literal]]) -> [LiteralDatabase]? {
        let header = magic.count + 2 * Digest.sha256.byteCount
        guard file.count >= header, file.starts(with: magic),
            file[magic.count..<magic.count + digest.count].elementsEqual(digest)
        else { return nil }
        return file.withUnsafeBytes { whole -> [LiteralDatabase]? in
            let body = UnsafeRawBufferPointer(rebasing: whole[header...])
            let written = whole[header - Digest.sha256.byteCount..<header]
            guard Digest.sha256.of(body).elementsEqual(written) else { return nil }
            return decodeBody(body, lists: lists)
        }
    }

    private static func decodeBody(
        _ body: UnsafeRawBufferPointer, lists: [[Literal]]
    ) -> [LiteralDatabase]? {
        var rest = body[...]
        var databases: [LiteralDatabase] = []
        for list in lists {
            guard rest.count >= 8 else { return nil }
            let length = rest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(8)
            guard length <= UInt64(rest.count) else { return nil }
            let bytes = UnsafeRawBufferPointer(rebasing: rest.prefix(Int(length)))
            guard let database = try? LiteralDatabase(serialized: bytes, count: list.count) else {
                return nil
            }
            databases.append(database)
            rest = rest.dropFirst(Int(length))
        }
        return rest.isEmpty ? databases : nil
    }
}

private func append(_ number: UInt64, to bytes: inout [UInt8]) {
    for shift in stride(from: UInt64(56), through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
}

/// Lower-case hexadecimal digits of `bytes`.
func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
        decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
