// SPDX-License-Identifier: Apache-2.0
// Fragments and layers together: what is kept for which layer, what is read of a layer in a first fragment,
// and the modes `drop` and `pass`.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

private let outer = "203.0.113.1"
private let receiver = "198.51.100.1"

/// Port 22 passes by a rule, the rest by default is dropped; every tunnel is opened.
private func opening(
    _ handling: FragmentHandling = .track, _ change: (inout CheckedPolicy) -> Void = { _ in }
) -> CheckedPolicy {
    policy([rule("ssh", .pass) { $0.service = service(.tcp, 22...22) }]) {
        $0.fragments = handling
        $0.defaultVerdict = .drop
        $0.decapsulate = Set(Encapsulation.allCases)
        change(&$0)
    }
}

private func around(_ content: [UInt8], _ proto: UInt8 = 4, fragment: Int = 0, id: Int = 1) -> IPv4Bytes {
    IPv4Bytes(source: outer, proto: proto, content: content, fragment: fragment, identification: id)
}

/// One firewall's judgements, in order.
private func judgements(
    _ frames: [[UInt8]], _ made: CheckedPolicy = opening(), bans: [ReferenceBan] = [], times: [Int64] = []
) -> [Judgement] {
    var firewall = ReferenceFirewall(policy: made, bans: bans)
    return frames.enumerated().map { index, frame in
        let time = index < times.count ? times[index] : Int64(index)
        return firewall.judge(ReferenceFrame(bytes: frame, timeNanoseconds: time))
    }
}

private func ban(_ text: String, ends: Int64? = nil) -> [ReferenceBan] {
    IPAddress(text).map { [ReferenceBan(prefix: Prefix($0), endsNanoseconds: ends)] } ?? []
}

private let byRule = Judgement(.pass, .rule, rule: "ssh")
private let following = Judgement(.pass, .fragment, rule: "ssh")
private let unknown = Judgement(.drop, .fragment)

// What is kept.

@Test func `a first inside a first is kept for both layers`() {
    let inner = IPv4Bytes(fragment: 0x2000, identification: 2).packet
    let innerLater = IPv4Bytes(content: zeros(8), fragment: 3, identification: 2)
    let frames = [
        around(inner, fragment: 0x2000).frame, around(zeros(8), fragment: 6).frame,
        around(innerLater.packet, id: 3).frame, innerLater.frame,
    ]
    #expect(judgements(frames) == [byRule, following, following, following])
}

@Test func `a later fragment in a first one hands its first's fate on to the layer around it`() {
    let inner = IPv4Bytes(fragment: 0x2000, identification: 2).packet
    let innerLater = IPv4Bytes(content: zeros(20), fragment: 3, identification: 2).packet
    let wrapped = around(innerLater, fragment: 0x2000, id: 4).frame
    let rest = around(zeros(8), fragment: 5, id: 4).frame
    #expect(judgements([around(inner).frame, wrapped, rest]) == [byRule, following, following])
    #expect(judgements([wrapped, rest]) == [unknown, unknown], "nothing is kept of what has no first")
}

@Test func `what failsafe decided within a tunnel stays above bans for both layers`() {
    let saving = opening {
        $0.failsafe = [
            FailsafeEntry(
                source: addresses("192.0.2.7"), service: service(.tcp, 22...22), range: nowhere)
        ]
    }
    let inner = IPv4Bytes(fragment: 0x2000, identification: 2).packet
    let innerLater = IPv4Bytes(content: zeros(8), fragment: 3, identification: 2).packet
    let frames = [
        around(inner, fragment: 0x2000).frame, around(zeros(8), fragment: 6).frame,
        around(innerLater, id: 9).frame,
    ]
    let passed = Judgement(.pass, .fragment)
    for banned in [outer, "192.0.2.7"] {
        let expected = [Judgement(.pass, .failsafe), passed, passed]
        #expect(judgements(frames, saving, bans: ban(banned)) == expected, "\(banned)")
    }
}

