// SPDX-License-Identifier: Apache-2.0
// The sandbox from inside: a process of its own enters it and tries the ways out for real.
import Foundation
import Sandbox
import TestSupport
import Testing

@Suite(.enabled(if: KernelTests.areWanted)) struct SandboxTests {
    /// The lines of `confined` by what stands before the colon.
    private func confined(_ words: [String]) throws -> (exit: Int32, lines: [String: String], errors: String)
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: BuiltProgram.path("confined"))
        process.arguments = words
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        var lines: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            lines[String(parts[0])] = parts.count == 2 ? String(parts[1].dropFirst()) : ""
        }
        return (process.terminationStatus, lines, complaint)
    }

    private static let waysOut = [
        "open a file", "list a folder", "make a file", "make a TCP socket", "make a packet socket",
        "make a unix socket", "use another descriptor", "make a process", "execute a program",
        "trace the parent", "signal the parent", "become root", "map code",
    ]
    private static let waysToMaps = ["write a map", "map a map", "make a map"]

    @Test func `in the sandbox no file, socket, process, program, code or map is to be had`() throws {
        let tried = try confined(["attempt"])
        #expect(tried.exit == 0, "\(tried.errors)")
        for way in Self.waysOut + Self.waysToMaps {
            #expect(tried.lines[way] == "EPERM", "\(way)")
        }
    }

    /// A layer by itself, and what it alone closes; what it does not close shows that the attempts work.
    struct LayerCase: CustomTestStringConvertible {
        var layers: [String]
        var closed: [String: String]
        var open: [String]
        var testDescription: String { layers.joined(separator: " and ") }
    }

    private static let layerCases = [
        LayerCase(
            layers: ["descriptors"], closed: ["use another descriptor": "EBADF"],
            open: [
                "open a file", "list a folder", "make a file", "make a TCP socket", "make a unix socket",
                "make a process", "become root", "map code", "write a map", "map a map",
                "signal the parent",
            ]),
        LayerCase(
            layers: ["landlock"],
            closed: ["open a file": "EACCES", "list a folder": "EACCES", "make a file": "EACCES"],
            open: ["make a TCP socket", "make a process", "map code"]),
        LayerCase(
            layers: ["privileges"],
            closed: [
                "become root": "EPERM", "make a packet socket": "EPERM", "trace the parent": "EPERM",
                "signal the parent": "EPERM", "make a map": "EPERM",
            ], open: ["open a file", "make a TCP socket", "make a process"]),
        LayerCase(
            layers: ["privileges", "limits"],
            closed: [
                "make a process": "EAGAIN", "open a file": "EMFILE", "make a unix socket": "EMFILE",
            ], open: ["map code"]),
    ]

    @Test(arguments: layerCases) func `a layer closes its ways even without the others`(_ layer: LayerCase)
        throws
    {
        let tried = try confined(["attempt"] + layer.layers)
        #expect(tried.exit == 0, "\(tried.errors)")
        for (way, code) in layer.closed { #expect(tried.lines[way] == code, "\(way)") }
        for way in layer.open { #expect(tried.lines[way] == "done", "\(way)") }
    }

    @Test func `in the sandbox memory, clocks and what is open go on working`() throws {
        let used = try confined(["may"])
        #expect(used.exit == 0, "\(used.errors)")
        #expect(used.lines["memory"] == "1048575")
        #expect(used.lines["dictionary"] == "1000")
        #expect(used.lines["clock"] == "true")
        #expect(used.lines["read"] == "0")
        #expect(used.lines["poll"] == "1")
    }

    @Test func `a process with a second thread does not enter, and says why`() throws {
        let tried = try confined(["threads"])
        #expect(tried.exit == 70)
        #expect(tried.errors.contains("has 2 threads and must have one"))
    }

    @Test func `outside of a sandbox the probe sees open calls`() {
        for probe in SandboxProbe.allCases { #expect(!probe.isRefused, "\(probe.rawValue)") }
    }

    @Test(arguments: [
        (UInt8(0), false, false, false), (1, true, false, false), (4, true, true, false),
        (6, true, true, true), (7, true, true, true),
    ]) func `a status tells what this kernel's Landlock closes`(
        version: UInt8, files: Bool, network: Bool, signals: Bool
    ) {
        let status = SandboxStatus(landlockVersion: version)
        #expect(status.closesFiles == files)
        #expect(status.closesNetwork == network)
        #expect(status.closesSignals == signals)
    }

    @Test(arguments: [
        (SandboxError.severalThreads(3), "has 3 threads and must have one"),
        (
            .unknownThreads(errno: 2),
            "/proc/self/task cannot be read (No such file or directory); mount /proc"
        ),
        (
            .refused(layer: "privileges", operation: "become user 65534", errno: 1),
            "privileges: cannot become user 65534: Operation not permitted"
        ), (.open("socket"), "the sandbox is open: socket was not refused"),
    ]) func `an error says which step failed and why`(_ error: SandboxError, _ text: String) {
        #expect(error.description.contains(text))
    }
}
