// SPDX-License-Identifier: Apache-2.0
// An open file with memory to read ahead. In: a stream of the C library. Out: the same one, which asks the
// kernel once for many packets.

import Glibc

/// Closes its file, unless what reads it does.
final class BufferedFile {
    let file: UnsafeMutablePointer<FILE>
    /// Whoever closes it does so before this goes.
    var isClosedByReader = false
    private let memory: UnsafeMutablePointer<CChar>
    private static let byteCount = 1 << 16

    init(_ file: UnsafeMutablePointer<FILE>) {
        self.file = file
        memory = .allocate(capacity: Self.byteCount)
        // Without memory of the caller's glibc keeps to its own 4 KiB: a system call for every few packets.
        setvbuf(file, memory, _IOFBF, Self.byteCount)
    }

    deinit {
        if !isClosedByReader { fclose(file) }
        memory.deallocate()
    }
}