@Test func `what failsafe decided stays above bans also for the layer around a later fragment`() {
    let saving = opening {
        $0.failsafe = [
            FailsafeEntry(source: addresses("192.0.2.7"), service: service(.tcp, 22...22), range: nowhere)
        ]
    }
    let innerLater = IPv4Bytes(content: zeros(20), fragment: 3).packet
    let frames = [
        IPv4Bytes(fragment: 0x2000).frame, around(innerLater, fragment: 0x2000, id: 4).frame,
        around(zeros(8), fragment: 5, id: 4).frame,
    ]
    let passed = Judgement(.pass, .fragment)
    let judged = judgements(frames, saving, bans: ban(outer))
    #expect(judged == [Judgement(.pass, .failsafe), passed, passed])
}

@Test func `what essential traffic's first decided holds for the rest`() {
    let offer = IPv4Bytes(proto: 17, content: udp(67, 68), fragment: 0x2000).frame
    let rest = IPv4Bytes(proto: 17, content: zeros(8), fragment: 1).frame
    let expected = [Judgement(.pass, .essential, detail: "dhcp"), Judgement(.pass, .fragment)]
    #expect(judgements([offer, rest]) == expected)
}

@Test func `a rejected first's rest is rejected`() {
    let rejecting = opening { $0.rules[0].action = .reject }
    let judged = judgements(
        [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame], rejecting)
    let fates = [Judgement(.reject, .rule, rule: "ssh"), Judgement(.reject, .fragment, rule: "ssh")]
    #expect(judged == fates)
}

@Test func `a rule that ends between a first and its rest still decides the rest`() {
    let ending = opening { $0.rules[0].expires = 10 }
    let frames = [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame]
    #expect(judgements(frames, ending, times: [9_999_999_999, 10_000_000_000]) == [byRule, following])
}

// Spoofed and banned ones.

@Test func `a ban that holds for the later fragment drops it whatever its first met`() {
    let frames = [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame]
    let banned = ban("192.0.2.7", ends: 100)
    var firewall = ReferenceFirewall(policy: opening())
    let first = firewall.judge(ReferenceFrame(bytes: frames[0], timeNanoseconds: 98))
    firewall.ban(banned[0].prefix, until: 100)
    let later = firewall.judge(ReferenceFrame(bytes: frames[1], timeNanoseconds: 99))
    #expect([first, later] == [byRule, Judgement(.drop, .ban)])
    #expect(judgements(frames, bans: banned, times: [99, 100]) == [Judgement(.drop, .ban), unknown])
    // Time that goes back counts as none: what has ended has ended.
    #expect(judgements(frames, bans: banned, times: [100, 99]) == [byRule, following])
}

@Test func `a spoofed first is not kept, under pass it is`() {
    let spoofed = IPv4Bytes(source: "127.0.0.1", fragment: 0x2000).frame
    let rest = IPv4Bytes(source: "127.0.0.1", content: zeros(8), fragment: 3).frame
    #expect(judgements([spoofed, rest]).map(\.reason) == [.spoofed, .spoofed])
    let detail = "loopback source"
    let open = judgements([spoofed, rest], opening { $0.spoofed = .pass })
    #expect(
        open == [
            Judgement(.pass, .rule, detail: detail, rule: "ssh"),
            Judgement(.pass, .fragment, detail: detail, rule: "ssh"),
        ])
    let own = IPv4Bytes(source: "192.0.2.8", fragment: 0x2000).frame
    #expect(judgements([own, rest], opening { $0.spoofed = .pass })[1].verdict == .drop)
}

// Overlapping ones.

/// (bytes of the first behind its IP header, offset of the later one in units of 8 bytes, overlaps)
private let overlaps = [
    (24, 1, true), (24, 2, true), (24, 3, false), (24, 4, false), (32, 3, true), (32, 4, false),
    // A first is read as far as it is there, whole units or not.
    (25, 3, true), (20, 2, true), (20, 3, false),
]

