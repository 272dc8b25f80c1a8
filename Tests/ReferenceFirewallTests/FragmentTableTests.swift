// SPDX-License-Identifier: Apache-2.0
// The table of first fragments: its groups, whom a full one forgets, and its clock. The identifications were
// found with another program that computes the hash of docs/policy.md.
import NetworkTypes
import PolicyLanguage
import Testing

@testable import ReferenceFirewall

/// UDP trains from one source to another, told apart by their identification.
private struct Trains: Sendable, CustomTestStringConvertible {
    var testDescription: String { family.rawValue }
    var family: AddressFamily
    /// Their keys fall into one group.
    var inOneGroup: [Int]
    /// Its key falls into the next one.
    var beside: Int

    private func piece(_ id: Int, _ offset: Int, _ content: [UInt8]) -> [UInt8] {
        if family == .ipv4 {
            let flags = offset == 0 ? 0x2000 : offset
            return IPv4Bytes(proto: 17, content: content, fragment: flags, identification: id).frame
        }
        let header = fragmentHeader(next: 17, offset: offset, more: offset == 0, identification: id)
        return IPv6Bytes(next: 44, content: header + content).frame
    }

    func first(_ id: Int, port: Int = 53) -> [UInt8] { piece(id, 0, udp(40000, port, zeros(16))) }
    func later(_ id: Int) -> [UInt8] { piece(id, 3, zeros(16)) }
}

private let families = [
    Trains(family: .ipv4, inOneGroup: [8299, 32553, 36662, 45176, 49161], beside: 26042),
    Trains(family: .ipv6, inOneGroup: [10832, 32018, 36099, 47681, 51826], beside: 20623),
]

private let second: Int64 = 1_000_000_000

/// A firewall that drops port 9 and passes the rest, on a clock that its user sets.
private struct Table {
    private var firewall = ReferenceFirewall(
        policy: policy([rule("discard", .drop) { $0.service = service(.udp, 9...9) }]) {
            $0.fragments = .track
        })

    @discardableResult
    mutating func judge(_ frame: [UInt8], at time: Int64) -> Judgement {
        firewall.judge(ReferenceFrame(bytes: frame, timeNanoseconds: time))
    }

    func isKept(_ later: [UInt8], at time: Int64) -> Bool {
        firewall.judging(ReferenceFrame(bytes: later, timeNanoseconds: time)) == Judgement(.pass, .fragment)
    }

    /// Which trains' later fragments would find their first.
    func kept(_ trains: Trains, at time: Int64) -> [Int] {
        trains.inOneGroup.filter { isKept(trains.later($0), at: time) }
    }
}

@Test(arguments: families)
private func `a group holds four trains, the fifth takes the place of the oldest`(_ trains: Trains) {
    var table = Table()
    for (index, id) in trains.inOneGroup.enumerated() {
        table.judge(trains.first(id), at: Int64(index))
        let expected = trains.inOneGroup.prefix(index + 1).suffix(4)
        #expect(table.kept(trains, at: second) == Array(expected))
    }
}

@Test(arguments: families)
private func `a train of the next group pushes nobody out`(_ trains: Trains) {
    var table = Table()
    for id in trains.inOneGroup.prefix(4) { table.judge(trains.first(id), at: 0) }
    table.judge(trains.first(trains.beside), at: 1)
    #expect(table.kept(trains, at: second) == Array(trains.inOneGroup.prefix(4)))
    #expect(table.isKept(trains.later(trains.beside), at: second))
}

@Test(arguments: families)
private func `of firsts of one time the first place is given away`(_ trains: Trains) {
    var table = Table()
    for id in trains.inOneGroup { table.judge(trains.first(id), at: 7) }
    #expect(table.kept(trains, at: second) == Array(trains.inOneGroup.dropFirst()))
}

@Test(arguments: families)
private func `the oldest is the one kept longest, not the one in the first place`(_ trains: Trains) {
    var table = Table()
    let ids = trains.inOneGroup
    for (id, time) in zip(ids, [Int64(5), 3, 9, 4]) { table.judge(trains.first(id), at: time) }
    table.judge(trains.first(ids[4]), at: 10)
    #expect(table.kept(trains, at: second) == [ids[0], ids[2], ids[3], ids[4]])
}

