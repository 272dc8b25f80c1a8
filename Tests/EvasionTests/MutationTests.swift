// SPDX-License-Identifier: Apache-2.0
// The suite bites: with a stage broken on purpose at least one case fails. Each mutation is a textual change
// of a copy of xdp/, compiled as the build does it and loaded in place of the embedded object.
import Foundation
import TestSupport
import Testing

@testable import Dataplane
@testable import Replay

struct Mutation: Sendable, CustomTestStringConvertible {
    let name: String
    /// Below xdp/.
    let file: String
    /// Stands exactly once in the file.
    let old: String
    let new: String

    init(_ name: String, _ file: String, _ old: String, _ new: String) {
        self.name = name
        self.file = file
        self.old = old
        self.new = new
    }

    var testDescription: String { name }

    static let all: [Mutation] = [
        .init("802.1ad is not a tag", "stages/parse.bpf.h", " || ethertype == ETH_P_8021AD", ""),
        .init("only one tag is looked behind", "stages/parse.bpf.h", "i < 2 && is_vlan", "i < 1 && is_vlan"),
        .init(
            "a third tag is not IP", "stages/parse.bpf.h",
            "\t\tpacket_fault(packet, GUARD_DETAIL_TOO_MANY_TAGS);\n\t\treturn -1;\n", "\t\treturn 0;\n"),
        .init(
            "the drop bit is in the id", "stages/parse.bpf.h", "(tag.tci) & 0xfff)",
            "(tag.tci) & 0x1fff)"),
        .init(
            "IPv4 options are nothing", "stages/parse.bpf.h", "header_length = ip.ihl * 4;",
            "header_length = 20;"),
        .init(
            "eight extension headers are one too many", "stages/parse.bpf.h", "#define CHAIN_MAX 8",
            "#define CHAIN_MAX 7"),
        .init(
            "AH is measured like an option", "stages/parse.bpf.h",
            "protocol == 51 ? (length + 2) * 4 : ", ""),
        .init("mobility ends the chain", "stages/parse.bpf.h", "\tcase 135: /* mobility */\n", ""),
        .init(
            "hop-by-hop may stand anywhere", "stages/parse.bpf.h", "protocol == 0 && chain->count > 0", "0"),
        .init(
            "routing type 0 is let through", "stages/parse.bpf.h", "(extension.frag_off) >> 8) == 0",
            "(extension.frag_off) >> 8) == 255"),
        .init(
            "an atomic fragment is a first one", "stages/parse.bpf.h", "(extension.frag_off) & 1)",
            "(extension.frag_off) & 1 || 1)"),
        .init(
            "a later IPv6 fragment has ports", "stages/parse.bpf.h",
            "packet->fragment = FRAGMENT_LATER;\n\t\t\treturn 0;", "return 1;"),
        .init(
            "a later fragment's payload is ports", "stages/transport.bpf.h",
            "if (packet->fragment == FRAGMENT_LATER)\n\t\treturn;", ""),
        .init("offset 1 of TCP is harmless", "stages/parse.bpf.h", "(frag_off & 0x1fff) == 1", "0"),
        .init(
            "padding belongs to the packet", "stages/parse.bpf.h",
            "if (packet_has(ctx, packet, packet->end))",
            "packet->end = packet->available;\n\tif (packet->network + packet->length <= packet->end)"),
        .init(
            "a packet may be shorter than it says", "stages/parse.bpf.h",
            "packet_fault(packet, GUARD_DETAIL_TRUNCATED_PACKET);", ""),
        .init(
            "four bytes of TCP are enough", "stages/transport.bpf.h", "case IPPROTO_TCP: return 20;",
            "case IPPROTO_TCP: return 14;"),
        .init(
            "SYN+FIN is a flag combination", "stages/transport.bpf.h",
            "(flags & (syn | fin)) == (syn | fin) ||", ""),
        .init(
            "TCP's data offset is believed", "stages/transport.bpf.h",
            "packet_fault(packet, GUARD_DETAIL_TCP_HEADER_LENGTH);", ";"),
        .init(
            "UDP's length is believed", "stages/transport.bpf.h",
            "packet_fault(packet, GUARD_DETAIL_UDP_LENGTH);", ";"),
        .init(
            "neighbour discovery comes from afar", "stages/essential.bpf.h",
            "packet->family == 6 && packet->ttl == 255 && packet->icmp_code",
            "packet->family == 6 && packet->icmp_code"),
        .init(
            "path MTU messages quote anybody", "stages/essential.bpf.h",
            "ip.version == 4 && bpf_ntohl(ip.saddr) == packet->destination.low", "ip.version == 4"),
        .init(
            "DHCP in both directions", "stages/essential.bpf.h",
            "packet->source_port == 67 && packet->key == 68", "packet->key == 67 || packet->key == 68"),
        .init("126/8 is loopback too", "stages/spoofed.bpf.h", "source >> 24 == 127", "source >> 25 == 63"),
        .init(
            "bans of /65 look at 64 bits", "stages/bans.bpf.h",
            "key->low = address->low >> (128 - length) << (128 - length);", "key->low = 0;"),
        .init("bans hold for never-ban", "guard.bpf.c", "!(head & GUARD_HEAD_NEVER_BAN) && ", ""),
        .init(
            "bans come behind the rules' fragments", "guard.bpf.c", "if (packet->family && !(head",
            "if (packet->family && packet->fragment == FRAGMENT_NONE && !(head"),
        .init(
            "only the first buffer is read", "stages/packet.bpf.h",
            "packet->available = bpf_xdp_get_buff_len(ctx);", ""),
    ]
}

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct MutationTests {
    @Test func `the unchanged copy, compiled likewise, fails no case`() throws {
        #expect(try failures(mutating: nil) == [])
    }

    @Test(arguments: Mutation.all)
    func `a program that is broken on purpose fails the suite`(mutation: Mutation) throws {
        #expect(try !failures(mutating: mutation).isEmpty, "the suite does not see that \(mutation.name)")
    }
}

