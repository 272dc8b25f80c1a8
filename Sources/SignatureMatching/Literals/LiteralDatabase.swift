// SPDX-License-Identifier: Apache-2.0
// literals of many signatures -> one Hyperscan database -> which of them a buffer holds, in one scan.

import CHyperscan
import Glibc

/// A byte string that a scan looks for.
struct Literal: Hashable, Sendable {
    var bytes: [UInt8]
    /// Whether ASCII letters match in either case.
    var caseless: Bool
}

/// Why a database could not be made or read.
enum LiteralDatabaseError: Error, Equatable {
    /// Hyperscan refused a literal; `index` is its place in the list, nil if it is the whole list's fault.
    case compile(index: Int?, reason: String)
    /// Hyperscan's error number for anything else.
    case library(Int32)
    /// It had to be there, and is not.
    case missing
}

/// Immutable once made: any number of workers may scan with it, each with its own scratch.
final class LiteralDatabase: @unchecked Sendable {
    fileprivate let handle: OpaquePointer
    /// How many literals it holds; they are numbered from 0.
    let count: Int

    /// Compiles a non-empty list. A literal's number is its index.
    init(_ literals: [Literal]) throws(LiteralDatabaseError) {
        // Hyperscan 5.4.0 reads before an empty literal instead of refusing it.
        if let empty = literals.firstIndex(where: \.bytes.isEmpty) {
            throw .compile(index: empty, reason: "an empty literal")
        }
        let lengths = literals.map(\.bytes.count)
        let joined = literals.flatMap(\.bytes)
        // Each literal reports once a scan: a frequent one must not cost more than a rare one.
        let flags = literals.map {
            UInt32(HS_FLAG_SINGLEMATCH) | ($0.caseless ? UInt32(HS_FLAG_CASELESS) : 0)
        }
        let numbers = literals.indices.map { UInt32(truncatingIfNeeded: $0) }
        var database: OpaquePointer?
        var failure: UnsafeMutablePointer<hs_compile_error_t>?
        let status = joined.withUnsafeBytes { bytes -> hs_error_t in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return HS_INVALID }
            var starts: [UnsafePointer<CChar>?] = []
            starts.reserveCapacity(lengths.count)
            var offset = 0
            for length in lengths {
                starts.append(base + offset)
                offset += length
            }
            return hs_compile_lit_multi(
                starts, flags, numbers, lengths, UInt32(truncatingIfNeeded: literals.count),
                UInt32(HS_MODE_BLOCK), nil, &database, &failure)
        }
        defer { hs_free_compile_error(failure) }
        guard status == HS_SUCCESS, let database else {
            guard let failure else { throw .library(status) }
            let index = Int(failure.pointee.expression)
            let reason = failure.pointee.message.map { String(cString: $0) } ?? "unknown"
            throw .compile(index: index >= 0 ? index : nil, reason: reason)
        }
        handle = database
        count = literals.count
    }

    /// From `serialized()`; an error for bytes of another version or processor, or damaged ones.
    init(serialized bytes: UnsafeRawBufferPointer, count: Int) throws(LiteralDatabaseError) {
        var database: OpaquePointer?
        let status = hs_deserialize_database(
            bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count, &database)
        guard status == HS_SUCCESS, let database else { throw .library(status) }
        handle = database
        self.count = count
    }

    deinit { hs_free_database(handle) }

    /// The database as bytes for the cache.
    func serialized() throws(LiteralDatabaseError) -> [UInt8] {
        var pointer: UnsafeMutablePointer<CChar>?
        var length = 0
        let status = hs_serialize_database(handle, &pointer, &length)
        guard status == HS_SUCCESS, let pointer else { throw .library(status) }
        defer { free(pointer) }
        return [UInt8](UnsafeRawBufferPointer(start: pointer, count: length))
    }

    /// The memory that the compiled tables take, in bytes.
    var byteCount: Int {
        var size = 0
        return hs_database_size(handle, &size) == HS_SUCCESS ? size : 0
    }

    /// Hyperscan's version text: part of the cache's digest.
    static var libraryVersion: String { hs_version().map { String(cString: $0) } ?? "" }
}

/// One literal found: its number, and where in the buffer its first occurrence ends.
struct LiteralHit {
    var literal: UInt32
    var end: UInt32
}

/// A worker's scratch space and list of hits; big enough for every database it was prepared for.
final class LiteralScanner {
    private var scratch: OpaquePointer?
    private let hits: UnsafeMutablePointer<HitList>

    init() {
        hits = .allocate(capacity: 1)
        hits.initialize(to: HitList())
    }

    deinit {
        hits.pointee.entries.deallocate()
        hits.deinitialize(count: 1)
        hits.deallocate()
        hs_free_scratch(scratch)
    }

    /// To be called for each database before it is scanned with.
    func prepare(for database: LiteralDatabase) throws(LiteralDatabaseError) {
        let status = hs_alloc_scratch(database.handle, &scratch)
        guard status == HS_SUCCESS else { throw .library(status) }
        hits.pointee.reserve(database.count)
    }

    /// The literals found in `bytes`, each once. The result is valid until the next scan.
    func scan(
        _ bytes: UnsafeRawBufferPointer, with database: LiteralDatabase
    ) -> UnsafeBufferPointer<LiteralHit> {
        hits.pointee.count = 0
        guard let base = bytes.baseAddress, bytes.count <= Int(Int32.max) else {
            return UnsafeBufferPointer(start: nil, count: 0)
        }
        // HS_SCAN_TERMINATED cannot come: the callback never asks to stop.
        _ = hs_scan(
            database.handle, base.assumingMemoryBound(to: CChar.self), UInt32(bytes.count), 0, scratch,
            noteHit, UnsafeMutableRawPointer(hits))
        return UnsafeBufferPointer(start: hits.pointee.entries, count: hits.pointee.count)
    }
}

/// Fixed memory for the hits of one scan, so that the callback allocates nothing.
private struct HitList {
    var entries: UnsafeMutablePointer<LiteralHit> = .allocate(capacity: 1)
    var count = 0
    var capacity = 1

    mutating func reserve(_ wanted: Int) {
        guard wanted > capacity else { return }
        entries.deallocate()
        entries = .allocate(capacity: wanted)
        capacity = wanted
        count = 0
    }
}

private let noteHit: match_event_handler = { literal, _, end, _, context in
    guard let list = context?.assumingMemoryBound(to: HitList.self) else { return 0 }
    let count = list.pointee.count
    // A literal reports once, so the list cannot be longer than the database; a guard costs nothing.
    guard count < list.pointee.capacity else { return 0 }
    list.pointee.entries[count] = LiteralHit(literal: literal, end: UInt32(truncatingIfNeeded: end))
    list.pointee.count = count &+ 1
    return 0
}
