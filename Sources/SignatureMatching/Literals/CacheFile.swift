// SPDX-License-Identifier: Apache-2.0
// a path -> the file's bytes, and back: whole files only, replaced by a rename so that no reader sees
// half of one.

import Glibc

/// A cache file beyond this size is not read: the whole ET Open set takes a hundredth of it.
private let mostBytes = 1 << 30

/// The bytes of a regular file; nil where there is none, it cannot be read, or it is too large.
func readWholeFile(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var facts = stat()
    guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
        facts.st_size >= 0, facts.st_size <= mostBytes
    else { return nil }
    let size = Int(facts.st_size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = 0
        while count < size {
            let got = read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
    }
    return bytes.count == size ? bytes : nil
}

/// Writes a file beside `path` and renames it to there. Gives the failed operation with errno's text, or
/// nil.
func replaceFile(_ path: String, with bytes: [UInt8]) -> String? {
    let temporary = path + ".\(getpid()).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return "open \(temporary): \(errorText())" }
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes {
            write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        written += count
    }
    let failure = written < bytes.count ? "write \(temporary): \(errorText())" : nil
    close(descriptor)
    if failure == nil, rename(temporary, path) == 0 { return nil }
    let reason = failure ?? "rename \(temporary): \(errorText())"
    unlink(temporary)
    return reason
}

private func errorText() -> String { String(cString: strerror(errno)) }
