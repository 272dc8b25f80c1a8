// SPDX-License-Identifier: Apache-2.0
// One word for one thing: the ABI's names are the language's and the documentation's.
import Foundation
import GuardABI
import PolicyLanguage
import Testing

private let reasonNames = (0...GUARD_REASON_NON_IP.rawValue).map {
    String(cString: guard_reason_name(guard_reason(rawValue: $0)))
}
private let detailNames = (1..<GUARD_DETAILS.rawValue).map {
    String(cString: guard_detail_name(guard_detail(rawValue: $0)))
}

@Test func `reasons are the language's, in its order`() {
    #expect(reasonNames == Reason.allCases.map(\.rawValue))
    #expect(reasonNames.count <= Int(GUARD_REASONS.rawValue), "counters have room for every reason")
}

@Test func `verdicts are the language's, in its order`() {
    #expect([GUARD_PASS, GUARD_DROP, GUARD_REJECT].map(\.rawValue) == [0, 1, 2])
    #expect(Verdict.allCases == [.pass, .drop, .reject])
    #expect(GUARD_VERDICTS.rawValue.nonzeroBitCount == 1 && GUARD_COUNT_WOULD_DROP < GUARD_VERDICTS.rawValue)
}

@Test func `every detail has a name of its own, and the documentation has each`() throws {
    let file = URL(filePath: #filePath).appending(path: "../../../docs/policy.md").standardizedFileURL
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(Set(detailNames).count == detailNames.count && !detailNames.contains("unknown"))
    for name in detailNames { #expect(text.contains("`\(name)`"), "docs/policy.md does not name '\(name)'") }
    #expect(String(cString: guard_detail_name(GUARD_DETAIL_NONE)).isEmpty)
}

@Test func `numbers without a name are told as unknown`() {
    #expect(String(cString: guard_reason_name(GUARD_REASONS)) == "unknown")
    #expect(String(cString: guard_detail_name(GUARD_DETAILS)) == "unknown")
}

@Test func `essential traffic has the language's names`() {
    let names = (GUARD_DETAIL_ND.rawValue...GUARD_DETAIL_DHCP.rawValue).map {
        String(cString: guard_detail_name(guard_detail(rawValue: $0)))
    }
    #expect(names == EssentialTraffic.allCases.map(\.rawValue))
}
