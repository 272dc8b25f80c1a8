// SPDX-License-Identifier: Apache-2.0
// Answers as tshark reads them: checksums right, nothing malformed.
import Dataplane
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// A capture file's bytes: classic pcap, Ethernet.
func pcap(_ frames: [[UInt8]]) -> [UInt8] {
    func number(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(value).littleEndian) { Array($0) } }
    var bytes = number(0xa1b2_c3d4) + [2, 0, 4, 0] + number(0) + number(0) + number(65_535) + number(1)
    for frame in frames { bytes += number(0) + number(0) + number(frame.count) + number(frame.count) + frame }
    return bytes
}

/// What tshark says of each frame: columns as `fields` names them.
func tshark(_ frames: [[UInt8]], fields: [String]) throws -> [[String]] {
    var template = Array("/tmp/xdpguard-answers.XXXXXX".utf8CString)
    let file = mkstemp(&template)
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer {
        close(file)
        unlink(path)
    }
    let bytes = pcap(frames)
    try #require(write(file, bytes, bytes.count) == bytes.count)
    let command =
        "tshark -n -r \(path) -T fields -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "
        + fields.map { "-e \($0)" }.joined(separator: " ") + " 2>/dev/null"
    let pipe = try #require(popen(command, "r"))
    defer { pclose(pipe) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, pipe), count > 0 { text += chunk[..<count] }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    return lines.prefix(frames.count).map {
        $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
}

@Suite(.enabled(if: KernelTests.areWanted))
struct AnswerOracleTests {
    private static let packets =
        RejectTests.shapes
        + RejectTests.others.flatMap { text in
            [61, 64, 548, 1233].map { Rejected(text: text + " len \($0)") }
        }

    @Test func `tshark finds every checksum of an answer right and reads what it is`() throws {
        let program = try rejecting()
        let frames = try Self.packets.map { try program.run($0.bytes).frame }
        let rows = try tshark(
            frames,
            fields: [
                "ip.checksum.status", "tcp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status",
                "tcp.flags.reset", "icmp.code", "icmpv6.code", "_ws.malformed",
            ])
        try #require(rows.count == frames.count, "tshark read not all: 'scripts/setup test' installs it")
        for (row, frame) in zip(rows, frames) {
            // The first of each is the answer's own; behind it stand those of the quoted packet.
            let own = row.map { $0.split(separator: ",").first.map(String.init) ?? "" }
            let answer = try #require(AnswerFrame(frame))
            #expect(own[0] == (answer.isV4 ? "1" : ""), "\(row)")
            #expect(own[7] == "", "\(row)")
            switch answer.proto {
            case 6: #expect(own[1] == "1" && ["1", "True"].contains(own[4]), "\(row)")
            case 1: #expect(own[2] == "1" && own[5] == "13", "\(row)")
            default: #expect(own[3] == "1" && own[6] == "1", "\(row)")
            }
        }
    }
}
