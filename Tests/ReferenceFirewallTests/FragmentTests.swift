// SPDX-License-Identifier: Apache-2.0
// `fragments: track`: later fragments follow their first, for 30 seconds and as long as the table has room.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// Passes UDP to port 53 by a rule, drops the rest; a banned source and one that failsafe lets in.
private func tracking(_ change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    policy([rule("dns", .pass) { $0.service = service(.udp, 53...53) }]) {
        $0.fragments = .track
        $0.defaultVerdict = .drop
        change(&$0)
    }
}

private enum Family: CaseIterable { case ipv4, ipv6 }

/// A piece of a UDP datagram of 40 bytes.
/// - Parameter offset: in units of 8 bytes; the first piece has 24 bytes.
private func piece(
    _ family: Family = .ipv4, offset: Int, more: Bool, port: Int = 53, from source: String? = nil,
    id: Int = 1,
    proto: UInt8 = 17
) -> [UInt8] {
    let content = offset == 0 ? udp(40000, port, zeros(16), length: 40) : zeros(16)
    if family == .ipv4 {
        var made = IPv4Bytes(proto: proto, content: content)
        made.fragment = offset | (more ? 0x2000 : 0)
        made.source = source ?? made.source
        var frame = made.frame
        frame[18] = UInt8(truncatingIfNeeded: id >> 8)
        frame[19] = UInt8(truncatingIfNeeded: id)
        return frame
    }
    var header = fragmentHeader(next: proto, offset: offset, more: more)
    header[6] = UInt8(truncatingIfNeeded: id >> 8)
    header[7] = UInt8(truncatingIfNeeded: id)
    var made = IPv6Bytes(next: 44, content: header + content)
    made.source = source ?? made.source
    return made.frame
}

private func first(_ family: Family = .ipv4, port: Int = 53, from source: String? = nil, id: Int = 1)
    -> [UInt8]
{
    piece(family, offset: 0, more: true, port: port, from: source, id: id)
}

private func last(_ family: Family = .ipv4, from source: String? = nil, id: Int = 1) -> [UInt8] {
    piece(family, offset: 3, more: false, from: source, id: id)
}

/// One firewall's judgements of frames, each a second behind the one before unless its time is given.
private func judgements(
    _ frames: [[UInt8]], _ made: CheckedPolicy = tracking(), bans: [ReferenceBan] = [], times: [Int64] = []
) -> [Judgement] {
    var firewall = ReferenceFirewall(policy: made, bans: bans)
    return frames.enumerated().map { index, frame in
        let time = times.isEmpty ? Int64(index) * 1_000_000_000 : times[index]
        return firewall.judge(ReferenceFrame(bytes: frame, timeNanoseconds: time))
    }
}

private let byRule = Judgement(.pass, .rule, rule: "dns")
private let following = Judgement(.pass, .fragment, rule: "dns")
private let unknown = Judgement(.drop, .fragment)

struct FragmentTests {
    @Test(arguments: Family.allCases)
    fileprivate func `later fragments get their first one's verdict and rule`(_ family: Family) {
        let frames = [
            first(family), piece(family, offset: 3, more: true), piece(family, offset: 5, more: false),
        ]
        #expect(judgements(frames) == [byRule, following, following])
    }

    @Test(arguments: Family.allCases)
    fileprivate func `those of a dropped first are dropped, without a rule where none decided`(
        _ family: Family
    ) {
        let dropped = judgements([first(family, port: 9), last(family)])
        #expect(dropped == [Judgement(.drop, .default), unknown])
        let denying = tracking { $0.rules[0].action = .drop }
        let denied = judgements([first(family), last(family)], denying)
        #expect(denied[1] == Judgement(.drop, .fragment, rule: "dns"))
    }

    @Test(arguments: Family.allCases)
    fileprivate func `one that comes before its first, or without it, is dropped`(_ family: Family) {
        #expect(judgements([last(family), first(family), last(family)]) == [unknown, byRule, following])
    }

    @Test fileprivate func `identification, protocol and source tell trains apart`() {
        let others = [
            last(id: 2), last(from: "192.0.2.8"), piece(offset: 3, more: false, proto: 1), last(.ipv6),
        ]
        #expect(judgements([first()] + others).dropFirst() == [unknown, unknown, unknown, unknown])
    }

    @Test(arguments: [
        (Int64(29_999_999_999), true), (30_000_000_000, false), (-1_000_000_000, true),
    ])
    fileprivate func `a first is kept for 30 seconds, and time that goes back is none`(
        _ age: Int64, _ isKept: Bool
    ) {
        let start: Int64 = 100_000_000_000
        #expect(
            judgements([first(), last()], times: [start, start + age])[1] == (isKept ? following : unknown))
    }

    @Test(arguments: Family.allCases)
    fileprivate func `one that starts within its first is malformed`(_ family: Family) {
        let overlapping = piece(family, offset: 2, more: false)
        let expected = Judgement(.drop, .malformed, detail: "overlapping fragment")
        #expect(judgements([first(family), overlapping]) == [byRule, expected])
        let lenient = tracking { $0.malformed = .pass }
        var followed = following
        followed.detail = "overlapping fragment"
        #expect(judgements([first(family), overlapping], lenient)[1] == followed)
    }

    @Test fileprivate func `a second first replaces the one before`() {
        let frames = [first(), first(port: 9), last(), first(), last()]
        #expect(judgements(frames).map(\.verdict) == [.pass, .drop, .drop, .pass, .pass])
    }

    @Test fileprivate func `a malformed first leaves the one before`() {
        var tiny = Array(first().prefix(14 + 20 + 4))
        tiny[17] = 24
        let judged = judgements([first(), tiny, last()])
        #expect(judged[1] == Judgement(.drop, .malformed, detail: "tiny fragment"))
        #expect(judged[2] == following)
    }

    @Test fileprivate func `what failsafe let in stays above the bans, what a ban dropped below them`() throws
    {
        let source = try #require(IPAddress("192.0.2.7"))
        let bans = [ReferenceBan(prefix: Prefix(source))]
        let saving = tracking {
            let dns = service(.udp, 53...53)
            $0.failsafe = [FailsafeEntry(source: addresses("192.0.2.7"), service: dns, range: nowhere)]
        }
        let passed = judgements([first(), last()], saving, bans: bans)
        #expect(passed == [Judgement(.pass, .failsafe), Judgement(.pass, .fragment)])
        #expect(judgements([first(), last()], bans: bans).map(\.reason) == [.ban, .ban])
    }

    @Test fileprivate func `monitor mode says of later fragments what it says of their first`() {
        let watching = tracking {
            $0.rules.insert(rule("watch", .drop), at: 0)
            $0.rules[0].monitor = true
        }
        #expect(judgements([first(), last()], watching).map(\.wouldDrop) == ["watch", "watch"])
        let reporting = tracking { $0.mode = .monitor }
        let reported = judgements([first(port: 9), last()], reporting)
        #expect(reported.map(\.verdict) == [.pass, .pass])
        #expect(reported.map(\.wouldDrop) == ["default", "fragment"])
    }
}
