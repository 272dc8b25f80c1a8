// SPDX-License-Identifier: Apache-2.0
// A finding's ban waits for nothing slow: neither for the disk that the file of bans is on, nor for a list
// that is read. The disk is one whose fsync ends when the test lets it; the list a pipe that nobody fills.
import Foundation
import Glibc
import Testing

/// A library that holds up fsync for as long as a file is there.
struct SlowDisk {
    /// What a process is started with.
    let environment: [String: String]
    private let hold: String

    init(in folder: String) throws {
        hold = folder + "/hold"
        let source = folder + "/slow.c"
        let text = """
            #include <stdlib.h>
            #include <unistd.h>
            int fsync(int file)
            {
                const char *hold = getenv("HOLD");
                while (hold && access(hold, F_OK) == 0)
                    usleep(1000);
                return fdatasync(file);
            }

            """
        try text.write(toFile: source, atomically: true, encoding: .utf8)
        let surroundings = ProcessInfo.processInfo.environment
        let clang = surroundings["XDPGUARD_CLANG"] ?? "clang"
        let library = folder + "/slow.so"
        let made = try run(
            ["/usr/bin/env", clang, "-shared", "-fPIC", "-o", library, source],
            environment: ["PATH": surroundings["PATH"] ?? "/usr/bin"])
        try #require(made.exit == 0, "\(made)")
        environment = ["LD_PRELOAD": library, "HOLD": hold]
    }

    func stop() throws { try "".write(toFile: hold, atomically: true, encoding: .utf8) }
    func goOn() { unlink(hold) }
}

extension LiveTests {
    @Suite struct RunWaitTests {
        let running: Running
        private let attackers = ["203.0.113.77", "203.0.113.78", "203.0.113.79"]

        init() throws {
            running = try Running()
            try running.signatures(
                "drop udp any any -> any 9000 (msg:\"evil\"; content:\"evil\"; sid:1; rev:1;)\n")
        }

        private func banned() throws -> [String] {
            try running.bans().compactMap { $0["prefix"].string?.split(separator: "/").first }
                .map(String.init).sorted()
        }

        private func kept() throws -> [String] {
            let text = try String(contentsOfFile: running.stateFolder + "/bans.json", encoding: .utf8)
            return try JSON(text)["bans"].elements
                .compactMap { $0["prefix"].string?.split(separator: "/").first }.map(String.init).sorted()
        }

        @Test func `a ban does not wait for the file of bans, and who writes that later has the later bans`()
            throws
        {
            let disk = try SlowDisk(in: running.net.folder.path)
            running.environment = disk.environment
            let child = try running.begin()
            try disk.stop()
            defer { disk.goOn() }
            #expect(try running.sends("evil", from: attackers[0]))
            let next = running.stateFolder + "/bans.json.next"
            #expect(eventually(within: 10) { FileManager.default.fileExists(atPath: next) })
            #expect(try running.sends("evil", from: attackers[1]))
            #expect(try eventually(within: 3) { try running.bans().count == 2 })
            // By hand: it holds, and its file waits for the one before.
            var command = Command(running.net.server.entering([Product.path, "ban", attackers[2]]))
            command.environment = ["XDPGUARD_STATE_DIR": running.stateFolder]
            let byHand = try Child(command)
            #expect(try eventually(within: 3) { try running.bans().count == 3 })
            disk.goOn()
            #expect(try byHand.finish().exit == 0)
            #expect(try kept() == banned())
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
            #expect(try kept().count == 3)
        }

        @Test func `a ban does not wait for a list that is read, nor does the file of bans`() throws {
            let list = try running.net.folder.file("list.netset", "192.0.2.66\n")
            running.sets = "sets: { listed: { file: list.netset, refresh: 1s } }\n"
            running.rules = "- { name: listed, source: $listed, action: drop }\n  "
            let child = try running.begin()
            unlink(list)
            try #require(mkfifo(list, 0o600) == 0)
            // Its reader waits for whoever writes.
            var writer: Int32 = -1
            let isRead = eventually(within: 10) {
                writer = open(list, O_WRONLY | O_NONBLOCK)
                return writer >= 0
            }
            #expect(isRead)
            #expect(try running.sends("evil", from: attackers[0]))
            #expect(try eventually(within: 3) { try running.bans().count == 1 })
            #expect(eventually(within: 10) { (try? kept())?.count == 1 })
            let text = "192.0.2.66\n192.0.2.99\n"
            #expect(write(writer, text, text.utf8.count) == text.utf8.count)
            close(writer)
            var listed: [String] = []
            let isTaken = try eventually(within: 5) {
                let set = try running.net.server.report("set", "show", "listed")
                listed = set["addresses"].elements.compactMap(\.string)
                return listed == ["192.0.2.66", "192.0.2.99"]
            }
            #expect(isTaken, "\(listed)")
            child.signal(SIGTERM)
            // The pipe is read again by now.
            let end = open(list, O_WRONLY | O_NONBLOCK)
            if end >= 0 { close(end) }
            #expect(try child.finish().exit == 0)
        }
    }
}