@Test(arguments: overlaps)
func `a later fragment overlaps where it starts before its first's end`(
    _ count: Int, _ offset: Int, _ isOverlapping: Bool
) {
    // UDP, since TCP's offset 1 has a check of its own.
    let content = udp(40000, 53, zeros(count - 8))
    let padding = zeros(6)
    let v4 = [
        IPv4Bytes(proto: 17, content: content, fragment: 0x2000).frame + padding,
        IPv4Bytes(proto: 17, content: zeros(8), fragment: offset).frame,
    ]
    // What stands before the fragment header is not fragmented.
    let options = extensionHeader(next: 44)
    let (first, later) = (
        fragmentHeader(next: 17, offset: 0, more: true), fragmentHeader(next: 17, offset: offset, more: false)
    )
    let v6 = [
        IPv6Bytes(next: 0, content: options + first + content).frame + padding,
        IPv6Bytes(next: 44, content: later + zeros(8)).frame,
    ]
    let open = policy { $0.fragments = .track }
    for frames in [v4, v6] {
        let expected =
            isOverlapping
            ? Judgement(.drop, .malformed, detail: "overlapping fragment") : Judgement(.pass, .fragment)
        #expect(judgements(frames, open) == [Judgement(.pass, .default), expected])
    }
}

@Test func `overlapping is judged before failsafe, and only of the judged layer`() {
    let saving = opening { $0.failsafe = [FailsafeEntry(source: .all, service: nil, range: nowhere)] }
    let first = IPv4Bytes(fragment: 0x2000).frame
    let overlapping = IPv4Bytes(content: zeros(8), fragment: 2)
    #expect(judgements([first, overlapping.frame], saving)[1].detail == "overlapping fragment")
    #expect(judgements([first, around(overlapping.packet).frame])[1].detail == "overlapping fragment")
    let outside = opening { $0.decapsulate = [] }
    #expect(judgements([first, around(overlapping.packet).frame], outside)[1] == Judgement(.drop, .default))
}

@Test func `an earlier check names an overlapping fragment`() {
    let first = IPv4Bytes(fragment: 0x2000).frame
    let both = IPv4Bytes(content: zeros(8), fragment: 1).frame
    #expect(judgements([first, both])[1].detail == "fragment offset 1")
}

// Layers in first fragments.

/// What is left of 192.0.2.7's TCP segment in a first fragment; nil: it is well-formed.
private let cuts: [(String, [UInt8], String?)] = [
    ("whole", IPv4Bytes().packet, nil),
    ("more to come", IPv4Bytes(totalLength: 1400).packet, nil),
    ("longer TCP header", IPv4Bytes(content: tcp(words: 15), totalLength: 80).packet, nil),
    ("no TCP flags", IPv4Bytes(content: tcp(flags: [])).packet, "tcp flags"),
    ("19 bytes of TCP", Array(IPv4Bytes().packet.dropLast()), "tiny fragment"),
    ("no byte of TCP", Array(IPv4Bytes().packet.prefix(20)), "tiny fragment"),
    ("19 bytes of IPv4", Array(IPv4Bytes().packet.prefix(19)), "truncated ip header"),
    ("length below the header's", IPv4Bytes(totalLength: 19).packet, "ip length"),
    ("a first inside", IPv4Bytes(fragment: 0x2000).packet, nil),
    ("a tiny first inside", Array(IPv4Bytes(fragment: 0x2000).packet.dropLast()), "tiny fragment"),
]

@Test(arguments: cuts)
func `a layer in a first fragment is judged as far as it goes`(
    _ name: String, _ inner: [UInt8], _ check: String?
) {
    let frame = around(inner, fragment: 0x2000).frame
    let expected = check.map { Judgement(.drop, .malformed, detail: $0) } ?? byRule
    for handling in [FragmentHandling.track, .pass] {
        #expect(judgements([frame], opening(handling)) == [expected], "\(name) under \(handling)")
    }
}

@Test func `an IPv6 layer in a first fragment may lack payload but not extension headers`() {
    func judged(_ inner: [UInt8]) -> Judgement { judgements([around(inner, 41, fragment: 0x2000).frame])[0] }
    #expect(judged(IPv6Bytes(payloadLength: 1400).packet) == byRule)
    let options = IPv6Bytes(next: 60, content: extensionHeader(next: 6, units: 1)).packet
    #expect(judged(options).detail == "tiny fragment")
    #expect(judged(Array(options.dropLast())).detail == "truncated extension header")
    #expect(judged(Array(options.prefix(39))).detail == "truncated ip header")
}

