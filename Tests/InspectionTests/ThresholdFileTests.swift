// SPDX-License-Identifier: Apache-2.0
// threshold.config: what its lines mean, and what is said of those that mean nothing.
import Diagnostics
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection

private func read(_ text: String, variables: [String: AddressSet] = [:]) -> ThresholdFile {
    ThresholdFile(SourceText(path: "threshold.config", text: text), variables: variables)
}

@Test func `blank lines and comments are no entries`() {
    let file = read("# suppress gen_id 1, sig_id 2\n\n   \r\n\t# x\n")
    #expect(file.entries.isEmpty && file.diagnostics.isEmpty)
}

@Test(arguments: [
    ("suppress gen_id 1", "the entry has no 'sig_id'"),
    ("suppress gen_id 1, sig_id x", "'x' is no number for 'sig_id'"),
    ("suppress gen_id 1, sig_id 5, track by_src, ip 192.0.2.300", "'192.0.2.300' is no address"),
    ("suppress gen_id 1, sig_id 5, track by_src, ip 192.0.2.0/33", "'192.0.2.0/33' is no address"),
    ("suppress gen_id 1, sig_id 5, track by_src, ip $NONE", "'$NONE' is no address"),
    ("suppress gen_id 1, sig_id 5, track by_src, ip []", "'[]' is no address"),
    ("suppress gen_id 1, sig_id 5, sig_id 6", "'sig_id' stands there twice"),
    ("suppress gen_id 1, sig_id 5, color red", "'color' does not belong here"),
    ("silence gen_id 1, sig_id 5", "'silence' is no kind of entry"),
    ("threshold gen_id 1, sig_id 5, type often, track by_src, count 1, seconds 2", "'often' is no value"),
    ("threshold gen_id 1, sig_id 5, type limit, track by_src, count 0, seconds 2", "'count' is 0"),
    ("rate_filter gen_id 1, sig_id 5, track by_src, count 1, seconds 2, timeout 3", "has no 'new_action'"),
])
func `a line that is no entry is told with its place, and the others hold`(_ line: String, _ words: String) {
    let file = read("suppress gen_id 1, sig_id 1\n\(line)\nsuppress gen_id 1, sig_id 2\n")
    #expect(file.entries.count == 2)
    #expect(file.diagnostics.count == 1)
    #expect(file.diagnostics.first?.range.line == 2)
    #expect(file.diagnostics.first?.message.contains(words) == true, "\(file.diagnostics)")
}

@Test func `a line that ends in a backslash goes on in the next, and later ones keep their numbers`() {
    let file = read(
        """
        suppress gen_id 1 , \\
            sig_id 5 \\
            , track by_\\
        src, ip [203.0.113.7, \\ \t\r
         192.0.2.1]
        # a comment goes on nowhere \\
        threshold gen_id 1, sig_id 6, \\
          type limit, track by_src, \\
          count none, seconds 60
        suppress gen_id 1
        suppress gen_id 1, sig_id 7 \\

        suppress gen_id 1, sig_id 8, track by_src, ip 192.0.2.300 \\
        """)
    #expect(file.entries.count == 2)
    #expect(file.diagnostics.map(\.range.line) == [7, 10, 13])
    #expect(file.diagnostics.first?.rendered().contains("threshold.config:7:1: error: 'none' is no") == true)
    var rates = AlertRates([file])
    #expect(rates.judge(match()) == RateAnswer(isTold: false))
    #expect(rates.judge(match(from: other)) == RateAnswer())
    #expect(rates.judge(match(sid: 7)) == RateAnswer(isTold: false))
}

@Test(.enabled(if: SharedData.folder != nil, "the shared data are not there"))
func `the thresholds of Suricata's own tests are read`() throws {
    let folder = try #require(SharedData.folder)
    let place = "signatures/suricata-verify/tests/L1"
    let variables = ["SUPPRESS": AddressSet.all]
    var entries = 0
    for test in SharedData.files(in: place)
    where SharedData.files(in: "\(place)/\(test)").contains("threshold.config") {
        let bytes = try SharedData.bytes("\(folder)/\(place)/\(test)/threshold.config")
        let file = ThresholdFile(SourceText(path: test, bytes: bytes), variables: variables)
        #expect(file.diagnostics.isEmpty, "\(file.diagnostics.map { $0.rendered() })")
        entries += file.entries.count
    }
    #expect(entries == 30)
}

@Test func `a file of any bytes is read to its end`() {
    let bytes = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 3) }
    let file = ThresholdFile(SourceText(path: "x", bytes: bytes))
    #expect(file.entries.isEmpty)
}

private let attacker = IPAddress(v4: 0xcb00_7107)
private let other = IPAddress(v4: 0xcb00_7108)
private let server = IPAddress(v4: 0xc633_6401)

private func match(
    from source: IPAddress = attacker, at seconds: Int64 = 0, sid: UInt32 = 5, flow: UInt64 = 1
) -> RatedMatch {
    RatedMatch(
        signature: SignatureID(generator: 1, sid: sid, revision: 1), source: source, destination: server,
        flowID: flow, timeNanoseconds: seconds * 1_000_000_000)
}

/// What matches at these seconds become: "t" told, "s" silent but acted on, "-" no match, else the new
/// action.
private func answers(_ line: String, at seconds: [Int64]) -> String {
    var rates = AlertRates([read(line)])
    return seconds.map { second in
        let answer = rates.judge(match(at: second))
        if let action = answer.newAction { return String(action.rawValue.prefix(1)).uppercased() }
        return answer.isTold ? "t" : answer.isActedOn ? "s" : "-"
    }.joined()
}

struct RateCase: Sendable, CustomTestStringConvertible {
    let options: String
    let seconds: [Int64]
    let answers: String
    var testDescription: String { options }

