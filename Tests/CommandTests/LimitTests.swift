// SPDX-License-Identifier: Apache-2.0
// Limits on a real interface: who is over the rate, what is told of it, and what an apply leaves as it is.
// The rates are so low that no token comes back while a test runs.
import Foundation
import Testing

extension LiveTests {
    @Suite struct LimitTests {
        let net: TwoHosts
        let port: Socket

        private static func policy(limit: String, mode: String = "enforce") -> String {
            Policies.plain + """
                default: pass
                mode: \(mode)
                limits:
                  slow: \(limit)
                rules:
                  - { name: telemetry, service: udp/9000, limit: slow, log: true, action: pass }

                """
        }

        private static let slow = "{ rate: 1/m, burst: 3, per: source }"

        init() throws {
            net = try TwoHosts()
            port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
        }

        /// How many of five datagrams arrive.
        private func arrived(_ source: String = "203.0.113.77", of count: Int = 5) throws -> Int {
            let before = try total()
            try net.client.send(count, from: source, to: TwoHosts.serverV4, 9000)
            #expect(try eventually { try total() >= before + count })
            var arrived = 0
            while port.receive(milliseconds: 0) != nil { arrived += 1 }
            return arrived
        }

        private func total() throws -> Int {
            try net.counters()["rules"]["telemetry"]["packets"].int ?? 0
        }

        private func hasBuckets() throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: net.server.pinFolder())
                .contains("guard_buckets")
        }

        @Test func `a client gets its burst, its neighbour another, and what was dropped is told`() throws {
            try net.apply(Self.policy(limit: Self.slow))
            #expect(try arrived() == 3)
            #expect(try arrived("192.0.2.7", of: 2) == 2)
            let top = try net.counters()
            #expect(top["reasons"]["limit"]["drop"].int == 2)
            #expect(top["reasons"]["rule"]["pass"].int == 5)
            #expect(top["rules"]["telemetry"]["packets"].int == 7)
            expectSums(top)
            let lines = try net.server.mustRun("events").split(separator: "\n")
            let dropped = lines.filter { $0.contains(" drop limit 'telemetry' (slow): udp 203.0.113.77:") }
            #expect(lines.count == 7 && dropped.count == 2)
        }

        @Test func `an apply leaves the buckets of a limit as they are, but for one that it changes`() throws
        {
            try net.apply(Self.policy(limit: Self.slow))
            #expect(try arrived() == 3)
            try net.apply(Self.policy(limit: "{ per: source, burst: 3, rate: 1/m, over: drop }"))
            #expect(try arrived() == 0)
            try net.apply(Self.policy(limit: "{ rate: 1/m, burst: 4, per: source }"))
            #expect(try arrived() == 4)
            try net.apply(Self.policy(limit: Self.slow))
            #expect(try arrived() == 0)
        }

        @Test func `buckets are there while a policy has limits`() throws {
            try net.apply(Policies.open)
            #expect(!(try hasBuckets()))
            try net.apply(Self.policy(limit: Self.slow))
            #expect(try hasBuckets())
            #expect(try arrived() == 3)
            try net.apply(Policies.open)
            #expect(!(try hasBuckets()))
            try net.apply(Self.policy(limit: Self.slow))
            #expect(try arrived() == 3)
        }

        @Test(arguments: ["enforce", "monitor"])
        func `a limit in monitor mode only tells, and so does a policy`(mode: String) throws {
            let limit = mode == "enforce" ? "{ rate: 1/m, burst: 3, per: source, mode: monitor }" : Self.slow
            try net.apply(Self.policy(limit: limit, mode: mode))
            #expect(try arrived() == 5)
            let top = try net.counters()
            #expect(top["total"]["drop"].int == 0)
            #expect(top["reasons"]["limit"]["would_drop"].int == (mode == "monitor" ? 2 : nil))
            let text = try net.server.mustRun("events", "--output", "json")
            let events = try text.split(separator: "\n").map { try JSON(String($0))["alert"]["context"] }
            #expect(events.map { $0["would_drop"].string } == [nil, nil, nil, "slow", "slow"])
        }
    }
}
