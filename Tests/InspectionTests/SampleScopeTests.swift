// SPDX-License-Identifier: Apache-2.0
// Which flows each inspector of a policy needs: by its own signatures, by those of inspectors that may get
// packets of the same flow, and all where it looks at protocols.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures
import Testing

@testable import Inspection

private let place = SourceRange(SourceText(path: "policy.conf", text: "x"), 0, 1)

/// An inspector of a policy with the rules that name it.
private struct Asked {
    var name: String
    /// Rule text; nil: no signatures.
    var signatures: String?
    var bounds = ProtocolBounds()
    /// Protocols of its rules' services; nil: a rule without service.
    var services: [IPProtocol?] = [nil]
}

private func scopes(_ asked: [Asked]) throws -> [FlowScope?] {
    var policy = CheckedPolicy(name: "scopes")
    var plan = InspectionPlan(rules: [], inspectors: [])
    for one in asked {
        var planned = PlannedInspector(name: one.name, onMatch: .alert, protocols: one.bounds)
        if let text = one.signatures {
            let set = loadSignatures([SourceText(path: "x.rules", text: text)])
            planned.signatures = PlannedSignatures(engine: try SignatureEngine(set))
        }
        plan.inspectors.append(planned)
        policy.inspectors.append(Inspector(name: one.name, range: place))
        for service in one.services {
            var rule = Rule(name: "r\(policy.rules.count)", action: .pass, range: place)
            rule.inspect = one.name
            rule.match.service = service.map { ServiceSet(others: false, exceptions: [$0: .all]) }
            policy.rules.append(rule)
        }
    }
    return plan.sampleScopes(of: policy)
}

private let web = #"alert tcp any any -> any 80 (msg:"w"; content:"x"; sid:1;)"#
private let names = #"alert udp any any -> any 53 (msg:"n"; content:"x"; sid:2;)"#

@Test func `one inspector needs what its signatures' headers say`() throws {
    let scope = try #require(try scopes([Asked(name: "a", signatures: web)])[0])
    #expect(scope.protocols.ranges == [6...6] && scope.tcpPorts.ranges == [80...80])
}

@Test func `an inspector that bounds protocols, or has no signatures, needs every flow`() throws {
    var bounds = ProtocolBounds()
    bounds.forbidden = [37]
    #expect(try scopes([Asked(name: "a", signatures: web, bounds: bounds)]) == [nil])
    bounds = ProtocolBounds()
    bounds.allowedOnly = []
    #expect(try scopes([Asked(name: "a", signatures: web, bounds: bounds)]) == [nil])
    #expect(try scopes([Asked(name: "a")]) == [nil])
}

@Test func `inspectors whose rules may meet in a flow need what any of them does`() throws {
    let both = try scopes([Asked(name: "a", signatures: web), Asked(name: "b", signatures: names)])
    #expect(both[0] == both[1])
    #expect(both[0]?.tcpPorts.ranges == [80...80] && both[0]?.udpPorts.ranges == [53...53])
    #expect(try scopes([Asked(name: "a", signatures: web), Asked(name: "b")]) == [nil, nil])
}

@Test func `inspectors whose rules' services have no protocol in common need their own flows alone`() throws {
    let apart = try scopes([
        Asked(name: "a", signatures: web, services: [.tcp]),
        Asked(name: "b", services: [.udp, .icmp]),
    ])
    #expect(apart[0]?.tcpPorts.ranges == [80...80] && apart[0]?.udpPorts.isEmpty == true)
    #expect(apart[1] == nil)
}
