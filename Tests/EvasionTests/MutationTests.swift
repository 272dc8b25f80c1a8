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

    static let all: [Mutation] =
        [
            .init("802.1ad is not a tag", "stages/parse.bpf.h", " || ethertype == ETH_P_8021AD", ""),
            .init(
                "only one tag is looked behind", "stages/parse.bpf.h", "i < 2 && is_vlan",
                "i < 1 && is_vlan"),
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
                "hop-by-hop may stand anywhere", "stages/parse.bpf.h", "protocol == 0 && count > 0", "0"),
            .init(
                "routing type 0 is let through", "stages/parse.bpf.h", "(extension.frag_off) >> 8) == 0",
                "(extension.frag_off) >> 8) == 255"),
            .init(
                "an atomic fragment is a first one", "stages/parse.bpf.h",
                "if (!(frag_off & 0xfff9))\n\t\treturn 1;", ""),
            .init(
                "a later IPv6 fragment has ports", "stages/parse.bpf.h",
                "packet->fragment_at ? FRAGMENT_LATER : FRAGMENT_FIRST", "FRAGMENT_FIRST"),
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
                "(flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) ||", ""),
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
            .init(
                "126/8 is loopback too", "stages/spoofed.bpf.h", "source >> 24 == 127", "source >> 25 == 63"),
            .init(
                "bans of /65 look at 64 bits", "abi/guard_addresses.h",
                "*low = *low >> ((128 - prefix) & 63) << ((128 - prefix) & 63);", "*low = 0;"),
            .init("bans hold for never-ban", "guard.bpf.c", "!(head & GUARD_HEAD_NEVER_BAN)", "1"),
            .init(
                "bans come behind the rules' fragments", "guard.bpf.c", "if (packet->family && banned(",
                "if (packet->family && packet->fragment == FRAGMENT_NONE && banned("),
            .init(
                "only the first buffer is read", "stages/packet.bpf.h",
                "packet->available = bpf_xdp_get_buff_len(ctx);", ""),
        ] + fragments + tunnels

    private static let fragments: [Mutation] = [
        .init(
            "a later fragment needs no first", "guard.bpf.c",
            "is_found) {\n\t\t\tdecide(decision, GUARD_REASON_FRAGMENT, GUARD_DROP);",
            "is_found) {\n\t\t\tdecide(decision, GUARD_REASON_FRAGMENT, GUARD_PASS);"),
        .init(
            "later fragments pass whatever their first did", "guard.bpf.c",
            "decide(decision, GUARD_REASON_FRAGMENT, found->verdict);",
            "decide(decision, GUARD_REASON_FRAGMENT, GUARD_PASS);"),
        .init(
            "later fragments have no rule", "guard.bpf.c", "decision->slot = found->slot;", ""),
        .init(
            "first fragments are forgotten", "stages/fragments.bpf.h",
            "if (packet->fragment != FRAGMENT_FIRST || !room)\n\t\treturn;", "return;"),
        .init(
            "the first decision stays", "stages/fragments.bpf.h", "place->verdict = decision->verdict;",
            "if (!place->family)\n\t\tplace->verdict = decision->verdict;"),
        .init(
            "overlaps are harmless", "guard.bpf.c", "packet_fault(packet, GUARD_DETAIL_FRAGMENT_OVERLAP);",
            ";"),
        .init(
            "the end of a first fragment is off by its header", "stages/packet.bpf.h",
            "packet->network + packet->length - packet->fragment_data", "packet->length"),
        .init(
            "a shorter first moves the end", "stages/fragments.bpf.h",
            "end > key->fragment_end ? end : key->fragment_end", "key->fragment_end"),
        .init(
            "a second fragment header is harmless", "stages/parse.bpf.h",
            "packet_fault(packet, GUARD_DETAIL_FRAGMENT_TWICE);", ";"),
        .init(
            "options that are cut hide the ports", "stages/parse.bpf.h",
            "return packet_fault(packet, GUARD_DETAIL_TINY_FRAGMENT);", "return;"),
        .init("essential traffic comes out of tunnels", "stages/essential.bpf.h", "packet->depth || ", ""),
        .init(
            "failsafe forgets later fragments", "stages/fragments.bpf.h",
            "(is_failsafe ? FRAGMENT_FAILSAFE : 0)", "0"),
        .init(
            "dropped trains push out others", "stages/fragments.bpf.h",
            "\tif (later && !passes)\n\t\treturn ~0ULL;\n", ""),
        .init(
            "dropped trains stay as long as others", "stages/fragments.bpf.h",
            "group->passes[number] ? 1ULL << 63 : 0;", "0;"),
        .init("trains live for an hour", "abi/guard_abi.h", "30000000000ULL", "3600000000000ULL"),
        .init(
            "trains live a nanosecond longer", "stages/fragments.bpf.h",
            "now - kept < GUARD_FRAGMENT_LIFE_NS", "now - kept <= GUARD_FRAGMENT_LIFE_NS"),
        .init("a clock that goes back ends trains", "stages/fragments.bpf.h", "now < kept || ", ""),
        .init(
            "only the innermost first fragment is kept", "stages/fragments.bpf.h",
            "\tif (packet->depth)\n\t\tremember_around(packet, decision, flags);\n", ""),
    ]

    private static let tunnels: [Mutation] = [
        .init("GRE's key is content", "stages/tunnel.bpf.h", " + (flags >> 13 & 1)", ""),
        .init("GRE's version does not matter", "stages/tunnel.bpf.h", "flags & 0x4007", "flags & 0x4000"),
        .init(
            "GRE carries no Ethernet", "stages/tunnel.bpf.h", "return protocol == ETH_P_TEB_ || ", "return "),
        .init(
            "VXLAN needs no identifier", "stages/tunnel.bpf.h", "!(bpf_ntohs(head->flags) & 0x0800)", "0"),
        .init(
            "GENEVE's options are content", "stages/tunnel.bpf.h", "8 + 4 * (flags >> 8 & 0x3f)", "8"),
        .init(
            "IPv6 in IPv6 is no tunnel", "stages/tunnel.bpf.h",
            "packet->family == 6 ? GUARD_TUNNEL_IPIP : GUARD_TUNNEL_6IN4",
            "packet->family == 6 ? 0 : GUARD_TUNNEL_6IN4"),
        .init(
            "one layer is opened", "stages/tunnel.bpf.h",
            "if (step_inwards(ctx, packet, &room->inner[0], &room->layers[0]))",
            "if (!step_inwards(ctx, packet, &room->inner[0], &room->layers[0]))"),
        .init(
            "an inner header may be broken", "stages/tunnel.bpf.h", "packet_fault(packet, inner->detail);",
            ";"),
        .init(
            "what is not IP inside passes", "stages/tunnel.bpf.h", "if (!inner->family)\n\t\treturn 0;",
            "if (!inner->family) {\n\t\tpacket->family = 0;\n\t\tpacket->ethertype = 9;\n\t\treturn 0;\n\t}"
        ),
        .init(
            "a spoofed outer source is let in", "guard.bpf.c",
            "detail = packet->outer_spoofed ? packet->outer_spoofed : spoofed(packet);",
            "detail = spoofed(packet);"),
        .init(
            "bans see no layer below", "stages/bans.bpf.h",
            "return tunnel_of(packet) && banned_below(ctx, packet);", "return 0;"),
        .init(
            "bans see one layer below", "stages/bans.bpf.h",
            "return inner_banned(ctx, &room->inner[0], &room->inner[1], bytes) > 0;", "return 0;"),
        .init(
            "bans see no layer around", "stages/bans.bpf.h", "packet->depth && banned_around(ctx, packet)",
            "0"),
        .init(
            "never-ban frees all layers", "stages/bans.bpf.h", "if (!any_bans())",
            "if (!any_bans() || !may_be_banned)"),
        .init(
            "a layer in a first fragment must be whole", "stages/parse.bpf.h", "if (!packet->is_cut)",
            "if (1)"),
        .init("GRE's routing does not matter", "stages/tunnel.bpf.h", "flags & 0x4007", "flags & 0x0007"),
        .init("GRE and GENEVE carry no IPv6", "stages/tunnel.bpf.h", " || protocol == ETH_P_IPV6;", ";"),
        .init("GENEVE's version does not matter", "stages/tunnel.bpf.h", "flags >> 14 || ", ""),
        .init(
            "tunnels over TCP", "stages/tunnel.bpf.h", "\tcase IPPROTO_UDP:\n",
            "\tcase IPPROTO_TCP:\n\tcase IPPROTO_UDP:\n"),
        .init(
            "a cut tunnel header is named otherwise", "stages/tunnel.bpf.h",
            "return inner->network <= inner->available ? OPENED : TUNNEL_TRUNCATED;", "return OPENED;"),
        .init(
            "a tunnel that is not named is opened", "stages/tunnel.bpf.h",
            "!(tunnel & guard_config.decapsulate)", "!tunnel"),
        .init(
            "an inner packet may end in the padding", "stages/tunnel.bpf.h",
            "inner->available = packet->payload_end;", "inner->available = packet->available;"),
        .init(
            "inner Ethernet keeps the frame's tags", "stages/tunnel.bpf.h",
            "\t\tinner->vlan = 0;\n\t\tinner->inner_vlan = 0;\n", ""),
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
    let object = try compiledProgram(mutating: mutation)
    return try failures(
        of: evasionCases(),
        on: { policy, bans in
            try KernelReplayEngine(policy: policy, bans: bans) { image, _ in
                try ReplayProgram(GuardObject(image, reusing: [:], elf: object))
            }
        }, limit: 1)
}

/// The object of the program with one change, or as it is.
func compiledProgram(mutating mutation: Mutation?) throws -> Data {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory())
        .appending(path: "xdpguard-mutation-\(ProcessInfo.processInfo.globallyUniqueString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(at: checkout.appending(path: "xdp"), to: folder)
    if let mutation { try mutation.apply(in: folder) }
    return try compileProgram(in: folder)
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