@Test(arguments: families)
private func `a first that is seen again is young again and keeps its place`(_ trains: Trains) {
    var table = Table()
    let ids = trains.inOneGroup
    for (index, id) in ids.prefix(4).enumerated() { table.judge(trains.first(id), at: Int64(index)) }
    table.judge(trains.first(ids[0]), at: 10)
    #expect(table.kept(trains, at: second) == Array(ids.prefix(4)), "the group is as full as it was")
    table.judge(trains.first(ids[4]), at: 11)
    #expect(table.kept(trains, at: second) == [ids[0], ids[2], ids[3], ids[4]])
}

@Test(arguments: families)
private func `what a first is replaced by decides, in both directions`(_ trains: Trains) {
    var table = Table()
    let id = trains.inOneGroup[0]
    let dropped = Judgement(.drop, .fragment, rule: "discard")
    table.judge(trains.first(id), at: 0)
    table.judge(trains.first(id, port: 9), at: 1)
    #expect(table.judge(trains.later(id), at: 2) == dropped)
    table.judge(trains.first(id), at: 3)
    #expect(table.judge(trains.later(id), at: 4) == Judgement(.pass, .fragment))
}

@Test(arguments: families)
private func `a train that is forgotten is known again with its next first`(_ trains: Trains) {
    var table = Table()
    for (index, id) in trains.inOneGroup.enumerated() { table.judge(trains.first(id), at: Int64(index)) }
    let oldest = trains.inOneGroup[0]
    #expect(table.judge(trains.later(oldest), at: 10) == Judgement(.drop, .fragment))
    table.judge(trains.first(oldest), at: 11)
    #expect(table.judge(trains.later(oldest), at: 12) == Judgement(.pass, .fragment))
}

@Test(arguments: families)
private func `a later fragment does not lengthen the 30 seconds`(_ trains: Trains) {
    var table = Table()
    let id = trains.inOneGroup[0]
    table.judge(trains.first(id), at: 0)
    for time in [second, 15 * second, 30 * second - 1] {
        #expect(table.judge(trains.later(id), at: time).verdict == .pass)
    }
    #expect(table.judge(trains.later(id), at: 30 * second) == Judgement(.drop, .fragment))
}

/// A capture may claim any times: (kept, asked, still there).
private let farTimes: [(Int64, Int64, Bool)] = [
    (.min, .min, true), (.min, .min + 30 * second - 1, true), (.min, .min + 30 * second, false),
    (.min, 0, false), (.min, .max, false), (-1, .max, false), (.max, .min, true), (.max, -2, true),
    (.max, .max, true), (.max - 30 * second, .max, false), (-10 * second, 19 * second, true),
    (-10 * second, 20 * second, false),
]

@Test(arguments: farTimes)
private func `times at the ends of the clock neither trap nor bring a train back`(
    _ kept: Int64, _ asked: Int64, _ isThere: Bool
) {
    for trains in families {
        var table = Table()
        table.judge(trains.first(1), at: kept)
        #expect(table.isKept(trains.later(1), at: asked) == isThere)
    }
}

@Test private func `the table holds at most 65,536 trains, and the hash fills it`() {
    var memory = FragmentMemory()
    let kept = FirstFragment(judgement: Judgement(.pass, .default), end: 24, passedByFailsafe: false)
    let keys = (0..<UInt32(100_000)).map {
        FragmentKey(source: IPAddress(v4: 1), destination: IPAddress(v4: 2), identification: $0, proto: 17)
    }
    for (time, key) in keys.enumerated() { memory.keep(kept, for: key, at: Int64(time)) }
    let alive = keys.indices.filter { memory.find(keys[$0], at: 100_000) != nil }
    #expect(alive.count <= 65536)
    #expect(alive.count > 60000)
    #expect(alive.last == keys.count - 1)
}
