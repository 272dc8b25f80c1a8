// SPDX-License-Identifier: Apache-2.0
// The file of events: whole lines in order, moved away and opened anew, read slowly, on a full disk.
import Foundation
import Testing

@testable import Service

@Suite struct EventFileTests {
    private let folder: String

    init() throws {
        var template = Array("/tmp/xdpguard-events.XXXXXX".utf8CString)
        folder = String(cString: try #require(mkdtemp(&template)))
    }

    private func path(_ name: String) -> String { folder + "/" + name }
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    private func text(of name: String) -> String? { try? String(contentsOfFile: path(name), encoding: .utf8) }
    private func finish() { try? FileManager.default.removeItem(atPath: folder) }

    @Test func `lines are appended to what the file has`() throws {
        defer { finish() }
        try "{\"old\":1}\n".write(toFile: path("eve.json"), atomically: false, encoding: .utf8)
        let file = try EventFile(path("eve.json"))
        file.write(bytes("{\"a\":1}\n{\"b\":2}\n"))
        file.write(bytes("{\"c\":3}\n"))
        #expect(text(of: "eve.json") == "{\"old\":1}\n{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n")
        #expect(file.written == 3)
        #expect(file.lost == 0)
        #expect(file.waitsFor == -1)
    }

    @Test func `a file that was moved away is opened anew, and no line is torn or lost`() throws {
        defer { finish() }
        let file = try EventFile(path("eve.json"))
        file.write(bytes("{\"a\":1}\n"))
        #expect(rename(path("eve.json"), path("eve.json.1")) == 0)
        file.write(bytes("{\"b\":2}\n"))
        try file.reopen()
        file.write(bytes("{\"c\":3}\n"))
        #expect(text(of: "eve.json.1") == "{\"a\":1}\n{\"b\":2}\n")
        #expect(text(of: "eve.json") == "{\"c\":3}\n")
        #expect(file.written == 3)
    }

    @Test func `a folder that is gone leaves the old file in use`() throws {
        defer { finish() }
        let file = try EventFile(path("eve.json"))
        #expect(rename(folder, folder + ".moved") == 0)
        defer { try? FileManager.default.removeItem(atPath: folder + ".moved") }
        #expect(throws: ServiceError.self) { try file.reopen() }
        file.write(bytes("{\"a\":1}\n"))
        #expect(
            try String(contentsOfFile: folder + ".moved/eve.json", encoding: .utf8) == "{\"a\":1}\n")
    }

    @Test func `a file that cannot be written to is an error that names it`() {
        defer { finish() }
        let error = #expect(throws: ServiceError.self) { try EventFile(path("no/eve.json")) }
        #expect(error?.status == .unavailable)
        #expect(error?.message.contains("no/eve.json': No such file or directory") == true)
    }

    @Test func `behind a line whose rest could not be written the next one is its own`() throws {
        defer { finish() }
        signal(SIGPIPE, SIG_IGN)
        #expect(mkfifo(path("pipe"), 0o600) == 0)
        let first = open(path("pipe"), O_RDONLY | O_NONBLOCK)
        let file = try EventFile(path("pipe"))
        // More than a pipe holds.
        file.write(bytes(String(repeating: "x", count: 100_000) + "\n"))
        #expect(file.waitsFor >= 0)
        close(first)
        file.flush()
        #expect(file.lost == 1 && file.written == 0 && file.waitsFor == -1)
        let second = open(path("pipe"), O_RDONLY | O_NONBLOCK)
        defer { close(second) }
        var seen: [UInt8] = []
        func drain() {
            var piece = [UInt8](repeating: 0, count: 1 << 17)
            while case let count = read(second, &piece, piece.count), count > 0 { seen += piece[..<count] }
        }
        drain()
        file.write(bytes("{\"a\":1}\n"))
        drain()
        #expect(seen.split(separator: UInt8(ascii: "\n")).last.map(Array.init) == bytes("{\"a\":1}"))
        #expect(seen.last == UInt8(ascii: "\n") && seen.contains(UInt8(ascii: "x")) == (seen.count > 20))
        #expect(file.written == 1 && file.lost == 1)
    }

    @Test func `a slow reader gets every line later, and one that is too slow is counted`() throws {
        defer { finish() }
        #expect(mkfifo(path("pipe"), 0o600) == 0)
        let reader = open(path("pipe"), O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let file = try EventFile(path("pipe"))
        let line = bytes("{\"text\":\"" + String(repeating: "x", count: 1000) + "\"}\n")
        for _ in 0..<200 { file.write(line) }
        #expect(file.waitsFor >= 0)
        #expect(file.lost == 0)
        // 16 MiB wait for the reader at most.
        for _ in 0..<20_000 { file.write(line) }
        #expect(file.lost > 0)
        #expect(file.problem == "nobody takes them fast enough")
        var read: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while file.waitsFor >= 0 {
            let count = Glibc.read(reader, &chunk, chunk.count)
            if count > 0 { read += chunk[..<count] }
            file.flush()
        }
        while case let count = Glibc.read(reader, &chunk, chunk.count), count > 0 { read += chunk[..<count] }
        #expect(read.count % line.count == 0)
        #expect(UInt64(read.count / line.count) == file.written)
        #expect(file.written + file.lost == 20_200)
        #expect(file.problem == nil)
    }

    @Test func `what a full disk does not take is counted and told`() throws {
        defer { finish() }
        let file = try EventFile("/dev/full")
        file.write(bytes("{\"a\":1}\n{\"b\":2}\n"))
        #expect(file.lost == 2)
        #expect(file.written == 0)
        #expect(file.problem == "No space left on device")
        #expect(file.waitsFor == -1)
    }
}
