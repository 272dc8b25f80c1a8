// SPDX-License-Identifier: Apache-2.0
// Fragments and tunnels over a real interface: what was decided for a first fragment outlives a swap, and
// bans see into tunnels whatever policy runs.
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct FragmentTests {
        let net: TwoHosts

        init() throws { net = try TwoHosts() }

        private static func policy(_ action: String, _ further: String = "") -> String {
            """
            stateful: false
            default: drop
            \(further)
            rules:
              - { name: telemetry, service: udp/9000, action: \(action) }

            """
        }

        /// A piece of a UDP datagram to port 9000 with this identification; pieces have 24 bytes.
        private static func piece(_ id: UInt8, offset: Int, more: Bool) throws -> [UInt8] {
            var packet = try PacketBuilder("udp 203.0.113.77:1000 > 198.51.100.1:9000")
            packet.ipHeader[5] = id
            packet.ipHeader[6] = more ? 0x20 : 0
            packet.ipHeader[7] = UInt8(offset)
            packet.segment = Array((packet.segment + [UInt8](repeating: 0, count: 24)).prefix(24))
            return packet.bytes
        }

        private func counters(after frames: [[UInt8]]) throws -> JSON {
            let before = try net.counters()["total"]["packets"].int ?? 0
            try net.client.send(frames: frames, outOf: "peer0")
            var top = JSON.null
            let seen = try eventually {
                top = try net.counters()
                return (top["total"]["packets"].int ?? 0) >= before + frames.count
            }
            #expect(seen)
            expectSums(top)
            return top
        }

        @Test func `later fragments follow a first that an earlier policy judged`() throws {
            try net.apply(Self.policy("pass"))
            var top = try counters(after: [
                Self.piece(1, offset: 0, more: true), Self.piece(1, offset: 3, more: true),
                Self.piece(2, offset: 3, more: false),
            ])
            #expect(top["reasons"]["fragment"]["pass"].int == 1)
            #expect(top["reasons"]["fragment"]["drop"].int == 1)
            expect(top, rules: ["telemetry": 2])

            try net.apply(Self.policy("drop"))
            top = try counters(after: [
                Self.piece(1, offset: 6, more: false), Self.piece(3, offset: 0, more: true),
                Self.piece(3, offset: 3, more: false),
            ])
            #expect(top["reasons"]["fragment"]["pass"].int == 2, "the old policy's datagram comes to its end")
            #expect(top["reasons"]["fragment"]["drop"].int == 2)
            expect(top, rules: ["telemetry": 5])
        }

        @Test func `a ban holds inside a tunnel, and rules look inside where the policy says so`() throws {
            let inner = try PacketBuilder("udp 203.0.113.66:1000 > 198.51.100.1:9000").bytes.dropFirst(14)
            var outer = try PacketBuilder("ip 203.0.113.77 > 198.51.100.1 proto 47")
            outer.segment = [0x20, 0, 0x08, 0, 0, 0, 0, 9] + inner
            let tunnel = outer.bytes
            try net.apply(Self.policy("pass"))
            #expect(try counters(after: [tunnel])["reasons"]["default"]["drop"].int == 1)
            try net.apply(Self.policy("pass", "decapsulate: gre"))
            expect(try counters(after: [tunnel]), rules: ["telemetry": 1])
            try net.server.mustRun("ban", "203.0.113.66")
            #expect(try counters(after: [tunnel])["reasons"]["ban"]["drop"].int == 1)
            try net.apply(Self.policy("pass"))
            #expect(try counters(after: [tunnel])["reasons"]["ban"]["drop"].int == 2)
        }
    }
}
