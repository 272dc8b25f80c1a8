// SPDX-License-Identifier: Apache-2.0
// Addresses, protocols, ports, flags and fragment fields of captured packets, as tshark read them: every
// packet of which both read all. (Tests/CaptureTests explains every packet that the two read differently.)
import Capture
import NetworkTypes
import TestSupport
import Testing

@testable import Streams

/// One line of ../shared/data/expected/tshark_headers.tsv.gz.
private struct HeaderRow {
    private let columns: [Substring: Int]
    private let words: [Substring]

    init(_ line: Substring, _ columns: [Substring: Int]) {
        words = line.split(separator: "\t", omittingEmptySubsequences: false)
        self.columns = columns
    }

    subscript(name: Substring) -> Substring {
        guard let index = columns[name], index < words.count else { return "" }
        return words[index]
    }

    /// Decimal or 0x; nil where there is nothing, or more than one value.
    func number(_ name: Substring) -> Int? {
        let word = self[name]
        return word.hasPrefix("0x") ? Int(word.dropFirst(2), radix: 16) : Int(word)
    }
}

struct HeaderFieldsOracleTests {
    /// What is the same for both, or a text that says what is not.
    private func difference(_ packet: DecodedPacket, _ row: HeaderRow) -> String? {
        let isV4 = packet.family == .ipv4
        var pairs: [(String, Int?, Int?)] = [
            ("ttl", isV4 ? Int(packet.ttl) : nil, row.number("ip.ttl")),
            ("more", isV4 ? (packet.fragment.hasMore ? 1 : 0) : nil, row.number("ip.flags.mf")),
            ("offset", isV4 ? packet.fragment.offset / 8 : nil, row.number("ip.frag_offset")),
        ]
        switch packet.proto {
        case .tcp where packet.isComplete:
            pairs += [
                ("source port", Int(packet.sourcePort), row.number("tcp.srcport")),
                ("destination port", Int(packet.destinationPort), row.number("tcp.dstport")),
                ("flags", Int(packet.tcpFlags.rawValue), row.number("tcp.flags").map { $0 & 0xff }),
            ]
        case .udp where packet.isComplete:
            pairs += [
                ("source port", Int(packet.sourcePort), row.number("udp.srcport")),
                ("destination port", Int(packet.destinationPort), row.number("udp.dstport")),
            ]
        case .icmp where packet.isComplete && isV4:
            pairs.append(("type", Int(packet.icmpType), row.number("icmp.type")))
        case .icmpv6 where packet.isComplete && !isV4:
            pairs.append(("type", Int(packet.icmpType), row.number("icmpv6.type")))
        default: break
        }
        let source = IPAddress(row[isV4 ? "ip.src" : "ipv6.src"])
        let destination = IPAddress(row[isV4 ? "ip.dst" : "ipv6.dst"])
        if packet.source != source || packet.destination != destination { return "addresses" }
        for (name, ours, theirs) in pairs where ours != nil && theirs != nil && ours != theirs {
            return "\(name): \(ours ?? -1), tshark \(theirs ?? -1)"
        }
        return nil
    }

    /// Ethernet, IP and L4 alone, once each: what else tshark reads behind an inner header.
    private func isPlain(_ row: HeaderRow) -> Bool {
        let layers = row["frame.protocols"].split(separator: ":").filter { $0 != "ethertype" }
        let isIP = layers.count >= 2 && layers[0] == "eth" && (layers[1] == "ip" || layers[1] == "ipv6")
        let inner: Set<Substring> = ["ip", "ipv6", "icmp", "icmpv6", "gre", "vxlan", "geneve", "gtp", "sctp"]
        return isIP && !layers.dropFirst(3).contains { inner.contains($0) || $0 == "tcp" || $0 == "udp" }
    }

    @Test(.enabled(if: SharedData.folder != nil, "no ../shared/data beside the checkout"))
    func `header fields are as tshark reads them`() throws {
        let folder = try #require(SharedData.folder)
        let bytes = try SharedData.bytes("\(folder)/expected/tshark_headers.tsv.gz")
        var lines = Substring(decoding: bytes, as: UTF8.self).split(separator: "\n")[...]
        let names = (lines.popFirst() ?? "").split(separator: "\t", omittingEmptySubsequences: false)
        let columns = Dictionary(uniqueKeysWithValues: zip(names, names.indices))
        var (path, frames, compared): (Substring, [[UInt8]], Int) = ("", [], 0)
        var differences: [String] = []
        for line in lines {
            let row = HeaderRow(line, columns)
            guard isPlain(row) else { continue }
            if row["path"] != path {
                path = row["path"]
                frames = Self.frames("\(folder)/\(path)")
            }
            guard let number = row.number("frame.number"), number <= frames.count else { continue }
            frames[number - 1].dropFirst(14).withUnsafeBytes {
                var input = InputPacket(bytes: $0, time: 0)
                input.isCutShort = row.number("frame.cap_len") != row.number("frame.len")
                var reader = PacketReader(input, time: 0, StreamOptions())
                reader.read()
                guard reader.packet.isComplete || reader.packet.isFragment else { return }
                compared += 1
                if let text = difference(reader.packet, row) {
                    differences.append("\(path) \(number): \(text)")
                }
            }
        }
        #expect(compared > 80_000, "\(compared)")
        #expect(differences.isEmpty, "\(differences.count), as \(differences.prefix(10))")
    }

    /// The frames of a capture as far as it can be read.
    private static func frames(_ path: String) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        guard var reader = try? CaptureReader(path: path) else { return [] }
        while let frame = try? reader.next() { frames.append(Array(frame.bytes)) }
        return frames
    }
}
