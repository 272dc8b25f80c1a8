// SPDX-License-Identifier: Apache-2.0
// Captures in, frames out: formats, byte orders, times, link layers, and what becomes of broken files.

import Capture
import Glibc
import TestSupport
import Testing

struct CaptureReaderTests {
    static let syn = "tcp 192.0.2.7:40000 > 198.51.100.1:22 syn"
    static let dns = "udp [2001:db8::1]:53 > [2001:db8::2]:4000 payload 0011"

    // MARK: pcap

    @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
    func `a pcap file of either byte order and precision gives its frames`(isBigEndian: Bool, isNano: Bool)
        throws
    {
        var file = PcapBytes(isBigEndian: isBigEndian, isNano: isNano)
        let first = try frame(Self.syn)
        file.add(first, at: (1_700_000_000, 123_456))
        file.add(Array(first.prefix(20)), at: (1_700_000_001, 0), original: 1514)
        let outcome = read(file.bytes)
        let fraction: Int64 = isNano ? 123_456 : 123_456_000
        #expect(outcome.error == nil)
        #expect(
            outcome.frames == [
                KeptFrame(
                    bytes: first, captured: 54, original: 54, time: 1_700_000_000_000_000_000 + fraction,
                    number: 1),
                KeptFrame(
                    bytes: Array(first.prefix(20)), captured: 20, original: 1514,
                    time: 1_700_000_001_000_000_000,
                    number: 2),
            ])
    }

    @Test func `a record that ends early is an error after the frames before it`() throws {
        var file = PcapBytes()
        file.add(try frame(Self.syn))
        file.add(try frame(Self.syn))
        let outcome = read(file.bytes.dropLast(3))
        #expect(outcome.frames.count == 1)
        guard case .broken(_, packet: 2, _) = outcome.error else {
            Issue.record("\(String(describing: outcome.error))")
            return
        }
        #expect(outcome.error?.message.hasPrefix("\(outcome.path): packet 2: truncated dump file") == true)
        #expect(outcome.error?.exitCode == 65)
    }

    @Test func `an absurd captured length is an error and no allocation`() throws {
        var file = PcapBytes()
        file.add(try frame(Self.syn), captured: 0xffff_fff0)
        guard case .broken(_, packet: 1, _) = read(file.bytes).error else {
            Issue.record("no error")
            return
        }
    }

    // MARK: Link layers

    /// Bytes before the IP packet, the link type, and the ethertype that the made Ethernet header has.
    struct Link: Sendable, CustomTestStringConvertible {
        let name: String
        let type: UInt32
        let header: [UInt8]
        let ethertype: [UInt8]
        var text = CaptureReaderTests.syn
        var testDescription: String { name }
    }

    static let cooked: [UInt8] = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0]
    static let links: [Link] = [
        Link(name: "raw v4", type: 101, header: [], ethertype: [8, 0]),
        Link(name: "raw v6", type: 101, header: [], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "raw, 12", type: 12, header: [], ethertype: [8, 0]),
        Link(name: "raw, 14", type: 14, header: [], ethertype: [8, 0]),
        Link(name: "ipv4", type: 228, header: [], ethertype: [8, 0]),
        Link(name: "ipv6", type: 229, header: [], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "cooked", type: 113, header: cooked + [8, 0], ethertype: [8, 0]),
        Link(
            name: "cooked v6", type: 113, header: cooked + [0x86, 0xdd], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "cooked 802.2", type: 113, header: cooked + [0, 4], ethertype: [0, 4]),
        Link(
            name: "cooked 2", type: 276,
            header: [8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6] + [2, 0, 0, 0, 0, 9, 0, 0],
            ethertype: [8, 0]),
        Link(name: "null, little-endian", type: 0, header: [2, 0, 0, 0], ethertype: [8, 0]),
        Link(name: "null, big-endian", type: 0, header: [0, 0, 0, 2], ethertype: [8, 0]),
        Link(name: "null, Linux v6", type: 0, header: [10, 0, 0, 0], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "null, FreeBSD v6", type: 0, header: [28, 0, 0, 0], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "null, Darwin v6", type: 0, header: [0, 0, 0, 30], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "null, AppleTalk", type: 0, header: [16, 0, 0, 0], ethertype: [0xff, 0xff]),
        Link(name: "ppp", type: 9, header: [0xff, 3, 0, 0x21], ethertype: [8, 0]),
        Link(name: "ppp, bare", type: 9, header: [0, 0x57], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "ppp, compressed", type: 9, header: [0x21], ethertype: [8, 0]),
        Link(name: "ppp, LCP", type: 9, header: [0xff, 3, 0xc0, 0x21], ethertype: [0xff, 0xff]),
        Link(name: "hdlc", type: 104, header: [0x0f, 0, 8, 0], ethertype: [8, 0]),
        Link(name: "hdlc v6", type: 104, header: [0x8f, 0, 0x86, 0xdd], ethertype: [0x86, 0xdd], text: dns),
        Link(name: "loop v6", type: 108, header: [0, 0, 0, 24], ethertype: [0x86, 0xdd], text: dns),
    ]

    @Test(arguments: links) func `a frame without an Ethernet header gets one`(_ link: Link) throws {
        let ip = try Array(frame(link.text).dropFirst(14))
        var file = PcapBytes(linkType: link.type)
        file.add(link.header + ip)
        let outcome = read(file.bytes)
        #expect(outcome.error == nil)
        let got = try #require(outcome.frames.first)
        #expect(Array(got.bytes.dropFirst(12)) == link.ethertype + ip)
        #expect(got.captured == link.header.count + ip.count)
        #expect(got.original == link.header.count + ip.count)
    }

    @Test func `a vlan tag in a cooked frame stays a tag`() throws {
        let tagged = try frame(Self.syn + " vlan 7")
        var file = PcapBytes(linkType: 113)
        file.add(Self.cooked + tagged.dropFirst(12))
        #expect(read(file.bytes).frames.first?.bytes == tagged)
    }

    @Test(arguments: [(113 as UInt32, 15), (276, 19), (0, 3), (108, 0), (104, 3)])
    func `a frame shorter than its own link header has no bytes`(type: UInt32, count: Int) {
        var file = PcapBytes(linkType: type)
        file.add([UInt8](repeating: 0, count: count), original: 99)
        let got = read(file.bytes).frames.first
        #expect(got?.bytes == [])
        #expect(got?.captured == count)
        #expect(got?.original == 99)
    }

    @Test(arguments: [(105 as UInt32, "IEEE802_11"), (50, "PPP_SERIAL"), (60_000, "60000")])
    func `another link type is an error that names it`(type: UInt32, name: String) throws {
        var file = PcapBytes(linkType: type)
        file.add([1, 2, 3])
        let outcome = read(file.bytes)
        #expect(outcome.error == .unsupportedLinkType(path: outcome.path, packet: 1, name: name))
        #expect(outcome.error?.message == "\(outcome.path): packet 1: link type '\(name)' is not supported")
        #expect(outcome.error?.exitCode == 65)
    }

    // MARK: No capture

    @Test func `a file that is not there is missing`() {
        let outcome = read(path: "/nonexistent/capture.pcap")
        #expect(outcome.error == .missing(path: "/nonexistent/capture.pcap", errno: ENOENT))
        #expect(
            outcome.error?.message == "/nonexistent/capture.pcap: cannot be read: No such file or directory")
        #expect(outcome.error?.exitCode == 66)
    }

    @Test func `a directory cannot be read`() {
        #expect(read(path: "/").error == .missing(path: "/", errno: EISDIR))
    }

    @Test(
        arguments: [
            ([], "the file is empty"), ([0x1f, 0x8b, 8, 0], "the file is compressed, unpack it first"),
            (Array("policy: web-server and so on and on\n".utf8), "unknown file format"),
            ([10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10], "a block of 168430090 bytes"),
        ] as [([UInt8], String)])
    func `what is no capture is an error`(bytes: [UInt8], text: String) {
        let error = read(bytes).error
        guard case .broken(_, _, let got) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(got == text)
        #expect(error?.help == "use a pcap or pcapng file")
    }
}