@Test func `a UDP length is no fault two layers into a first fragment`() {
    let datagram = udp(40000, 53, zeros(8), length: 1000)
    let inside = IPv4Bytes(proto: 17, content: datagram, totalLength: 1020).packet
    let frame = around(IPv4Bytes(proto: 4, content: inside).packet, fragment: 0x2000).frame
    #expect(judgements([frame]) == [Judgement(.drop, .default)])
    let pattern = PayloadPattern(offset: 4, bytes: zeros(4), mask: [255, 255, 255, 255])
    let payload = opening { $0.rules = [rule("payload", .pass) { $0.payload = [pattern] }] }
    #expect(judgements([frame], payload) == [Judgement(.pass, .rule, rule: "payload")])
    let whole = around(IPv4Bytes(proto: 4, content: inside).packet).frame
    #expect(judgements([whole])[0].detail == "truncated packet")
}

// The other modes.

@Test func `under drop a fragment in any layer down to the judged one is dropped`() {
    let inFirst = around(IPv4Bytes().packet, fragment: 0x2000).frame
    let firstInside = around(IPv4Bytes(fragment: 0x2000).packet).frame
    let laterInside = around(IPv4Bytes(content: zeros(8), fragment: 3).packet).frame
    for frame in [inFirst, firstInside, laterInside] {
        #expect(judgements([frame], opening(.drop)) == [unknown])
    }
    #expect(judgements([around(IPv4Bytes().packet).frame], opening(.drop)) == [byRule])
    let outside = opening(.drop) { $0.decapsulate = [] }
    #expect(judgements([firstInside], outside) == [Judgement(.drop, .default)], "below the judged layer")
}

@Test func `under drop failsafe and bans come before the fragment's drop`() {
    let frame = IPv4Bytes(fragment: 0x2000).frame
    let saving = opening(.drop) {
        $0.failsafe = [FailsafeEntry(source: addresses("192.0.2.7"), service: nil, range: nowhere)]
    }
    #expect(judgements([frame], saving) == [Judgement(.pass, .failsafe)])
    #expect(judgements([frame], opening(.drop), bans: ban("192.0.2.7")) == [Judgement(.drop, .ban)])
}

@Test func `under pass every fragment meets the rules by itself and overlaps nothing`() {
    let frames = [
        IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame,
        IPv4Bytes(content: zeros(8), fragment: 2).frame,
    ]
    let byDefault = Judgement(.drop, .default)
    #expect(judgements(frames, opening(.pass)) == [byRule, byDefault, byDefault])
}

// Monitor.

@Test func `in monitor mode what is kept is what would have been enforced`() {
    let frames = [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame]
    func reported(_ change: (inout CheckedPolicy) -> Void) -> [Judgement] {
        judgements(
            frames,
            opening {
                $0.mode = .monitor
                change(&$0)
            })
    }
    let dropping = reported { $0.rules[0].action = .drop }
    #expect(dropping[0] == Judgement(.pass, .rule, rule: "ssh", wouldDrop: "ssh"))
    #expect(dropping[1] == Judgement(.pass, .fragment, rule: "ssh", wouldDrop: "ssh"))
    let byDefault = reported { $0.rules = [] }
    #expect(byDefault[1] == Judgement(.pass, .fragment, wouldDrop: "fragment"))
    #expect(reported { _ in } == [byRule, following])
    let unseen = judgements([frames[1]], opening { $0.mode = .monitor })
    #expect(unseen == [Judgement(.pass, .fragment, wouldDrop: "fragment")])
}

@Test func `a first that a ban would have dropped is not kept in monitor mode either`() {
    let frames = [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame]
    let watching = opening { $0.mode = .monitor }
    let judged = judgements(frames, watching, bans: ban("192.0.2.7", ends: 1), times: [0, 1])
    #expect(judged[0] == Judgement(.pass, .ban, wouldDrop: "ban"))
    #expect(judged[1] == Judgement(.pass, .fragment, wouldDrop: "fragment"))
}

@Test func `a rule in monitor mode is reported for the rest as for the first`() {
    var watching = rule("watch", .drop)
    watching.monitor = true
    let made = opening { $0.rules.insert(watching, at: 0) }
    let frames = [IPv4Bytes(fragment: 0x2000).frame, IPv4Bytes(content: zeros(8), fragment: 3).frame]
    let judged = judgements(frames, made)
    #expect(judged[0] == Judgement(.pass, .rule, rule: "ssh", wouldDrop: "watch"))
    #expect(judged[1] == Judgement(.pass, .fragment, rule: "ssh", wouldDrop: "watch"))
}
