// SPDX-License-Identifier: Apache-2.0
// ban, unban, bans: what holds, for how long, and what stands above it.
import Foundation
import Testing

extension LiveTests {
    @Suite struct BanTests {
        let net: TwoHosts
        let port: Socket

        private static let policy =
            Policies.plain + """
                default: pass
                failsafe: [{ source: 203.0.113.78, service: udp/9000 }]
                never-ban: [192.0.2.8]

                """

        init() throws {
            net = try TwoHosts()
            port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            try net.apply(Self.policy)
        }

        /// Whether a datagram of this source arrives; what came before must have been read.
        private func passes(_ source: String) throws -> Bool {
            let before = try total()
            try net.client.send(1, from: source, to: TwoHosts.serverV4, 9000)
            #expect(try eventually { try total() > before })
            return port.receive(milliseconds: 0) != nil
        }

        private func total() throws -> Int {
            try net.server.report("status", "--measure", "0")["packets"].int ?? 0
        }

        private func bans() throws -> [JSON] { try net.server.report("bans")["bans"].elements }

        @Test func `a ban holds from the next packet on for its address alone, and is counted`() throws {
            #expect(try passes("203.0.113.77"))
            let text = try net.server.mustRun("ban", "203.0.113.77", "--reason", "too loud")
            #expect(text.hasPrefix("banned 203.0.113.77 for ever, since "))
            #expect(text.hasSuffix(": too loud\n"))
            #expect(!(try passes("203.0.113.77")))
            #expect(!(try passes("203.0.113.77")))
            #expect(try passes("192.0.2.7"))
            let top = try net.counters()
            #expect(top["reasons"]["ban"]["drop"].int == 2)
            expectSums(top)
            let ban = try #require(try bans().first)
            #expect(
                Set(ban.members.keys)
                    == ["prefix", "since", "until", "origin", "reason", "packets", "bytes"])
            #expect(ban["prefix"].string == "203.0.113.77")
            #expect(ban["until"] == .null)
            #expect(ban["since"].string?.hasSuffix("Z") == true)
            #expect(ban["origin"].string == "manual")
            #expect(ban["reason"].string == "too loud")
            #expect(ban["packets"].int == 2)
            #expect([72, 100].contains(ban["bytes"].int))
            #expect(try net.server.mustRun("bans").contains("2 packets dropped: too loud"))
        }

        @Test func `a ban ends at its time with no process alive, and not before`() throws {
            let start = monotonicNanoseconds()
            let answer = try net.server.report("ban", "203.0.113.77", "--for", "3s")
            #expect(answer["until"].string != nil)
            #expect(!(try passes("203.0.113.77")))
            // Only datagrams ask: no command runs while the end is awaited.
            let got = try eventually {
                try net.client.send(1, from: "203.0.113.77", to: TwoHosts.serverV4, 9000)
                return port.receive(milliseconds: 20) != nil
            }
            #expect(got)
            #expect(monotonicNanoseconds() - start >= 3_000_000_000)
            #expect(try bans().isEmpty)
            #expect(try net.server.mustRun("bans") == "no bans\n")
        }

        @Test func `never-ban and failsafe stand above a ban, which is taken with a warning`() throws {
            let outcome = try net.server.guarded("ban", "192.0.2.0/24")
            #expect(outcome.exit == 0, "\(outcome)")
            #expect(outcome.errors.contains("warning: '192.0.2.0/24' touches addresses of 'never-ban'"))
            #expect(try passes("192.0.2.8"))
            #expect(!(try passes("192.0.2.7")))
            let other = try net.server.guarded("ban", "203.0.113.78")
            #expect(other.errors == "", "\(other)")
            #expect(try passes("203.0.113.78"))
            #expect(try net.counters()["reasons"]["failsafe"]["pass"].int == 1)
        }

