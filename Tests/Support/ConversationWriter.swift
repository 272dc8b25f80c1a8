// SPDX-License-Identifier: Apache-2.0
// Frames of conversations between this host and others, of both directions and in no order: the few ends that
// they have make handshakes, answers and errors meet. In: randomness. Out: a frame, and who sends it.
import NetworkTypes

struct ConversationWriter {
    /// What has an answer.
    private enum Kind: CaseIterable { case tcp, udp, echo }

    /// One of few, so that the frames of one are many.
    private struct Ends {
        var kind: Kind
        var isV4: Bool
        var local: Int
        var remote: Int
        var localPort: UInt16
        var remotePort: UInt16
    }

    private let pool: [Ends]

    init(_ random: inout SeededGenerator) {
        pool = (0..<random.below(6) + 2).map { _ in
            Ends(
                kind: random.pick(Kind.allCases), isV4: random.chance(60), local: random.below(3),
                remote: random.below(2) + 3, localPort: random.pick(World.ports),
                remotePort: random.pick(World.ports))
        }
    }

    /// Writes a frame.
    /// - Returns: whether this host sends it.
    func write(to writer: inout HeaderWriter) -> Bool {
        let ends = writer.random.pick(pool)
        let isSent = writer.random.chance(50)
        writer.startFrame()
        if !isSent, writer.random.chance(15) {
            writeError(ends, &writer)
        } else {
            let proto = number(of: ends)
            writePacket(ends, isSent: isSent, &writer) { writeContent(ends, isSent: isSent, proto, &$0) }
        }
        return isSent
    }

    private func number(of ends: Ends) -> UInt8 {
        switch ends.kind {
        case .tcp: 6
        case .udp: 17
        case .echo: ends.isV4 ? 1 : 58
        }
    }

    private func writePacket(
        _ ends: Ends, isSent: Bool, _ writer: inout HeaderWriter, _ content: (inout HeaderWriter) -> Void
    ) {
        writer.number(ends.isV4 ? 0x0800 : 0x86dd as UInt16)
        let start = openIP(ends, isSent: isSent, number(of: ends), &writer)
        content(&writer)
        writer.closeIP(start)
    }

    private func openIP(_ ends: Ends, isSent: Bool, _ proto: UInt8, _ writer: inout HeaderWriter) -> Int {
        let (from, to) = isSent ? (ends.local, ends.remote) : (ends.remote, ends.local)
        if ends.isV4 { return writer.openIPv4((World.v4[from], World.v4[to]), proto) }
        return writer.openIPv6((World.v6[from], World.v6[to]), proto)
    }

    private func writeContent(_ ends: Ends, isSent: Bool, _ proto: UInt8, _ writer: inout HeaderWriter) {
        let ports =
            isSent ? (ends.localPort, ends.remotePort) : (ends.remotePort, ends.localPort)
        let count = writer.random.pick([0, 0, 4])
        switch ends.kind {
        case .tcp:
            writer.number(ports.0)
            writer.number(ports.1)
            writer.number(writer.random.pick([0, 1, UInt32.max]))
            writer.number(writer.random.pick([0, 1, 1, 2]) as UInt32)
            writer.byte(0x50)
            writer.byte(
                writer.random.pick([0x02, 0x02, 0x12, 0x12, 0x10, 0x10, 0x18, 0x11, 0x04, 0x14, 0x08]))
            writer.zeros(6)
        case .udp:
            writer.number(ports.0)
            writer.number(ports.1)
            writer.number(UInt16(8 + count))
            writer.zeros(2)
        case .echo:
            let types: [UInt8] = proto == 1 ? [8, 0] : [128, 129]
            writer.byte(writer.random.pick(types))
            writer.zeros(3)
            writer.number(ends.localPort & 1)
            writer.zeros(2)
        }
        writer.payload(count)
    }

    /// An ICMP error to this host about a packet that it sent, or nearly so.
    private func writeError(_ ends: Ends, _ writer: inout HeaderWriter) {
        writer.number(ends.isV4 ? 0x0800 : 0x86dd as UInt16)
        let start =
            ends.isV4
            ? writer.openIPv4((World.v4[5], World.v4[ends.local]), 1)
            : writer.openIPv6((World.v6[4], World.v6[ends.local]), 58)
        writer.byte(
            ends.isV4 ? writer.random.pick([3, 3, 3, 11, 12, 4, 5]) : writer.random.pick([1, 2, 2, 3, 4, 5]))
        writer.byte(writer.random.pick([0, 4, 4]))
        writer.zeros(6)
        let isSent = writer.random.chance(90)
        let quoted = openIP(ends, isSent: isSent, number(of: ends), &writer)
        if writer.random.chance(10) { fragment(quoted, ends, &writer) }
        writeContent(ends, isSent: isSent, number(of: ends), &writer)
        writer.closeIP(quoted)
        writer.closeIP(start)
    }

    /// Makes what is quoted a fragment, its first or a later one.
    private func fragment(_ start: Int, _ ends: Ends, _ writer: inout HeaderWriter) {
        let offset = writer.random.pick([0, 1]) as UInt16
        if ends.isV4 { return writer.set(0x2000 | offset, at: start + 6) }
        writer.set(UInt16(44) << 8 | 64, at: start + 6)
        writer.byte(number(of: ends))
        writer.zeros(1)
        writer.number(offset << 3 | 1)
        writer.zeros(4)
    }
}
