// SPDX-License-Identifier: Apache-2.0
// Executables that were built beside the test bundle.
import Glibc

public enum BuiltProgram {
    /// The path of an executable product or target of this package; its bare name where it was not built.
    public static func path(_ name: String) -> String {
        // The bundle runs itself, or a helper of the toolchain loads the one that is named.
        let words = CommandLine.arguments
        let named = words.firstIndex(of: "--test-bundle-path").flatMap { index in
            words.indices.contains(index + 1) ? words[index + 1] : nil
        }
        let folders = [named, own()].compactMap { $0 }.map { path in
            path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        }
        let candidates = (folders + [".build/debug"]).map { $0 + "/" + name }
        return candidates.first { access($0, X_OK) == 0 } ?? name
    }

    private static func own() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map {
                readlink("/proc/self/exe", $0.assumingMemoryBound(to: CChar.self), bytes.count)
            } ?? -1
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
