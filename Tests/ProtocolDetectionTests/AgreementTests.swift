// SPDX-License-Identifier: Apache-2.0
// Our answers beside those that Debian's ndpiReader 4.2 gave on the captures under ../shared/data.

import TestSupport
import Testing

@testable import detection

@Suite struct AgreementTests {
    @Test(.enabled(if: SharedData.folder != nil, "\(SharedData.absence)"))
    func `flows have the protocols that ndpiReader prints, but for differences that are explained`() throws {
        var agreement = Agreement()
        for (path, rows) in try ExpectedFlows.read() { try agreement.compare(path, rows) }
        let report = agreement.report(classes: 50).joined(separator: "\n")
        #expect(agreement.flows == 57_752)
        #expect(agreement.share >= 0.9998, "\(report)")
        var byReason: [String: Int] = [:]
        for (name, found) in agreement.classes {
            guard let known = KnownDifference.of(name) else {
                Issue.record("\(found.count) flows: \(name), as \(found.example)")
                continue
            }
            byReason[known.name, default: 0] += found.count
        }
        for known in KnownDifference.all {
            #expect(byReason[known.name, default: 0] <= known.most, "\(known.name): \(known.reason)")
        }
    }

    @Test func `rows that differ are counted by class`() throws {
        var agreement = Agreement()
        var row = FlowRow()
        row.key = "TCP 192.0.2.1 1 198.51.100.1 2 "
        try agreement.compare("no-such-capture.pcap", [row, row])
        #expect(agreement.flows == 2)
        #expect(agreement.share == 0)
        #expect(agreement.classes.count == 1)
        #expect(agreement.classes.first?.value.count == 2)
        #expect(agreement.classes.first?.key.hasPrefix("capture not read") == true)
        #expect(agreement.report(classes: 5).first?.contains("equal in 0") == true)
    }
}
