// SPDX-License-Identifier: Apache-2.0
// Data that others made, kept beside the checkout. In: a file's path, plain or gzip. Out: its bytes.
import Glibc

public enum SharedData {
    /// The folder beside the checkout, or beside the folder of a checkout; nil where there is none.
    public static let folder: String? = {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        return ["\(root)/../shared/data", "\(root)/../../shared/data"].first { access($0, R_OK) == 0 }
    }()

    /// Why tests that need it are skipped.
    public static let absence: StaticString = "no ../shared/data beside the checkout"

    /// The names of the files of a folder below it, sorted; none where there is no such folder.
    public static func files(in place: String) -> [String] {
        guard let folder, let directory = opendir("\(folder)/\(place)") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// The bytes of a file, unpacked where it is a gzip file.
    public static func bytes(_ path: String) throws(SharedDataError) -> [UInt8] {
        guard access(path, R_OK) == 0 else { throw SharedDataError(path, String(cString: strerror(errno))) }
        let quoted = path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
        // With -f, gzip hands on what it did not pack.
        guard let pipe = popen("gzip -dcf -- '\(quoted)'", "re") else {
            throw SharedDataError(path, "gzip does not run")
        }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = fread(&block, 1, block.count, pipe)
            if count == 0 { break }
            bytes += block[..<count]
        }
        guard pclose(pipe) == 0 else { throw SharedDataError(path, "gzip cannot unpack it") }
        return bytes
    }
}

/// A file that cannot be used.
public struct SharedDataError: Error, CustomStringConvertible {
    public let description: String

    init(_ path: String, line: Int? = nil, _ problem: String) {
        description = path + (line.map { ":\($0)" } ?? "") + ": " + problem
    }
}
