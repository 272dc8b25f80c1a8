// SPDX-License-Identifier: Apache-2.0
// Policies of many rules, one after another under traffic: none is lost, none gets past, counters go on.
import Foundation
import Testing

extension LiveTests {
    @Suite struct ScaleSwapTests {
        let net: TwoHosts

        init() throws { net = try TwoHosts() }

        /// Drops from `count` sources and, somewhere among them, the two rules that the traffic meets.
        /// - Parameters:
        ///   - version: policies of different versions share no source and no place of the two.
        private static func policy(_ count: Int, version: Int) -> String {
            var text = Policies.plain + "policy: many-\(version)\ndefault: drop\nrules:\n"
            for number in 0..<count {
                if number == count / 3 * version {
                    text += "  - { name: telemetry, service: udp/9000, action: pass }\n"
                }
                if number == count / 3 * version + 7 {
                    text += "  - { name: unwanted, service: udp/9999, action: drop }\n"
                }
                let host = number &* 251 &+ version
                text += "  - { name: \"\(version)-\(number)\", source: 10.\(host >> 16 & 255)."
                text +=
                    "\(host >> 8 & 255).\(host & 255), service: tcp/\(number % 60000 + 1), action: pass }\n"
            }
            return text
        }

        @Test func `of datagrams under swaps of 20,000 rules none is lost and none gets past`() throws {
            let count = 20_000
            let paths = [
                try net.policy(Self.policy(count, version: 1), as: "first.conf"),
                try net.policy(Self.policy(count, version: 2), as: "second.conf"),
            ]
            let wanted = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            try net.server.mustRun("apply", paths[0], "--dev", "guard0")
            let traffic = try Traffic(
                from: "192.0.2.7", of: net.client, to: TwoHosts.serverV4, ports: (9000, 9999))
            var arrived: [Int] = []
            for swap in 1...4 {
                try net.server.mustRun("apply", paths[swap % 2], "--dev", "guard0")
                arrived += numbers(from: wanted, milliseconds: 0)
            }
            traffic.stop()
            let sent = traffic.sent
            arrived += numbers(from: wanted, milliseconds: 200)
            #expect(sent.failed == 0)
            #expect(sent.wanted > 1000)
            #expect(
                arrived == Array(0..<sent.wanted), "\(sent.wanted - arrived.count) of \(sent.wanted) lost")
            #expect(numbers(from: unwanted, milliseconds: 0) == [])
            let top = try net.counters()
            #expect(top["rules"]["telemetry"]["packets"].int == sent.wanted)
            #expect(top["rules"]["unwanted"]["packets"].int == sent.unwanted)
            expectSums(top)
        }
    }
}
