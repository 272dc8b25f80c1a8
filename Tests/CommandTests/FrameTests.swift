// SPDX-License-Identifier: Apache-2.0
// Frames that no socket sends, put on the wire by raw sockets: malformed, spoofed, tagged, with extension
// headers, not IP. Live verdict and counters together.
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct FrameTests {
        let net: TwoHosts

        init() throws { net = try TwoHosts() }

        /// Sends frames, waits until all were seen, and gives the counters.
        private func counters(after frames: [[UInt8]], outOf interface: String = "peer0") throws -> JSON {
            let before = try net.counters()["total"]["packets"].int ?? 0
            try net.client.send(frames: frames, outOf: interface)
            var top = JSON.null
            let seen = try eventually {
                top = try net.counters()
                return (top["total"]["packets"].int ?? 0) >= before + frames.count
            }
            #expect(seen)
            #expect(top["total"]["packets"].int == before + frames.count)
            expectSums(top)
            return top
        }

        private static let udp = "udp 203.0.113.77:1000 > 198.51.100.1:9000"
        private static let udp6 = "udp [2001:db8:1::7]:1000 > [2001:db8:51::1]:9000"

        private static func changed(_ text: String, _ change: (inout PacketBuilder) -> Void) throws -> [UInt8]
        {
            var packet = try PacketBuilder(text)
            change(&packet)
            return packet.bytes
        }

        private static func malformed() throws -> [(String, [UInt8])] {
            [
                ("tcp flags", try frame("tcp 203.0.113.77:1000 > 198.51.100.1:80 syn fin")),
                ("header length", try changed(udp) { $0.headerWords = 4 }),
                ("header length above the packet", try changed(udp) { $0.headerWords = 15 }),
                ("total length above the frame", try changed(udp) { $0.lengthField = 1400 }),
                ("total length 0", try changed(udp) { $0.lengthField = 0 }),
                ("version", try changed(udp) { $0.ipHeader[0] = 0x65 }),
                ("cut in the IP header", try changed(udp) { $0.cut = 14 + 12 }),
                ("cut in the UDP header", try changed(udp) { $0.cut = 14 + 20 + 4 }),
                (
                    "cut in a tag",
                    try changed(udp) {
                        $0.tags = [.init(5)]; $0.cut = 14 + 2
                    }
                ),
                ("udp length", try changed(udp) { $0.segment[4] = 0xff }),
                ("three tags", try changed(udp) { $0.tags = [.init(1), .init(2), .init(3)] }),
                ("routing type 0", try changed(udp6) { $0.extensions = [.plain(43)] }),
                ("hop-by-hop second", try changed(udp6) { $0.extensions = [.plain(60), .plain(0)] }),
                (
                    "nine extension headers",
                    try changed(udp6) { $0.extensions = Array(repeating: .plain(60), count: 9) }
                ),
            ]
        }

        @Test func `malformed frames are dropped with reason malformed, each counted once`() throws {
            let port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            try net.apply(Policies.open)
            for (name, bytes) in try Self.malformed() {
                let before = try net.counters()["reasons"]["malformed"]["drop"].int ?? 0
                let top = try counters(after: [bytes])
                #expect(top["reasons"]["malformed"]["drop"].int == before + 1, "\(name)")
            }
            #expect(port.receive(milliseconds: 0) == nil)
            #expect(try net.counters()["total"]["pass"].int == 0)
        }

        @Test func `with malformed pass the rules judge what could be read`() throws {
            try net.apply("malformed: pass\n" + Policies.web)
            let flags = try frame("tcp 203.0.113.77:1000 > 198.51.100.1:80 syn fin")
            let cut = try Self.changed(Self.udp) { $0.cut = 14 + 20 + 4 }
            let top = try counters(after: [flags, cut])
            expect(top, rules: ["unwanted": 0, "telemetry": 0, "web": 1])
            #expect(top["reasons"]["malformed"] == .null)
            #expect(top["reasons"]["default"]["drop"].int == 1)
        }

        @Test(arguments: [
            "udp 127.0.0.1:1000 > 198.51.100.1:9000", "udp 0.0.0.9:1000 > 198.51.100.1:9000",
            "udp 224.0.0.9:1000 > 198.51.100.1:9000", "udp 198.51.100.9:1000 > 198.51.100.9:9000",
            "udp 198.51.100.1:1000 > 198.51.100.2:9000", "udp [::1]:1000 > [2001:db8:51::1]:9000",
            "udp [ff02::9]:1000 > [2001:db8:51::1]:9000",
        ])
        func `a source that cannot come from the wire is dropped with reason spoofed`(_ text: String) throws {
            try net.apply(Policies.open)
            let top = try counters(after: frames([text]))
            #expect(top["reasons"]["spoofed"]["drop"].int == 1)
        }

        @Test func `frames that are not IP pass under default drop with reason non-ip`() throws {
            try net.apply(Policies.web)
            let arp: [UInt8] =
                [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x06] + [UInt8](repeating: 0, count: 28)
            let top = try counters(after: [arp, arp])
            #expect(top["reasons"]["non-ip"]["pass"].int == 2)
        }

        private static let tagged =
            Policies.plain + """
                default: drop
                rules:
                  - { name: inner, vlan: 5, inner-vlan: 7, action: pass }
                  - { name: five, vlan: 5, action: pass }
                  - { name: many, vlan: 10-20, action: drop }
                  - { name: untagged, vlan: none, service: udp/9000, action: pass }

                """

        @Test func `vlan keys see tags of frames on the wire`() throws {
            try net.apply(Self.tagged)
            let tags: [[PacketBuilder.Tag]] = [
                [], [.init(5)], [.init(5, ethertype: 0x88a8), .init(7)], [.init(5), .init(8)], [.init(15)],
                [.init(0), .init(5)], [.init(0xe005)], [.init(6)], [.init(0)],
            ]
            let frames = try tags.map { tags in try Self.changed(Self.udp) { $0.tags = tags } }
            let top = try counters(after: frames)
            expect(top, rules: ["inner": 1, "five": 4, "many": 1, "untagged": 2])
            #expect(top["reasons"]["default"]["drop"].int == 1)
        }

        @Test func `apply warns where the driver hides tags from vlan keys`() throws {
            let path = try net.policy(Self.tagged)
            let hidden = try net.server.guarded("apply", path, "--dev", "guard0")
            #expect(hidden.exit == 0, "\(hidden)")
            #expect(
                hidden.errors.contains("warning: rule 'inner' asks for VLAN tags, which guard0 may take out"))
            #expect(hidden.errors.contains("ethtool -K guard0 rxvlan off"))
            try prepare("nsenter", "--net=" + net.server.path, "ethtool", "-K", "guard0", "rxvlan", "off")
            let seen = try net.server.guarded("apply", path, "--dev", "guard0")
            #expect(seen.errors == "", "\(seen)")
        }

        @Test func `extension headers are walked to the ports, and fragments dropped with reason fragment`()
            throws
        {
            try net.apply(Policies.web)
            func with(_ extensions: [PacketBuilder.Extension]) throws -> [UInt8] {
                try Self.changed(Self.udp6) { $0.extensions = extensions }
            }
            let top = try counters(after: [
                with([]), with([.plain(0)]),
                with([.plain(0), .plain(43, routingType: 3), .plain(60, units: 2)]),
                with([.authentication()]), with(Array(repeating: .plain(60), count: 8)),
                with([.fragment(offset: 0, more: false)]),
                with([.fragment(offset: 0, more: true)]), with([.fragment(offset: 4, more: false)]),
            ])
            expect(top, rules: ["unwanted": 0, "telemetry": 6, "web": 0])
            #expect(top["reasons"]["fragment"]["drop"].int == 2)
        }

        @Test func `a rule's interface is the one that the frame came in on`() throws {
            try net.addPair(1)
            let text =
                Policies.plain + """
                    default: drop
                    rules:
                      - { name: front, interface: guard0, action: drop }
                      - { name: back, interface: "guard[1-9]", action: pass }

                    """
            try net.server.mustRun("apply", try net.policy(text), "--dev", "guard0", "--dev", "guard1")
            _ = try counters(after: frames([Self.udp]), outOf: "peer0")
            let top = try counters(after: frames([Self.udp, Self.udp]), outOf: "peer1")
            expect(top, rules: ["front": 1, "back": 2])
        }

        @Test func `an expired rule ends by itself`() throws {
            let text =
                Policies.plain + """
                    default: drop
                    rules:
                      - { name: past, service: udp/9000, action: pass, expires: 2020-01-01T00:00Z }
                      - { name: future, service: udp/9000, action: pass, expires: 2199-01-01T00:00Z }

                    """
            try net.apply(text)
            expect(try counters(after: frames([Self.udp])), rules: ["past": 0, "future": 1])
        }
    }
}
