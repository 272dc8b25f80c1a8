// SPDX-License-Identifier: Apache-2.0
// What signatures remember: flow bits and counters, bits of hosts, rates; and the order of actions.

import Diagnostics
import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

@Test func `a flow bit set by one packet is seen by the next, in this flow alone`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"two"; flowbits:isset,first; sid:2;)
        alert udp any any -> any any (msg:"m"; content:"one"; flowbits:set,first; flowbits:noalert; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"two"; flowbits:isnotset,first; sid:3;)
        alert udp any any -> any any (msg:"m"; content:"off"; flowbits:unset,first; sid:4;)
        alert udp any any -> any any (msg:"m"; content:"tog"; flowbits:toggle,first; sid:5;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids("two", header(.udp), flow: flow) == [3])
    #expect(matcher.sids("one", header(.udp), flow: flow) == [])
    #expect(matcher.sids("two", header(.udp), flow: flow) == [2])
    #expect(matcher.sids("two", header(.udp), flow: FlowMatchState()) == [3])
    #expect(matcher.sids("off", header(.udp), flow: flow) == [4])
    #expect(matcher.sids("two", header(.udp), flow: flow) == [3])
    #expect(matcher.sids("tog", header(.udp), flow: flow) == [5])
    #expect(matcher.sids("one two", header(.udp), flow: FlowMatchState()) == [2], "setters come first")
}

@Test func `a flow counter counts and compares`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"hit"; flowint:n,+,1; noalert; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"ask"; flowint:n,>,2; sid:2;)
        alert udp any any -> any any (msg:"m"; content:"ask"; flowint:n,notset; sid:3;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids("ask", header(.udp), flow: flow) == [3])
    for _ in 0..<2 { #expect(matcher.sids("hit", header(.udp), flow: flow) == []) }
    #expect(matcher.sids("ask", header(.udp), flow: flow) == [])
    #expect(matcher.sids("hit", header(.udp), flow: flow) == [])
    #expect(matcher.sids("ask", header(.udp), flow: flow) == [2])
}

