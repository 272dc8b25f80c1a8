// SPDX-License-Identifier: Apache-2.0
// The native datapath under AddressSanitizer and UndefinedBehaviorSanitizer: random policies and frames are
// written to a file, and a build of its own judges them.
import Dataplane
import Foundation
import GuardABI
import MapCompiler
import PolicyLanguage
import TestSupport
import Testing

struct SanitizerTests {
    @Test func `random frames in allocations of their size are judged without a finding`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        let folder = FileManager.default.temporaryDirectory.appending(path: "xdpguard-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = folder.appending(path: "judge").path
        let built = try run("clang", buildArguments(program))
        try #require(
            built.status == 0, "the sanitized build failed (clang of the toolchain): \(built.output)")

        let input = folder.appending(path: "input")
        try Data(situations(seed: seed, policies: 60, frames: 500)).write(to: input)
        let judged = try run(program, [input.path])
        #expect(judged.status == 0 && judged.output == "30000\n", "seed \(seed): \(judged.output)")
    }

    private func buildArguments(_ program: String) -> [String] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = tests.deletingLastPathComponent().deletingLastPathComponent()
        let native = root.appending(path: "Sources/NativeDatapath").path
        return [
            "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra",
            "-Werror", "-Wno-unused-parameter", "-I\(native)/shims", "-I\(native)/include",
            "-I\(root.path)/xdp", "\(native)/native.c", "\(native)/bans.c", "\(native)/flows.c",
            tests.appending(path: "sanitized/judge.c").path, "-o", program,
        ]
    }

    /// Runs a program found by PATH; its status with both of its outputs.
    private func run(_ name: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    /// The file that judge.c reads.
    private func situations(seed: UInt64, policies: Int, frames: Int) throws -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var bytes = number(policies)
        for _ in 0..<policies {
            let situation = RandomSituation(seed: random.next(), frames: frames)
            let policy = try situation.draft.load()
            var target = CompileTarget()
            target.isReplay = true
            target.interfaces = [.init(name: "veth0", index: 1), .init(name: "lo", index: 2)]
            let image = try compile(policy, for: target)
            bytes += raw(image.config) + number(image.tables.count) + image.tables
            bytes += number(image.addresses.count) + image.addresses
            bytes += number(situation.bans.count) + situation.bans.flatMap { raw(guard_ban_key($0)) }
            bytes += number(frames)
            for frame in situation.frames {
                let linear = random.chance(50) ? frame.bytes.count : random.pick([0, 1, 14, 30, 40, 60, 80])
                bytes += number(Int(frame.timeNanoseconds)) + number(random.pick([0, 1, 2]))
                bytes += number(linear) + number(frame.bytes.count) + frame.bytes
            }
        }
        return bytes
    }

    private func number(_ value: Int) -> [UInt8] { raw(UInt64(value)) }

    private func raw<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
}
