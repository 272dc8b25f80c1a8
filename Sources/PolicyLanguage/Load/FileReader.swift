// SPDX-License-Identifier: Apache-2.0
// Where policies, included files and set files come from: a path in, its bytes or the system's refusal out.
import Glibc

/// A file that could not be read.
public struct FileReadError: Error, Hashable, Sendable {
    /// The system's error number, as in ENOENT.
    public var errno: Int32
    public var path: String
    /// In place of the system's words.
    private let words: String?

    public init(errno: Int32, path: String, words: String? = nil) {
        self.errno = errno
        self.path = path
        self.words = words
    }

    /// The system's words, as in "No such file or directory", unless there are better ones.
    public var reason: String { words ?? String(cString: strerror(errno)) }
}

/// Reads whole files.
public protocol FileReader: Sendable {
    func read(_ path: String) throws(FileReadError) -> [UInt8]
}

/// Files of this machine, of at most 1 GiB; pipes and devices are read to their end.
public struct DiskReader: FileReader {
    private static let mostBytes = 1 << 30

    public init() {}

    public func read(_ path: String) throws(FileReadError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw FileReadError(errno: Glibc.errno, path: path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw FileReadError(errno: Glibc.errno, path: path) }
        if status.st_mode & S_IFMT == S_IFDIR { throw FileReadError(errno: EISDIR, path: path) }
        if Int(status.st_size) > Self.mostBytes { throw FileReadError(errno: EFBIG, path: path) }
        return try contents(of: file, expected: Int(status.st_size), path)
    }

    private func contents(of file: Int32, expected: Int, _ path: String) throws(FileReadError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(expected)
        // One byte more than expected, so that an ordinary file is read by one call and its end by a
        // second.
        var buffer = [UInt8](repeating: 0, count: min(max(expected + 1, 4096), 1 << 20))
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, Glibc.errno == EINTR { continue }
            guard count >= 0 else { throw FileReadError(errno: Glibc.errno, path: path) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            if bytes.count > Self.mostBytes { throw FileReadError(errno: EFBIG, path: path) }
        }
    }
}

/// The path that `path` means in a file at `namer`: relative to that file's folder.
func resolvePath(_ path: String, in namer: String) -> String {
    guard !path.hasPrefix("/"), let slash = namer.lastIndex(of: "/") else { return path }
    return namer[...slash] + path
}

/// The path without "." and "x/..", to tell whether two paths name the same file. Links are not followed.
func normalisedPath(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
        if part == "..", let last = parts.last, last != ".." {
            parts.removeLast()
        } else {
            parts.append(part)
        }
    }
    return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
}

/// The file's name without folder and extension: "web-server" of "policies/web-server.conf".
func fileStem(_ path: String) -> String {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return String(name) }
    return String(name[..<dot])
}
