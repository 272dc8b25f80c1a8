// SPDX-License-Identifier: Apache-2.0
// Frames of any bytes: nothing traps, and what a judgement says agrees with itself.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// SplitMix64, so that a printed seed brings a failure back.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

private let starts: [[UInt8]] = [
    IPv4Bytes().frame, IPv4Bytes(proto: 17, content: udp(1, 2, zeros(20)), options: zeros(8)).frame,
    IPv6Bytes(
        next: 0, content: extensionHeader(next: 44) + fragmentHeader(next: 6, offset: 0, more: true) + tcp()
    ).frame,
    IPv6Bytes(next: 58, content: icmp(2, IPv6Bytes().packet)).frame,
    ethernet(
        0x0800, IPv4Bytes(proto: 1, content: icmp(3, code: 4, IPv4Bytes().packet)).packet, tags: [(0x8100, 5)]
    ),
    IPv4Bytes(proto: 4, content: IPv4Bytes(proto: 41, content: IPv6Bytes().packet).packet).frame,
    IPv4Bytes(proto: 4, content: IPv4Bytes(options: zeros(8), fragment: 0x2000).packet, fragment: 0x2000)
        .frame,
    IPv6Bytes(next: 47, content: [0xb0, 0, 0x65, 0x58] + zeros(12) + IPv4Bytes(fragment: 3).frame).frame,
    IPv4Bytes(proto: 17, content: udp(5, 4789, [8] + zeros(7) + IPv6Bytes().frame)).frame,
    IPv4Bytes(proto: 17, content: udp(5, 6081, [2, 0, 8, 0] + zeros(12) + IPv4Bytes().packet)).frame,
]

/// Every tunnel is opened, so that mutations reach all layers.
private func opened(_ rules: [Rule] = [], _ change: (inout CheckedPolicy) -> Void = { _ in })
    -> CheckedPolicy
{
    policy(rules) {
        $0.decapsulate = Set(Encapsulation.allCases)
        change(&$0)
    }
}

/// A frame with up to four bytes changed and up to eight cut off.
private func mutated(_ generator: inout SeededGenerator) -> [UInt8] {
    var frame = starts.randomElement(using: &generator) ?? []
    for _ in 0..<Int.random(in: 0...4, using: &generator) where !frame.isEmpty {
        frame[Int.random(in: 0..<frame.count, using: &generator)] = UInt8.random(
            in: 0...255, using: &generator)
    }
    frame.removeLast(Int.random(in: 0...min(8, frame.count), using: &generator))
    return frame
}

private func everyKey() -> Rule {
    rule("every key", .drop) {
        $0.source = .all
        $0.destination = .all
        $0.service = ServiceSet(others: true)
        $0.sourcePort = .all
        $0.tcpFlags = TCPFlagsMatch(mustBeSet: [], mustBeClear: [])
        $0.families = Set(AddressFamily.allCases)
        $0.vlan = TagMatch(none: true, ids: .all)
        $0.innerVLAN = TagMatch(none: true, ids: .all)
        $0.length = .all
        $0.ttl = .all
        $0.dscp = .all
        $0.fragment = Set(FragmentKind.allCases)
        $0.ipOptions = false
        $0.payload = [PayloadPattern(offset: 60, bytes: [1, 2, 3, 4], mask: [255, 255, 255, 255])]
    }
}

@Test(arguments: [UInt64(1), 2, 3, 4])
func `mutated frames never trap and agree with the strict policy`(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let open = opened([everyKey()]) {
        $0.malformed = .pass
        $0.spoofed = .pass
    }
    for _ in 0..<2000 {
        let frame = mutated(&generator)
        let strict = judge(frame, opened())
        let lenient = judge(frame, open)
        if [.malformed, .spoofed].contains(strict.reason), lenient.reason != .essential {
            #expect(lenient.detail == strict.detail, "seed \(seed), frame \(frame)")
        }
        #expect(strict.verdict == .drop || strict.reason != .malformed, "seed \(seed), frame \(frame)")
        #expect(lenient.reason != .malformed && lenient.reason != .spoofed, "seed \(seed), frame \(frame)")
    }
}

@Test(arguments: [UInt64(11), 12])
func `a memory of mutated fragments never traps, and what follows says what it follows`(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let bans = [IPAddress("192.0.2.8"), IPAddress("2001:db8::8")].compactMap { $0 }
        .map { ReferenceBan(prefix: Prefix($0)) }
    for handling in [PassOrDrop.drop, .pass] {
        var firewall = ReferenceFirewall(
            policy: opened([everyKey()]) {
                $0.fragments = .track
                $0.malformed = handling
            }, bans: bans)
        for _ in 0..<2000 {
            let time = Int64.random(in: 0...60_000_000_000, using: &generator)
            let frame = mutated(&generator)
            let judgement = firewall.judge(ReferenceFrame(bytes: frame, timeNanoseconds: time))
            let place = Comment("seed \(seed), frame \(frame)")
            #expect(judgement.reason != .fragment || [nil, "every key"].contains(judgement.rule), place)
            #expect(
                judgement.reason != .fragment || judgement.verdict == .drop || judgement.rule == nil, place)
            #expect(handling == .drop || judgement.reason != .malformed, place)
        }
    }
}

@Test func `random bytes never trap`() {
    let seed: UInt64 = 7
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<3000 {
        let count = Int.random(in: 0...120, using: &generator)
        let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let tunnels = [UInt8(4), 41, 47].map { IPv4Bytes(proto: $0, content: noise).frame }
        let carried = [4789, 6081].map { IPv6Bytes(next: 17, content: udp(5, $0, noise)).frame }
        let plain = [noise, ethernet(0x0800, [0x45] + noise), ethernet(0x86dd, [0x60] + noise)]
        for frame in plain + tunnels + carried {
            let judgement = judge(frame, opened { $0.malformed = .pass })
            #expect(
                judgement.verdict == .pass || judgement.reason != .default, "seed \(seed), frame \(frame)")
        }
    }
}