/// The first wrong judgement of a program with one change.
private func failures(mutating mutation: Mutation?) throws -> [String] {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory())
        .appending(path: "xdpguard-mutation-\(ProcessInfo.processInfo.globallyUniqueString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(at: checkout.appending(path: "xdp"), to: folder)
    if let mutation { try mutation.apply(in: folder) }
    let object = try compileProgram(in: folder)
    return try failures(
        of: evasionCases(),
        on: { policy, bans in
            try KernelReplayEngine(policy: policy, bans: bans) { image, _ in
                try ReplayProgram(GuardObject(image, reusing: [:], elf: object))
            }
        }, limit: 1)
}

extension Mutation {
    fileprivate func apply(in folder: URL) throws {
        let path = folder.appending(path: file)
        let source = try String(contentsOf: path, encoding: .utf8)
        try #require(source.components(separatedBy: old).count == 2, "'\(old)' is not once in xdp/\(file)")
        try source.replacing(old, with: new).write(to: path, atomically: true, encoding: .utf8)
    }
}

/// As bpfembed compiles it, without its warnings: a mutation may leave a function unused.
private func compileProgram(in folder: URL) throws -> Data {
    #if arch(arm64)
        let headers = "/usr/include/aarch64-linux-gnu"
    #else
        let headers = "/usr/include/x86_64-linux-gnu"
    #endif
    let object = folder.appending(path: "guard.o")
    let clang = ProcessInfo.processInfo.environment["XDPGUARD_CLANG"] ?? "clang"
    let text = try output(
        of: [
            clang, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-w", "-I", headers, "-I", folder.path(), "-c",
            folder.appending(path: "guard.bpf.c").path(), "-o", object.path(),
        ])
    try #require(FileManager.default.fileExists(atPath: object.path()), "clang: \(text)")
    return try Data(contentsOf: object)
}

/// The folder that holds xdp/ and docs/.
let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// Runs a command found on PATH; what it said, both streams together.
func output(of command: [String]) throws -> String {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}
