// SPDX-License-Identifier: Apache-2.0
// Frames of captures, to be broken. In: the folder of captures. Out: frames of each one that can be read.
import Capture
import Glibc

enum CapturedFrames {
    /// Larger frames say no more to a reader of headers.
    private static let longest = 1600
    /// Of one capture, so that a long one does not stand for all.
    private static let mostOfOne = 300

    /// Where they are kept for a checkout that is the working folder.
    static var besideCheckout: String {
        let places = ["../shared/data", "../../shared/data"]
        return places.first { access($0, R_OK) == 0 } ?? places[0]
    }

    /// The frames of malformed packets and tunnels; none where there is no such folder.
    static func read(below data: String) -> [[UInt8]] {
        let folders = ["malformed", "encapsulation"].map { "\(data)/\($0)" }
        return folders.flatMap(files(below:)).sorted().flatMap(frames(of:))
    }

    private static func frames(of path: String) -> [[UInt8]] {
        guard var reader = try? CaptureReader(path: path) else { return [] }
        var frames: [[UInt8]] = []
        while frames.count < mostOfOne, let next = try? reader.next() {
            if next.bytes.count <= longest { frames.append(Array(next.bytes)) }
        }
        return frames
    }

    private static func files(below folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(folder)/\(name)"
            if name.hasPrefix(".") { continue }
            if entry.pointee.d_type == UInt8(DT_DIR) {
                found += files(below: path)
            } else if [".pcap", ".pcapng", ".cap"].contains(where: name.hasSuffix) {
                found.append(path)
            }
        }
        return found
    }
}
