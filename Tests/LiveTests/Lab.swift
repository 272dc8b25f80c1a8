// SPDX-License-Identifier: Apache-2.0
// Running the built command, and network namespaces to run it in.
import Foundation
import Testing

/// What a finished process left.
struct Outcome {
    var status: Int32
    var output: String
    var errors: String

    /// The standard output as one JSON object.
    func json() throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
        return try #require(value as? [String: Any], "\(output) \(errors)")
    }
}

/// The products of this build: the test bundle lies beside them.
let products = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
let binary: String = {
    let candidates = [
        products, URL(filePath: #filePath).appending(path: "../../../.build/debug").standardizedFileURL,
    ]
    let found = candidates.map { $0.appending(path: "xdpguard").path() }
    return found.first { FileManager.default.isExecutableFile(atPath: $0) } ?? "xdpguard"
}()

/// Runs a program to its end; at most 60 seconds.
func run(_ words: [String], environment: [String: String] = [:]) throws -> Outcome {
    let process = Process()
    let folder = FileManager.default.temporaryDirectory.appending(path: "xdpguard-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let names = ["out", "err"].map { folder.appending(path: $0) }
    for name in names { _ = FileManager.default.createFile(atPath: name.path(), contents: nil) }
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "60"] + words
    var inherited = ProcessInfo.processInfo.environment
    inherited["SSH_CONNECTION"] = nil
    inherited["PATH"] = (inherited["PATH"] ?? "") + ":/usr/sbin:/sbin"
    process.environment = inherited.merging(environment) { _, new in new }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: names[0])
    process.standardError = try FileHandle(forWritingTo: names[1])
    try process.run()
    process.waitUntilExit()
    let texts = try names.map { try String(contentsOf: $0, encoding: .utf8) }
    return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
}

/// A policy file that goes with its owner.
final class PolicyFile {
    let path: String

    init(_ rules: String, top: String = "default: drop") throws {
        path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).conf").path()
        let text = "policy: test\nstateful: false\nfragments: drop\n\(top)\n\(rules)\n"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Two network namespaces, "near" with the interfaces n0, n1 and "far" with f0, f1 on the other ends. They go
/// with their owner.
final class Lab {
    let near: String
    let far: String

    init() throws {
        let id = String(UUID().uuidString.prefix(8))
        near = "xgt-near-\(id)"
        far = "xgt-far-\(id)"
        for name in [near, far] { try ip("netns", "add", name) }
        for number in 0...1 {
            try ip(
                "-n", near, "link", "add", "n\(number)", "type", "veth", "peer", "name", "f\(number)",
                "netns", far)
            try ip("-n", near, "address", "add", "198.51.100.\(number * 16 + 1)/28", "dev", "n\(number)")
            try ip("-n", far, "address", "add", "198.51.100.\(number * 16 + 2)/28", "dev", "f\(number)")
            try ip("-n", near, "link", "set", "n\(number)", "up")
            try ip("-n", far, "link", "set", "f\(number)", "up")
        }
    }

    deinit {
        _ = try? guarding("detach")
        for name in [near, far] { _ = try? run(["ip", "netns", "delete", name]) }
    }

    func ip(_ words: String...) throws {
        let outcome = try run(["ip"] + words)
        try #require(outcome.status == 0, "ip \(words): \(outcome.errors)")
    }

    /// The command in the near namespace, where policies are applied.
    func guarding(_ words: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(["nsenter", "--net=/run/netns/\(near)", binary] + words, environment: environment)
    }

    /// Python in a namespace: sockets without a library of ours.
    func python(in name: String, _ text: String) throws -> String {
        let outcome = try run(["nsenter", "--net=/run/netns/\(name)", "python3", "-c", text])
        try #require(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
    }

    /// Sends datagrams from the far side to 198.51.100.1.
    func send(_ count: Int, port: Int) throws {
        _ = try python(
            in: far,
            """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for i in range(\(count)): s.sendto(b'x' * 10, ('198.51.100.1', \(port)))
            """)
    }

    func top() throws -> [String: Any] {
        try guarding("top", "--once", "--interval", "0.1", "--output", "json").json()
    }

    /// Packets that a rule has decided.
    func packets(_ rule: String) throws -> Int {
        let rules = try #require(try top()["rules"] as? [String: [String: Any]])
        return try #require(rules[rule]?["packets"] as? Int)
    }

    /// The ids of the programs on n0 and n1; 0 where there is none.
    func programs() throws -> [Int] {
        try ["n0", "n1"].map { name in
            let shown = try run(["ip", "-n", near, "-j", "-d", "link", "show", "dev", name]).output
            let links = try JSONSerialization.jsonObject(with: Data(shown.utf8)) as? [[String: Any]]
            let program = (links?.first?["xdp"] as? [String: Any])?["prog"] as? [String: Any]
            return program?["id"] as? Int ?? 0
        }
    }
}