    init(_ options: String, _ seconds: [Int64], _ answers: String) {
        self.options = options
        self.seconds = seconds
        self.answers = answers
    }
}

@Test(arguments: [
    RateCase(
        "threshold gen_id 1, sig_id 5, type limit, track by_src, count 2, seconds 10",
        [0, 1, 2, 9, 10, 11, 12], "ttssstt"),
    RateCase(
        "threshold gen_id 1, sig_id 5, type threshold, track by_src, count 3, seconds 10",
        [0, 1, 2, 3, 4, 5], "--t--t"),
    RateCase(
        "event_filter gen_id 1, sig_id 5, type both, track by_rule, count 2, seconds 10",
        [0, 1, 2, 3, 11, 12], "-tss-t"),
    RateCase(
        "event_filter gen_id 0, sig_id 0, type limit, track by_flow, count 1, seconds 60",
        [0, 59, 60, 61], "tsst"),
    RateCase(
        "rate_filter gen_id 1, sig_id 5, track by_dst, count 2, seconds 10, new_action drop, timeout 5",
        [0, 1, 2, 6, 7, 8, 14], "ttDDDDt"),
    RateCase(
        "rate_filter gen_id 1, sig_id 6, track by_dst, count 1, seconds 10, new_action drop, timeout 5",
        [0, 1, 2], "ttt"),
    RateCase(
        "threshold gen_id 1, sig_id 5, type limit, track by_src, count 1, seconds 10", [5, 3, 1], "tss"),
])
func `rates count as threshold.config says`(_ example: RateCase) {
    #expect(answers(example.options, at: example.seconds) == example.answers)
}

@Test(arguments: [
    ("by_src", "203.0.113.7", false), ("by_src", "198.51.100.1", true), ("by_dst", "198.51.100.1", false),
    ("by_dst", "203.0.113.7", true), ("by_either", "203.0.113.7", false),
    ("by_either", "[ 192.0.2.1 , 203.0.113.0/24 ]", false), ("by_either", "198.51.100.0/24", false),
    ("by_either", "[192.0.2.1, 203.0.113.0/24]", false),
    ("by_src", "[203.0.113.0/24, !203.0.113.7]", true), ("by_src", "$HOME", false),
    ("by_src", "2001:db8::/32", true), ("by_src", "!203.0.113.7", true), ("by_src", "!192.0.2.1", false),
    ("by_dst", "!203.0.113.7", false), ("by_src", "[!203.0.113.7, !192.0.2.1]", true),
    ("by_either", "[!203.0.113.7]", false), ("by_src", "!$HOME", true), ("by_dst", "!$HOME", false),
])
func `a suppressed address keeps the alert back, not what the signature does`(
    _ tracking: String, _ address: String, _ isTold: Bool
) {
    let line = "suppress gen_id 1, sig_id 5, track \(tracking), ip \(address)"
    let home = AddressSet(v4: IntervalSet(0xcb00_7100...0xcb00_71ff))
    let file = read(line, variables: ["HOME": home])
    #expect(file.diagnostics.isEmpty)
    var rates = AlertRates([file])
    #expect(rates.judge(match()) == RateAnswer(isTold: isTold))
    #expect(rates.judge(match(sid: 6)) == RateAnswer())
}

@Test func `sources are counted apart, and together by rule`() {
    let line = "threshold gen_id 1, sig_id 5, type limit, track by_src, count 1, seconds 60"
    var apart = AlertRates([read(line)])
    #expect(apart.judge(match()).isTold && apart.judge(match(from: other)).isTold)
    var together = AlertRates([read(line.replacing("by_src", with: "by_rule"))])
    #expect(together.judge(match()).isTold && !together.judge(match(from: other)).isTold)
}

@Test func `behind a flood of sources one is counted like any other, and what it pushed out is counted`() {
    var rates = AlertRates([
        read("threshold gen_id 1, sig_id 5, type both, track by_src, count 2, seconds 60")
    ])
    for number in 0..<UInt32(65_536 + 100) { _ = rates.judge(match(from: IPAddress(v4: number))) }
    #expect(rates.forgotten == 32_768)
    let told = (0..<3).map { _ in rates.judge(match(from: IPAddress(v4: 1 << 30))).isTold }
    #expect(told == [false, true, false])
}

/// Which of nine datagrams, a millisecond apart, a signature with a rate of its own tells.
@Test(arguments: [
    ("threshold:type limit, track by_src, count 1, seconds 100", "sig_id 1, type limit", 3, 1...3),
    ("detection_filter:track by_src, count 4, seconds 100", "sig_id 1, type limit", 2, 1...2),
    ("threshold:type limit, track by_src, count 2, seconds 100", "sig_id 0, type limit", 1, 1...2),
    ("threshold:type limit, track by_src, count 2, seconds 100", "sig_id 2, type limit", 1, 1...2),
    ("nocase", "sig_id 0, type limit", 1, 1...1),
])
func `an entry for a signature stands in place of its own rate, one for all does not`(
    _ own: String, _ selector: String, _ count: Int, _ told: ClosedRange<Int>
) throws {
    let bench = try Bench(
        "alert udp any any -> any any (content:\"evil\"; \(own); sid:1;)",
        thresholds: "event_filter gen_id 1, \(selector), track by_src, count \(count), seconds 100")
    let talk = Conversation(serverPort: 9000)
    var alerts: [Int] = []
    for number in 1...9 {
        let before = try bench.alerts().count
        bench.feed(talk.datagram(.toServer, Array("evil".utf8)))
        if try bench.alerts().count > before { alerts.append(number) }
    }
    #expect(alerts == Array(told))
}