@Test func `a bit of a host holds for other flows until it ends`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"set"; xbits:set,seen,track ip_src,expire 10; sid:1;)
        alert udp any any -> any any (msg:"m"; content:"ask"; xbits:isset,seen,track ip_src; sid:2;)
        """)
    #expect(matcher.sids("set", header(.udp)) == [1])
    var later = header(.udp)
    later.timeNanoseconds += 9_999_999_999
    #expect(matcher.sids("ask", later) == [2])
    #expect(matcher.sids("ask", header(.udp, .toClient)) == [], "another source")
    later.timeNanoseconds += 1
    #expect(matcher.sids("ask", later) == [])
}

struct RateCase: Sendable, CustomTestStringConvertible {
    var option: String
    /// Seconds of the packets.
    var times: [Int64]
    /// Which of them are reported.
    var reported: [Int]
    var testDescription: String { option }
}

@Test(arguments: [
    RateCase(
        option: "threshold:type limit, track by_src, count 2, seconds 10;", times: [0, 1, 2, 3, 11, 12, 13],
        reported: [0, 1, 4, 5]),
    RateCase(
        option: "threshold:type threshold, track by_src, count 3, seconds 10;",
        times: [0, 1, 2, 3, 4, 5], reported: [2, 5]),
    RateCase(
        option: "threshold:type threshold, track by_src, count 3, seconds 10;", times: [0, 1, 12, 13, 14],
        reported: [4]),
    RateCase(
        option: "threshold:type both, track by_dst, count 2, seconds 10;", times: [0, 1, 2, 3, 11, 12],
        reported: [1, 5]),
    RateCase(
        option: "detection_filter:track by_src, count 2, seconds 10;", times: [0, 1, 2, 3, 30],
        reported: [2, 3]),
])
func `a rate reports what its kind lets through, on packets' time`(_ given: RateCase) throws {
    let matcher = try matcher(
        "alert udp any any -> any any (msg:\"m\"; content:\"x\"; \(given.option) sid:1;)")
    let reported = given.times.indices.filter { index in
        var header = header(.udp)
        header.timeNanoseconds = given.times[index] * 1_000_000_000
        return matcher.sids("x", header) == [1]
    }
    #expect(reported == given.reported)
}

@Test(arguments: [
    RateCase(
        option: "threshold:type limit, track by_flow, count 1, seconds 10;", times: [0, 1, 2, 11],
        reported: [0, 3]),
    RateCase(
        option: "threshold:type threshold, track by_flow, count 2, seconds 10;", times: [0, 1, 2, 3],
        reported: [1, 3]),
    RateCase(
        option: "threshold:type backoff, track by_flow, count 1, multiplier 2;", times: [0, 1, 2, 3],
        reported: [0, 1, 3]),
    RateCase(
        option: "detection_filter:track by_flow, count 2, seconds 10;", times: [0, 1, 2, 30],
        reported: [2]),
])
func `a rate by flow counts one flow's matches, not those of the next between the same ends`(
    _ given: RateCase
) throws {
    let matcher = try matcher(
        "alert tcp any any -> any any (msg:\"m\"; content:\"x\"; \(given.option) sid:1;)")
    for _ in 0..<4 {
        let flow = FlowMatchState()
        let reported = given.times.indices.filter { index in
            var header = header()
            header.timeNanoseconds = given.times[index] * 1_000_000_000
            return matcher.sids("x", header, flow: flow) == [1]
        }
        #expect(reported == given.reported)
    }
    let alone = (0..<4).map { _ in matcher.sids("x", flow: nil) }
    #expect(alone == [[], [], [], []], "without a flow there is nothing to count in")
}

@Test func `a limit holds the report back, not the action`() throws {
    let matcher = try matcher(
        "drop udp any any -> any any (msg:\"m\"; content:\"x\"; "
            + "threshold:type limit, track by_src, count 1, seconds 10; sid:1;)")
    let found = (0..<2).map { _ in
        [UInt8(ascii: "x")].withUnsafeBytes { bytes in
            var packet = InspectedPacket(header: header(.udp))
            packet.payload = bytes
            return matcher.inspect(packet, flow: FlowMatchState()).map(\.isReported)
        }
    }
    #expect(found == [[true], [false]])
}

@Test func `pass comes first and ends the search`() throws {
    let matcher = try matcher(
        """
        alert udp any any -> any any (msg:"m"; content:"a"; priority:1; sid:1;)
        drop udp any any -> any any (msg:"m"; content:"b"; sid:2;)
        pass udp any any -> any any (msg:"m"; content:"c"; sid:3;)
        alert udp any any -> any any (msg:"m"; content:"a"; priority:2; sid:4;)
        """)
    #expect(matcher.sids("ab", header(.udp)) == [2, 1, 4])
    let passed = Array("abc".utf8).withUnsafeBytes { bytes in
        var packet = InspectedPacket(header: header(.udp))
        packet.payload = bytes
        return matcher.inspect(packet, flow: FlowMatchState())
    }
    #expect(passed.map { matcher.engine.signatures[$0.signature].sid } == [3])
    #expect(passed.map(\.isReported) == [false], "a pass is no alert")
}

@Test func `a pass on a transaction silences the flow, bypass ends its inspection`() throws {
    let matcher = try matcher(
        """
        pass http any any -> any any (msg:"m"; http.host; content:"good"; sid:1;)
        alert tcp any any -> any any (msg:"m"; content:"x"; sid:2;)
        alert http any any -> any any (msg:"m"; http.host; content:"fast"; bypass; sid:3;)
        """)
    let flow = FlowMatchState()
    #expect(matcher.sids(transaction([(.httpHost, "good")]), flow: flow) == [])
    #expect(flow.isPassed)
    #expect(matcher.sids("x", flow: flow) == [])
    let other = FlowMatchState()
    #expect(matcher.sids(transaction([(.httpHost, "fast")]), flow: other) == [3])
    #expect(other.isBypassed && !other.isPassed)
    #expect(matcher.sids("x", flow: other) == [])
}

@Test func `pass stops what comes behind it in the order of actions, and takes no drop back`() throws {
    var settings = SignatureEngine.Settings()
    settings.actionOrder = [.drop, .alert, .pass]
    let rules = """
        pass tcp any any -> any any (msg:"m"; sid:1;)
        alert tcp any any -> any any (msg:"m"; content:"a"; sid:2;)
        drop tcp any any -> any any (msg:"m"; content:"d"; sid:3;)
        """
    let flow = FlowMatchState()
    let first = try matcher(rules, settings: settings)
    #expect(first.sids("ad", flow: flow) == [3, 2])
    #expect(!flow.isPassed)
    #expect(first.sids("ad", flow: flow) == [3, 2])
    let other = FlowMatchState()
    #expect(first.sids("a", flow: other) == [2])
    #expect(other.isPassed)
    settings.actionOrder = [.drop, .pass]
    let second = try matcher(rules, settings: settings)
    #expect(second.sids("ad") == [3], "what is not named comes last")
}

@Test func `a pass on ports lets the flow through, one on a packet that packet alone`() throws {
    let rules = [
        ("pass tcp any any -> any 80 (msg:\"m\"; sid:1;)", true),
        ("pass tcp any any -> any 80 (msg:\"m\"; flow:established; sid:1;)", false),
        ("pass tcp any any -> any 80 (msg:\"m\"; dsize:1; sid:1;)", false),
        ("pass http any any -> any any (msg:\"m\"; flow:established; sid:1;)", true),
    ]
    for (rule, isOfFlow) in rules {
        let flow = FlowMatchState()
        var given = header()
        given.applicationToServer = .http1
        _ = try matcher(rule).sids("a", given, flow: flow)
        #expect(flow.isPassed == isOfFlow, "\(rule)")
    }
}

@Test func `memory survives a reload, with its numbers`() throws {
    let first = loadSignatures([
        SourceText(
            path: "a.rules",
            bytes: Array(
                """
                alert udp any any -> any any (msg:"m"; content:"set"; flowbits:set,a; \
                xbits:set,h,track ip_src; sid:1;)
                """.utf8))
    ])
    let text = """
        alert udp any any -> any any (msg:"m"; content:"x"; flowbits:set,b; sid:9;)
        alert udp any any -> any any (msg:"m"; content:"ask"; flowbits:isset,a; \
        xbits:isset,h,track ip_src; sid:2;)
        """
    let second = loadSignatures(
        [SourceText(path: "b.rules", bytes: Array(text.utf8))], names: first.names)
    let old = try SignatureMatcher(SignatureEngine(first))
    let flow = FlowMatchState()
    #expect(old.sids("set", header(.udp), flow: flow) == [1])
    let new = try SignatureMatcher(SignatureEngine(second), after: old)
    #expect(new.sids("ask", header(.udp), flow: flow) == [2])
}

@Test func `a transaction goes on under other signatures: what matched is not told again, the rest is tried`()
    throws
{
    let one = #"alert http any any -> any any (msg:"m"; http.uri; content:"/a"; sid:1;)"#
    let two =
        #"alert http any any -> any any (msg:"m"; http.uri; content:"/a"; http.host; content:"b"; sid:2;)"#
    let old = try matcher(one + "\n" + two)
    let request = InspectedTransaction(direction: .toServer, application: .http1)
    request.set(.httpURI, Array("/a".utf8))
    #expect(old.sids(request) == [1])
    let set = loadSignatures([SourceText(path: "b.rules", bytes: Array(two.utf8 + [10] + one.utf8))])
    let new = try SignatureMatcher(SignatureEngine(set), after: old)
    request.set(.httpHost, Array("b".utf8))
    #expect(new.sids(request) == [2])
    request.isComplete = true
    #expect(new.sids(request) == [])
    #expect(new.counters.matches == 2)
}

@Test func `what flows and hosts remember is bounded and counted`() {
    let flow = FlowMatchState()
    for name in 0..<1_000 as Range<UInt32> {
        flow.setBit(name)
        flow.setInteger(name, to: 1)
    }
    #expect(flow.refused == 2 * (1_000 - UInt32(FlowMatchState.most)))
    #expect(flow.hasBit(0) && !flow.hasBit(999))
    let memory = MatchMemory()
    var header = header(.udp)
    for number in 0..<MatchMemory.most + 10 {
        header.timeNanoseconds = 0
        memory.setBit(number, .source, header, seconds: 10)
    }
    #expect(memory.forgotten == UInt64(MatchMemory.most / 2), "the half that was not used for longest")
    #expect(!memory.hasBit(0, .source, header) && memory.hasBit(MatchMemory.most, .source, header))
    header.timeNanoseconds = 20_000_000_000
    for number in 0..<MatchMemory.most / 2 { memory.setBit(-1 - number, .source, header, seconds: 10) }
    #expect(memory.forgotten == UInt64(MatchMemory.most / 2), "what has ended is not missed")
    #expect(memory.hasBit(-1, .source, header))
}

/// A threshold as a rule has it.
private func threshold(_ option: String) throws -> Threshold {
    let rule = "alert tcp any any -> any any (msg:\"m\"; threshold:\(option); sid:1;)"
    return try #require(try matcher(rule).engine.signatures.first?.threshold)
}

@Test func `a flow with too many rates forgets the one not used for longest, and counts it while it runs`()
    throws
{
    let flow = FlowMatchState()
    let most = UInt64(FlowMatchState.mostRates)
    let limit = try threshold("type limit, track by_flow, count 1, seconds 10")
    func isTold(_ signature: UInt64, at seconds: Int64) -> Bool {
        let now = seconds * 1_000_000_000
        return flow.changeRate(of: signature, at: now, seconds: 10) { $0.answer(limit, at: now) } == .report
    }
    for signature in 0..<most { #expect(isTold(signature, at: 0)) }
    #expect(!isTold(0, at: 1) && flow.refused == 0)
    #expect(isTold(most, at: 1) && flow.refused == 1)
    #expect(!isTold(0, at: 2), "it was used")
    #expect(isTold(1, at: 2) && flow.refused == 2, "it gave way")
    #expect(isTold(most + 1, at: 60) && flow.refused == 2, "a span that is over is not missed")
}

@Test func `a time that goes back or overflows traps nothing`() throws {
    let memory = MatchMemory()
    let both = try threshold("type both, track by_flow, count 1, seconds \(UInt32.max)")
    var header = header(.udp)
    for time in [Int64.max, 0, Int64.min, Int64.max, -1] {
        header.timeNanoseconds = time
        memory.setBit(1, .addressPair, header, seconds: .max)
        _ = memory.hasBit(1, .addressPair, header)
        var rate = MatchRate(at: time, seconds: .max)
        for other in [Int64.max, 0, Int64.min] {
            _ = rate.isNeeded(at: other)
            _ = rate.answer(both, at: other)
        }
    }
    #expect(memory.forgotten == 0)
}
