// SPDX-License-Identifier: Apache-2.0
// limits, limits top, limits show: who is being limited, on a live interface.
import Foundation
import Testing

extension LiveTests {
    @Suite struct LimitReportLiveTests {
        let net: TwoHosts

        /// Rates of a packet a minute: what is over the burst stays over it while a test runs.
        private static let policy =
            Policies.plain + """
                policy: limited
                default: pass
                limits:
                  client: { rate: 1/m, burst: 3, per: source }
                  lan: { rate: 1/m, burst: 5, per: source/24, mode: monitor }
                  web: { rate: 1/m, burst: 1, per: source+service }
                rules:
                  - { name: lan, service: udp/9000, limit: lan, action: continue }
                  - { name: client, service: udp/9000, limit: client, action: pass }
                  - { name: web, service: udp/9001, limit: web, action: pass }

                """

        init() throws {
            net = try TwoHosts()
            try net.apply(Self.policy)
        }

        private func limits() throws -> [String: JSON] {
            let all = try net.server.report("limits")["limits"].elements
            return Dictionary(all.map { ($0["name"].string ?? "", $0) }, uniquingKeysWith: { a, _ in a })
        }

        /// Sends to a port until the product has seen it all.
        private func send(_ count: Int, from source: String, to port: UInt16 = 9000) throws {
            func seen() throws -> Int {
                try net.server.report("status", "--measure", "0")["packets"].int ?? 0
            }
            let before = try seen()
            try net.client.send(count, from: source, to: TwoHosts.serverV4, port)
            #expect(try eventually { try seen() >= before + count })
        }

        @Test func `the table of buckets is as large as was asked for, and stays so with a remark`() throws {
            try net.server.mustRun("detach")
            let path = try net.policy(Self.policy, as: "sized.conf")
            func apply(_ size: String) throws -> Outcome {
                try net.server.guarded("apply", path, "--dev", "guard0", "--buckets=\(size)")
            }
            #expect(try apply("8192").errors.contains("--buckets") == false)
            #expect(try net.server.report("status", "--measure", "0")["buckets"]["places"].int == 8192)
            let again = try apply("4096")
            #expect(again.exit == 0)
            #expect(again.errors.contains("--buckets 4096 had no effect: the table that is there has 8192"))
            #expect(try net.server.report("status", "--measure", "0")["buckets"]["places"].int == 8192)
            for wrong in ["0", "4095", "6000", "536870912", "-1", "x"] {
                #expect(try apply(wrong).exit == 64)
            }
        }

        @Test func `limits tells what each limit is, passed and dropped`() throws {
            try send(8, from: "203.0.113.77")
            let limits = try limits()
            let client = try #require(limits["client"])
            #expect(
                Set(client.members.keys) == [
                    "name", "rate", "burst", "per", "over", "mode", "passed", "dropped", "would_drop",
                    "limited",
                ])
            #expect(client["rate"].string == "1/m" && client["burst"].string == "3")
            #expect(client["per"].string == "source" && client["mode"].string == "enforce")
            #expect(client["passed"]["packets"].int == 3 && client["dropped"]["packets"].int == 5)
            #expect(client["limited"].int == 1)
            #expect(limits["lan"]?["mode"].string == "monitor")
            #expect(limits["lan"]?["would_drop"]["packets"].int == 3)
            #expect(limits["web"]?["passed"]["packets"].int == 0)
            let text = try net.server.mustRun("limits")
            #expect(text.hasPrefix("LIMIT ") && text.contains("buckets: 16.0 MiB for 1048576 clients"))
            #expect(try net.counters()["limits"]["client"]["dropped"]["packets"].int == 5)
            let status = try net.server.report("status", "--measure", "0")
            #expect(status["buckets"]["bytes"].int == 16 << 20)
        }

        @Test func `limits top lists who is limited, most dropped first, and only so many`() throws {
            try send(4, from: "203.0.113.77")
            try send(9, from: "192.0.2.7")
            try send(3, from: "192.0.2.8", to: 9001)
            let report = try net.server.report("limits", "top")
            let clients = report["clients"].elements
            #expect(
                clients.map { $0["client"].string } == [
                    "192.0.2.7", "192.0.2.0/24", "192.0.2.8 udp/9001", "203.0.113.77",
                ])
            #expect(clients.map { $0["packets"].int } == [6, 4, 2, 1])
            #expect(clients.map { $0["tokens_left"].int } == [0, 0, 0, 0])
            #expect(clients.map { $0["limit"].string } == ["client", "lan", "web", "client"])
            #expect(
                clients.map { $0["would_drop"] } == [.bool(false), .bool(true), .bool(false), .bool(false)])
            #expect(report["limited"].int == 4)
            let one = try net.server.report("limits", "top", "--count", "1")
            #expect(one["clients"].elements.count == 1 && one["limited"].int == 4)
            let text = try net.server.mustRun("limits", "top", "--count", "1")
            #expect(text.hasSuffix("and 3 more: --count 4 shows all\n"))
        }

        @Test func `limits show tells an address's tokens, and that it is limited or banned`() throws {
            try send(2, from: "203.0.113.77")
            let before = try net.server.report("limits", "show", "203.0.113.77")["limits"].elements
            #expect(before.map { $0["key"].string } == ["203.0.113.77", "203.0.113.0/24"])
            #expect(before.map { $0["tokens_left"].int } == [1, 3])
            #expect(before.map { $0["limited"] } == [.bool(false), .bool(false)])
            try send(2, from: "203.0.113.77")
            try send(2, from: "203.0.113.77", to: 9001)
            try net.server.mustRun("ban", "203.0.113.0/24")
            let report = try net.server.report("limits", "show", "203.0.113.77")
            let rows = report["limits"].elements
            #expect(rows.map { $0["tokens_left"].int } == [0, 1] && rows.first?["packets"].int == 1)
            #expect(report["clients"].elements.map { $0["client"].string } == ["203.0.113.77 udp/9001"])
            #expect(report["bans"].elements.map { $0["prefix"].string } == ["203.0.113.0/24"])
            let text = try net.server.mustRun("limits", "show", "203.0.113.77")
            #expect(text.contains("client: source 203.0.113.77 has 0 of 3 packets left"))
            let other = try net.server.mustRun("limits", "show", "2001:db8::7")
            #expect(other.contains("source 2001:db8::/64 has 3 of 3 packets left; not limited"))
        }

        @Test func `who is limited outlives an apply, and nothing is told where no policy runs`() throws {
            try send(5, from: "203.0.113.77")
            try net.apply(Self.policy)
            #expect(try limits()["client"]?["limited"].int == 1)
            #expect(
                try net.server.report("limits", "show", "203.0.113.77")["limits"].elements.first?[
                    "tokens_left"
                ].int == 0)
            try net.apply(Policies.open)
            #expect(try net.server.mustRun("limits") == "policy 'open' has no limits\n")
            #expect(try net.server.mustRun("limits", "top") == "nobody is limited\n")
            try net.server.mustRun("detach")
            for words in [["limits"], ["limits", "top"], ["limits", "show", "192.0.2.1"]] {
                let outcome = try run(net.server.entering([Product.path] + words))
                #expect(outcome.exit == 69 && outcome.errors.contains("no policy runs here"), "\(outcome)")
            }
        }
    }
}
