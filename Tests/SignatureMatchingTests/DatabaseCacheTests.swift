// SPDX-License-Identifier: Apache-2.0
// The cache on disk: read when it fits, replaced when it does not, never believed when damaged.

import Glibc
import Testing

@testable import SignatureMatching

private let lists = [
    [Literal(bytes: Array("evil".utf8), caseless: true), Literal(bytes: [0, 1, 2], caseless: false)],
    [Literal(bytes: Array("other".utf8), caseless: false)],
]

/// A directory of its own for one test, removed afterwards.
private func inTemporaryDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/xdpguard-cache-XXXXXX".utf8CString)
    let made = try #require(
        template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }
        })
    let directory = String(cString: made)
    defer {
        for name in names(in: directory) { unlink(directory + "/" + name) }
        rmdir(directory)
    }
    try body(directory)
}

private func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var found: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { found.append(name) }
    }
    return found
}

private func works(_ databases: [LiteralDatabase]) throws -> Bool {
    let scanner = LiteralScanner()
    for database in databases { try scanner.prepare(for: database) }
    let text = Array("some EVIL other".utf8)
    let counts = text.withUnsafeBytes { bytes in
        databases.map { scanner.scan(bytes, with: $0).count }
    }
    return counts == [1, 1]
}

@Test func `the second load reads what the first one wrote`() throws {
    try inTemporaryDirectory { directory in
        let cache = DatabaseCache(directory: directory)
        let first = try cache.databases(for: lists)
        let second = try cache.databases(for: lists)
        #expect(first.outcome == .written)
        #expect(second.outcome == .read)
        #expect(try works(first.databases) && works(second.databases))
        #expect(names(in: directory).count == 1, "no temporary file stays")
    }
}

@Test func `other literals have another file`() throws {
    try inTemporaryDirectory { directory in
        let cache = DatabaseCache(directory: directory)
        _ = try cache.databases(for: lists)
        var changed = lists
        changed[0][0].caseless = false
        #expect(try cache.databases(for: changed).outcome == .written)
        #expect(try cache.databases(for: lists.reversed()).outcome == .written)
        #expect(names(in: directory).count == 3)
    }
}

@Test func `a file with one byte changed anywhere is rebuilt`() throws {
    try inTemporaryDirectory { directory in
        let cache = DatabaseCache(directory: directory)
        _ = try cache.databases(for: lists)
        let path = try directory + "/" + #require(names(in: directory).first)
        let good = try #require(readWholeFile(path))
        for index in stride(from: 0, to: good.count, by: max(1, good.count / 61)) {
            var bad = good
            bad[index] ^= 0x40
            #expect(replaceFile(path, with: bad) == nil)
            let again = try cache.databases(for: lists)
            #expect(again.outcome == .replaced, "byte \(index)")
            #expect(try works(again.databases))
        }
        #expect(readWholeFile(path) == good)
    }
}

@Test(arguments: [0, 1, 7, 8, 39, 40, 72, 80, 100])
func `a file that was cut short is rebuilt`(_ length: Int) throws {
    try inTemporaryDirectory { directory in
        let cache = DatabaseCache(directory: directory)
        _ = try cache.databases(for: lists)
        let path = try directory + "/" + #require(names(in: directory).first)
        let good = try #require(readWholeFile(path))
        #expect(replaceFile(path, with: Array(good.prefix(length))) == nil)
        #expect(try cache.databases(for: lists).outcome == .replaced)
    }
}

@Test func `a directory that is not there costs the cache, not the load`() throws {
    let (databases, outcome) = try DatabaseCache(directory: "/nonexistent").databases(for: lists)
    guard case .notWritten(let reason) = outcome else {
        Issue.record("unexpected outcome \(outcome)")
        return
    }
    #expect(reason.hasPrefix("open /nonexistent/"))
    #expect(reason.hasSuffix("No such file or directory"))
    #expect(try works(databases))
}

struct DigestCase: Sendable {
    var digest: Digest
    var text: String
    var expected: String
}

// The examples of RFC 1321, FIPS 180 and the empty message.
@Test(arguments: [
    DigestCase(digest: .md5, text: "abc", expected: "900150983cd24fb0d6963f7d28e17f72"),
    DigestCase(digest: .md5, text: "", expected: "d41d8cd98f00b204e9800998ecf8427e"),
    DigestCase(digest: .sha1, text: "abc", expected: "a9993e364706816aba3e25717850c26c9cd0d89d"),
    DigestCase(
        digest: .sha256, text: "abc",
        expected: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
])
func `digests are those of the standards`(_ given: DigestCase) {
    let digest = Array(given.text.utf8).withUnsafeBytes { given.digest.of($0) }
    #expect(hexadecimal(digest) == given.expected)
}

@Test func `a process without files has what one with files read or compiled, and compiles nothing`() throws {
    try inTemporaryDirectory { directory in
        for expected in [DatabaseCache.Outcome.written, .read] {
            var cache = DatabaseCache(directory: directory)
            let shelf = DatabaseShelf()
            cache.shelf = shelf
            #expect(try cache.databases(for: lists).outcome == expected)
            let other = DatabaseCache(shelf: DatabaseShelf(shelf.files), compiles: false)
            let (databases, outcome) = try other.databases(for: lists)
            #expect(outcome == .read)
            #expect(try works(databases))
            var changed = lists
            changed[0][0].caseless = false
            #expect(throws: LiteralDatabaseError.missing) { try other.databases(for: changed) }
        }
    }
    let damaged = DatabaseCache(shelf: DatabaseShelf([[1, 2, 3]]), compiles: false)
    #expect(throws: LiteralDatabaseError.missing) { try damaged.databases(for: lists) }
}
