// SPDX-License-Identifier: Apache-2.0
// What goes wrong beside a running `run`: an inspector that hangs or is killed, a controller that is, an
// interrupt at any time, a full disk. Packets go on, the loss is counted and said, nothing is left behind.
import Foundation
import Glibc
import TestSupport
import Testing

extension LiveTests {
    @Suite struct RunFailureTests {
        let running: Running
        private let attacker = "203.0.113.77"
        private let neighbour = "192.0.2.7"

        init() throws {
            running = try Running()
            try running.signatures(
                """
                drop udp any any -> any 9000 (msg:"evil"; content:"evil"; sid:1; rev:1;)
                alert udp any any -> any 9000 (msg:"note"; content:"note"; sid:2; rev:1;)

                """)
        }

        /// Whether a process runs; one that nobody has reaped yet does not.
        private func isAlive(_ pid: Int) -> Bool {
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                let state = stat.split(separator: ")").last?.split(separator: " ").first
            else { return false }
            return state != "Z" && state != "X"
        }

        private func children(_ pid: pid_t) -> [Int] {
            let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
            return (text ?? "").split(separator: " ").compactMap { Int($0) }
        }

        private func worker() throws -> Int { try #require(try running.report()["inspector_pid"].int) }

        @Test func `an inspector that hangs is replaced, and the next one finds what comes then`() throws {
            let child = try running.begin()
            #expect(kill(pid_t(try worker()), SIGSTOP) == 0)
            #expect(try running.sends("evil, and nobody sees it", from: neighbour))
            #expect(
                try eventually(within: 30) {
                    let now = try running.report()
                    return now["hangs"].int == 1 && now["starts"].int == 2 && now["state"].string == "running"
                })
            #expect(try running.report()["last_fault"].string == "it said nothing for 5 s")
            #expect(try running.bans().isEmpty)
            #expect(try running.sends("evil", from: attacker))
            #expect(try eventually { try running.bans().count == 1 })
            let told = try running.events("engine").compactMap { $0["engine"]["message"].string }
            #expect(told == ["the inspector is not running: it said nothing for 5 s"])
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        @Test
        func `inspectors that are killed one after the other come back more slowly, and none stays a zombie`()
            throws
        {
            let child = try running.begin()
            for round in 1...3 {
                #expect(kill(pid_t(try worker()), SIGKILL) == 0)
                #expect(
                    try eventually(within: 30) {
                        let now = try running.report()
                        return now["crashes"].int == round && now["state"].string == "running"
                    })
            }
            #expect(children(child.pid).count == 1)
            let delays = try running.events("engine").compactMap { $0["engine"]["restart_ms"].int }
            #expect(delays.count == 3)
            #expect(zip(delays, [100, 200, 400]).allSatisfy { abs($0 - $1) <= 1 }, "\(delays)")
            child.signal(SIGINT)
            #expect(try child.finish().exit == 0)
        }

        @Test func `an inspector goes with a controller that is killed`() throws {
            let child = try running.begin()
            let inspector = try worker()
            kill(child.pid, SIGKILL)
            _ = try child.finish()
            #expect(eventually { !isAlive(inspector) })
            #expect(try running.sends("evil", from: neighbour))
        }

        @Test func `an interrupt while the inspector starts ends both`() throws {
            try running.apply()
            let child = try running.start()
            #expect(try eventually(within: 30) { try running.report() != .null })
            let started = children(child.pid)
            child.signal(SIGINT)
            #expect(try child.finish().exit == 0)
            #expect(!started.contains(where: isAlive))
            #expect(try running.report() == .null)
        }

        @Test func `findings wait for a change of this instance to end, and are carried out then`() throws {
            let child = try running.begin()
            // As every command does that changes something.
            let lock = open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            #expect(flock(lock, LOCK_EX) == 0)
            #expect(try running.sends("evil", from: attacker))
            #expect(
                try eventually { try !running.events("drop").isEmpty || !running.events("alert").isEmpty })
            #expect(try running.sends("and once more, evil", from: attacker), "not banned yet")
            close(lock)
            #expect(try eventually { try running.bans().count == 1 })
            child.signal(SIGTERM)
            #expect(try child.finish().exit == 0)
        }

        @Test func `a full disk loses events, which is said, and no ban`() throws {
            running.eventPath = "/dev/full"
            let child = try running.begin()
            #expect(try running.sends("a note", from: neighbour))
            #expect(try running.sends("evil", from: attacker))
            #expect(try eventually { try running.bans().count == 1 })
            #expect(try eventually { try running.report()["events_lost"].int.map { $0 >= 2 } == true })
            #expect(try running.report()["events_written"].int == 0)
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.exit == 0)
            let told = outcome.errors.split(separator: "\n").filter { $0.contains("events are lost") }
            #expect(told == ["xdpguard: events are lost: '/dev/full': No space left on device"])
        }

        @Test func `bans that cannot be kept hold all the same, and the file stays as it was`() throws {
            let full = running.net.folder.path + "/full"
            mkdir(full, 0o700)
            try prepare("mount", "-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", full)
            defer { _ = try? prepare("umount", "-l", full) }
            let kept = full + "/bans.json"
            try #"{"old":true}"#.write(toFile: full + "/filler", atomically: false, encoding: .utf8)
            running.stateFolder = full
            let child = try running.begin()
            let filler = open(full + "/filler", O_WRONLY | O_APPEND)
            let zeros = [UInt8](repeating: 0, count: 4096)
            while write(filler, zeros, zeros.count) > 0 {}
            close(filler)
            #expect(try running.sends("evil", from: attacker))
            #expect(try eventually { try running.bans().count == 1 })
            #expect(try !running.sends("hello", from: attacker))
            child.signal(SIGTERM)
            let outcome = try child.finish()
            #expect(outcome.exit == 0)
            #expect(outcome.errors.contains("bans would not survive a reboot: "), "\(outcome)")
            #expect(access(kept, F_OK) != 0, "no half a file")
        }
    }
}
