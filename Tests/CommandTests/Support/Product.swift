// SPDX-License-Identifier: Apache-2.0
// The built command that the tests run, and files for it to read.
import Foundation

/// The `xdpguard` that was built beside the test bundle.
enum Product {
    static let path: String = {
        // The bundle runs itself, or a helper of the toolchain loads the one that is named.
        let words = CommandLine.arguments
        let named = words.firstIndex(of: "--test-bundle-path").map { words[$0 + 1] }
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folders = [named, own].compactMap { $0 }.map { ($0 as NSString).deletingLastPathComponent }
        let candidates = (folders + [".build/debug"]).map { $0 + "/xdpguard" }
        return candidates.first { access($0, X_OK) == 0 } ?? "xdpguard"
    }()

    /// Runs it with arguments.
    static func run(_ words: String..., environment: [String: String] = [:]) throws -> Outcome {
        try CommandTests.run([path] + words, environment: environment)
    }

    /// Runs it as a user without any privileges, from a copy that this user can reach.
    static func runUnprivileged(_ words: String...) throws -> Outcome { try runUnprivileged(words) }

    static func runUnprivileged(_ words: [String]) throws -> Outcome {
        let folder = try TemporaryFolder()
        let copy = try folder.program(path, as: "xdpguard")
        let user = getuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        return try CommandTests.run(user + [copy] + words)
    }
}

/// A folder that every user can read and that goes with the object.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/xdpguard-test.XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ChildError.notStarted("mkdtemp", "no folder") }
        path = String(cString: made)
        chmod(path, 0o755)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file.
    /// - Returns: its path.
    @discardableResult
    func file(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
        return path + "/" + name
    }

    /// Copies a program. Another process does it: a file that this one has open for writing could not be
    /// run while a child of another test holds it too.
    func program(_ source: String, as name: String) throws -> String {
        try prepare("install", "-m", "755", source, path + "/" + name)
        return path + "/" + name
    }
}
