// SPDX-License-Identifier: Apache-2.0
// The random generators give what the comparison is for: policies that load, fragment trains, tunnels, times.
import Capture
import NetworkTypes
import PolicyLanguage
import TestSupport
import Testing

private let seeds = 100..<160 as Range<UInt64>

struct RandomTrafficTests {
    @Test func `the same seed gives the same situation`() {
        let (one, other) = (RandomSituation(seed: 5, frames: 200), RandomSituation(seed: 5, frames: 200))
        #expect(one.draft == other.draft && one.bans == other.bans && one.frames == other.frames)
        #expect(RandomSituation(seed: 6, frames: 200).frames != one.frames)
    }

    @Test(arguments: seeds)
    func `every random policy loads from its text, with as many rules as were asked for`(seed: UInt64) throws
    {
        var random = SeededGenerator(seed: seed)
        let policy = try random.policy(rules: 25)
        #expect(policy.rules.map(\.name) == (0..<25).map { "r\($0)" })
    }

    @Test func `random policies use every way of handling fragments, and tunnels, that the language takes`() {
        let drafts = (0..<60).map { RandomSituation(seed: $0, frames: 0).draft }
        func values(_ key: String) -> Set<String> {
            Set(drafts.flatMap(\.header).filter { $0.key == key }.flatMap(\.values))
        }
        func taken(_ key: String, _ words: [String]) -> Set<String> {
            Set(
                words.filter { word in
                    var draft = PolicyDraft()
                    draft.header = [
                        .init("default", "drop"), .init(key, [word], isList: key == "decapsulate"),
                    ]
                    return (try? draft.load()) != nil
                })
        }
        #expect(values("fragments") == taken("fragments", ["track", "pass", "drop"]))
        #expect(values("fragments").isSuperset(of: ["pass", "drop"]))
        #expect(values("decapsulate") == taken("decapsulate", Encapsulation.allCases.map(\.rawValue)))
    }

    @Test func `frames come in time's order, but for some, and some at the same time`() {
        let times = frames().map(\.timeNanoseconds)
        let steps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(steps.contains(0) && steps.contains { $0 < 0 } && steps.contains { $0 >= 29_000_000_000 })
        #expect(steps.filter { $0 < 0 }.count < steps.count / 50)
        #expect(times.allSatisfy { $0 > 0 })
    }

    @Test func `first, later, reversed and lone fragments of both families come`() {
        var (first, later, reversed) = (Set<AddressFamily>(), Set<AddressFamily>(), 0)
        var last: (key: [UInt8], offset: Int)?
        for fragment in frames().compactMap({ PlainFragment($0.bytes) }) {
            if fragment.offset == 0 { first.insert(fragment.family) } else { later.insert(fragment.family) }
            if let last, last.key == fragment.key, last.offset > fragment.offset { reversed += 1 }
            last = (fragment.key, fragment.offset)
        }
        #expect(first == [.ipv4, .ipv6] && later == [.ipv4, .ipv6] && reversed > 20)
    }

    @Test func `tunnels of every kind come, with a packet inside`() {
        var kinds: Set<String> = []
        for frame in frames().map(\.bytes) where frame.count > 80 && frame[12] == 8 && frame[14] == 0x45 {
            let inner = frame[34...]
            switch (frame[23], inner[34] >> 4) {
            case (4, 4): kinds.insert("ipip")
            case (41, 6): kinds.insert("6in4")
            case (47, _) where inner[36] == 8 && inner[34] & 0x20 != 0: kinds.insert("gre with a key")
            case (47, _) where inner[36] == 0x86: kinds.insert("gre with ipv6")
            case (47, _) where inner[36] == 0x65: kinds.insert("gre with ethernet")
            case (17, _) where inner[36] == 0x12 && inner[37] == 0xb5: kinds.insert("vxlan")
            case (17, _) where inner[36] == 0x17 && inner[37] == 0xc1:
                kinds.insert(inner[42] & 0x3f == 0 ? "geneve" : "geneve with options")
            default: break
            }
        }
        #expect(
            kinds == [
                "ipip", "6in4", "gre with a key", "gre with ipv6", "gre with ethernet", "vxlan", "geneve",
                "geneve with options",
            ])
    }

    @Test func `captured frames come as they are, broken and between known addresses`() throws {
        let captured = try frame("udp 203.0.113.99:5 > 203.0.113.98:6 payload 4142434445464748")
        let situations = (0..<20).map { RandomSituation(seed: $0, frames: 300, captured: [captured]) }
        let frames = situations.flatMap(\.frames).map(\.bytes)
        let tail = captured.suffix(8)
        #expect(frames.contains(captured))
        #expect(frames.contains { $0.count == captured.count && $0 != captured && $0.suffix(8) == tail })
        #expect(frames.contains { $0.count != captured.count && $0.prefix(20) == captured.prefix(20) })
    }

    private func frames() -> [RandomFrame] {
        (0..<12).flatMap { RandomSituation(seed: $0, frames: 1000).frames }
    }
}

/// An untagged fragment without a tunnel around it.
private struct PlainFragment {
    var family: AddressFamily
    /// Addresses and id.
    var key: [UInt8]
    /// Bytes from the start of what is fragmented.
    var offset: Int

    init?(_ frame: [UInt8]) {
        func number(_ place: Int) -> Int { Int(frame[place]) << 8 | Int(frame[place + 1]) }
        guard frame.count > 62 else { return nil }
        if frame[12] == 8, frame[13] == 0, frame[14] == 0x45, number(20) & 0x3fff != 0 {
            (family, key) = (.ipv4, Array(frame[18..<20] + frame[26..<34]))
            offset = (number(20) & 0x1fff) * 8
        } else if frame[12] == 0x86, frame[14] >> 4 == 6, frame[20] == 44 {
            (family, key) = (.ipv6, Array(frame[58..<62] + frame[22..<54]))
            offset = number(56) & 0xfff8
        } else {
            return nil
        }
    }
}
