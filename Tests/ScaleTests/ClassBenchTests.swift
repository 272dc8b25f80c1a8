// SPDX-License-Identifier: Apache-2.0
// ClassBench's lines as rules and headers, rules as policy text, headers as frames, and the command that
// hands both to scripts.
import Capture
import Glibc
import NetworkTypes
import TestSupport
import Testing

private func bytes(_ line: String) -> ArraySlice<UInt8> { Array(line.utf8)[...] }

private func rule(_ line: String) throws -> ClassBenchRule { try #require(ClassBenchRule(bytes(line))) }

private func header(_ line: String) throws -> ClassBenchHeader {
    try #require(ClassBenchHeader(bytes(line)))
}

private let web = "@192.0.2.0/24\t198.51.100.1/32\t0 : 65535\t80 : 81\t0x06/0xFF\t0x0000/0x0200\t"
private let any = "@0.0.0.0/0\t198.51.100.0/25\t0 : 65535\t0 : 65535\t0x00/0x00\t0x0000/0x0000\t"
private let gre = "@192.0.2.0/24\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x2f/0xFF\t0x0000/0x0000\t"
private let icmpPort = "@192.0.2.1/32\t0.0.0.0/0\t25 : 25\t0 : 65535\t0x01/0xFF\t0x0000/0x0000"
private let anyPort = "@192.0.2.1/32\t0.0.0.0/0\t25 : 25\t53 : 53\t0x00/0x00\t0x0000/0x0000"

@Suite struct ClassBenchTests {
    @Test func `a line is a rule of five fields, its flags left out`() throws {
        let rule = try rule(web)
        #expect("\(rule.source) \(rule.destination)" == "192.0.2.0/24 198.51.100.1")
        #expect(rule.sourcePorts == 0...65535)
        #expect(rule.destinationPorts == 80...81)
        #expect(rule.proto == 6)
        #expect(try ScaleTests.rule(any).proto == nil)
    }

    @Test(arguments: [
        "", "192.0.2.0/24 198.51.100.1/32 0 : 1 0 : 1 0x06/0xFF", "@192.0.2.0/33" + web.dropFirst(13),
        web.replacing("80 : 81", with: "81 : 80"), web.replacing("80 : 81", with: "80 : 65536"),
        web.replacing("0x06/0xFF", with: "0x06/0xF0"), web.replacing("0x06/0xFF", with: "0x06"),
        web.replacing("80 : 81", with: "80"),
    ])
    func `any other line is no rule`(line: String) {
        #expect(ClassBenchRule(bytes(line)) == nil)
    }

    @Test func `addresses of a trace are numbers or IPv6 text`() throws {
        let v4 = try header("3221225985\t3325256705\t1024\t80\t6\t0")
        #expect("\(v4.source) \(v4.destination)" == "192.0.2.1 198.51.100.1")
        #expect([v4.sourcePort, v4.destinationPort] == [1024, 80])
        let v6 = try header("2001:db8::1\t2001:db8::2\t0\t65535\t58\t7")
        #expect("\(v6.source) \(v6.destination) \(v6.proto)" == "2001:db8::1 2001:db8::2 58")
    }

    @Test(arguments: ["", "1 2 3 4", "4294967296 2 3 4 5", "1 2 65536 4 5", "1 2 3 4 256", "a 2 3 4 5"])
    func `any other line is no header`(line: String) {
        #expect(ClassBenchHeader(bytes(line)) == nil)
    }

    @Test(arguments: [
        ("3221225985 3325256705 9 80 6", true), ("3221225985 3325256705 9 81 6", true),
        ("3221225985 3325256705 9 82 6", false), ("3221225985 3325256705 9 80 17", false),
        ("3221226240 3325256705 9 80 6", false), ("3221225985 3325256706 9 80 6", false),
    ])
    func `a rule holds where all five fields do`(line: String, isMatch: Bool) throws {
        #expect(try rule(web).matches(header(line)) == isMatch)
    }

    @Test func `ports of TCP and UDP alone are said plainly`() throws {
        let rules = try [web, any, gre].map(rule)
        let translation = ClassBenchTranslation(rules)
        #expect(!translation.protocolIsTTL)
        #expect(
            translation.policy(rules, named: "t").split(separator: "\n").suffix(3) == [
                "  - { name: r0, source: 192.0.2.0/24, destination: 198.51.100.1, "
                    + "service: tcp/80-81, action: drop }",
                "  - { name: r1, source: 0.0.0.0/0, destination: 198.51.100.0/25, action: drop }",
                "  - { name: r2, source: 192.0.2.0/24, destination: 0.0.0.0/0, service: gre, action: drop }",
            ])
    }

    @Test(arguments: [icmpPort, anyPort])
    func `ports of other protocols put the protocol into the TTL`(line: String) throws {
        let rules = try [line, web].map(rule)
        let translation = ClassBenchTranslation(rules)
        #expect(translation.protocolIsTTL)
        let text = translation.policy(rules, named: "t")
        #expect(text.contains("198.51.100.1, ttl: 6, service: udp/80-81, action"))
        #expect(
            text.contains(
                line == icmpPort
                    ? "r0, source: 192.0.2.1, destination: 0.0.0.0/0, ttl: 1, source-port: 25, action"
                    : "destination: 0.0.0.0/0, service: udp/53, source-port: 25, action"))
        let packet = PacketDecoder().packet(translation.frame(try header("3221225985 1 25 53 1")))
        #expect(packet?.proto == .udp)
        #expect(packet?.ttl == 1)
        #expect(packet?.sourcePort == 25)
        #expect(packet?.destinationPort == 53)
    }

    @Test(arguments: [
        ("2001:db8::1 2001:db8::2 1 2 0", 253), ("2001:db8::1 2001:db8::2 1 2 51", 254),
        ("2001:db8::1 2001:db8::2 1 2 58", 58), ("2001:db8::1 2001:db8::2 1 2 255", 255),
        ("3221225985 3325256705 1 2 0", 0), ("3221225985 3325256705 1 2 51", 51),
    ])
    func `a header is a frame of its protocol, but for IPv6's extension headers`(line: String, proto: UInt8)
        throws
    {
        let frame = ClassBenchTranslation([]).frame(try header(line))
        #expect(PacketDecoder().packet(frame)?.proto.rawValue == proto)
    }
}

extension PacketDecoder {
    fileprivate func packet(_ frame: [UInt8]) -> PacketDescription? {
        frame.withUnsafeBytes { describe($0) }
    }
}