        @Test func `prefixes of both families hold for all their addresses`() throws {
            try net.addIPv6()
            let port6 = try net.server.datagrams(at: TwoHosts.serverV6, 9000)
            try net.client.send(1, from: "2001:db8:bad::77", to: TwoHosts.serverV6, 9000)
            #expect(port6.receive(milliseconds: 2000) != nil)
            try net.server.mustRun("ban", "203.0.113.64/28")
            try net.server.mustRun("ban", "2001:db8:bad::/48", "--for", "1h")
            #expect(!(try passes("203.0.113.77")))
            #expect(try passes("192.0.2.7"))
            let before = try net.counters()["reasons"]["ban"]["drop"].int ?? 0
            try net.client.send(1, from: "2001:db8:bad::77", to: TwoHosts.serverV6, 9000)
            #expect(try eventually { try net.counters()["reasons"]["ban"]["drop"].int == before + 1 })
            try net.client.send(1, from: "2001:db8:1::7", to: TwoHosts.serverV6, 9000)
            #expect(port6.receive(milliseconds: 2000) != nil)
            #expect(port6.receive(milliseconds: 0) == nil)
            #expect(
                try bans().map { $0["prefix"].string } == ["203.0.113.64/28", "2001:db8:bad::/48"])
        }

        @Test func `unban lifts what is named, all with --all, and exits 69 for what is not banned`() throws {
            for ban in ["203.0.113.77", "192.0.2.7", "203.0.113.0/24"] { try net.server.mustRun("ban", ban) }
            #expect(try net.server.mustRun("unban", "192.0.2.7") == "unbanned 192.0.2.7\n")
            #expect(try passes("192.0.2.7"))
            // The wider one still holds.
            #expect(
                try net.server.report("unban", "203.0.113.77")["unbanned"]
                    == .array([.string("203.0.113.77")]))
            #expect(!(try passes("203.0.113.77")))
            let missing = try net.server.guarded("unban", "203.0.113.77", "203.0.113.0/24")
            #expect(missing.exit == 69, "\(missing)")
            #expect(missing.output == "unbanned 203.0.113.0/24\n")
            #expect(missing.errors.contains("'203.0.113.77' is not banned"))
            let several = try net.server.guarded("unban", "203.0.113.78", "203.0.113.77")
            #expect(several.exit == 69, "\(several)")
            #expect(several.errors.contains("'203.0.113.78', '203.0.113.77' are not banned"))
            #expect(try passes("203.0.113.77"))
            for ban in ["203.0.113.77", "2001:db8::/32"] { try net.server.mustRun("ban", ban) }
            #expect(
                try net.server.mustRun("unban", "--all") == "unbanned 203.0.113.77\nunbanned 2001:db8::/32\n")
            #expect(try net.server.mustRun("unban", "--all") == "there were no bans\n")
            #expect(try passes("203.0.113.77"))
        }

        @Test func `of two bans of one address the longer life counts, and its counters go on`() throws {
            func until(_ words: String...) throws -> JSON {
                let all = ["ban", "203.0.113.77", "--output", "json"] + words
                return try JSON(run(net.server.entering([Product.path] + all)).output)["until"]
            }
            let hour = try until("--for", "1h")
            #expect(!(try passes("203.0.113.77")))
            #expect(isNear(try until("--for", "1s"), hour))
            let longer = try until("--for", "2h")
            #expect((longer.string ?? "") > (hour.string ?? ""))
            #expect(try until() == .null)
            #expect(try until("--for", "3h") == .null)
            #expect(try bans().count == 1)
            #expect(try bans()[0]["packets"].int == 1)
        }

        /// One point in time, as two processes read it: each puts its own wall clock beside the kernel's.
        private func isNear(_ one: JSON, _ other: JSON) -> Bool {
            let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            guard let left = try? Date(String((one.string ?? "").prefix(23)) + "Z", strategy: format),
                let right = try? Date(String((other.string ?? "").prefix(23)) + "Z", strategy: format)
            else { return false }
            return abs(left.timeIntervalSince(right)) < 0.5
        }

        @Test func `bans survive an apply, and end with detach`() throws {
            try net.server.mustRun("ban", "203.0.113.77", "--for", "1h")
            try net.apply(Policies.open, as: "open.conf")
            #expect(!(try passes("203.0.113.77")))
            #expect(try bans()[0]["packets"].int == 1)
            try net.server.mustRun("detach")
            try net.apply(Policies.open, as: "open.conf")
            #expect(try bans().isEmpty)
            #expect(try passes("203.0.113.77"))
        }

        @Test func `a reason cannot move the terminal's cursor`() throws {
            let text = try net.server.mustRun("ban", "203.0.113.77", "--reason", "a\u{1b}[2Jb")
            #expect(!text.contains("\u{1b}"))
            #expect(!(try net.server.mustRun("bans")).contains("\u{1b}"))
            #expect(try bans()[0]["reason"].string == "a\u{1b}[2Jb")
        }
    }
}
