// SPDX-License-Identifier: Apache-2.0
// compiled databases in memory, by their digest: on their way from a process with files to one without.

import Synchronization

/// Databases as their files have them.
public final class DatabaseShelf: Sendable {
    private let byDigest = Mutex<[[UInt8]: [UInt8]]>([:])

    /// - Parameter files: as `files` of another shelf gave them.
    public init(_ files: [[UInt8]] = []) {
        for file in files {
            if let digest = DatabaseCache.digest(inFile: file) { put(file, digest) }
        }
    }

    /// In no order.
    public var files: [[UInt8]] { byDigest.withLock { Array($0.values) } }

    func file(_ digest: [UInt8]) -> [UInt8]? { byDigest.withLock { $0[digest] } }

    func put(_ file: [UInt8], _ digest: [UInt8]) { byDigest.withLock { $0[digest] = file } }
}
