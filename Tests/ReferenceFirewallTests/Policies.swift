// SPDX-License-Identifier: Apache-2.0
// Policies for the tests, made without text.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall

let nowhere = SourceRange(SourceText(path: "test", text: ""), 0, 0)

/// A policy that passes all by default and lets every check say what it found.
func policy(_ rules: [Rule] = [], change: (inout CheckedPolicy) -> Void = { _ in }) -> CheckedPolicy {
    var made = CheckedPolicy(name: "test")
    made.rules = rules
    made.fragments = .pass
    made.stateful = false
    made.defaultVerdict = .pass
    change(&made)
    return made
}

func rule(_ name: String, _ action: RuleAction, _ fill: (inout RuleMatch) -> Void = { _ in }) -> Rule {
    var made = Rule(name: name, action: action, range: nowhere)
    fill(&made.match)
    return made
}

func addresses(_ prefixes: String...) -> AddressSet {
    prefixes.reduce(AddressSet()) { $0.union(addressBlock($1)) }
}

private func addressBlock(_ text: String) -> AddressSet {
    let parts = text.split(separator: "/")
    guard let address = IPAddress(parts[0]) else { return AddressSet() }
    let length = parts.count > 1 ? Int(parts[1]) ?? 0 : address.family.bitWidth
    guard let bounds = Prefix(masking: address, length: length)?.bounds else { return AddressSet() }
    if address.family == .ipv6 { return AddressSet(v6: .init(bounds)) }
    return AddressSet(v4: .init(UInt32(bounds.lowerBound)...UInt32(bounds.upperBound)))
}

func service(_ proto: IPProtocol, _ values: ClosedRange<UInt16>) -> ServiceSet {
    ServiceSet(others: false, exceptions: [proto: .init(values: .init(values), unread: false)])
}

func service(_ proto: IPProtocol) -> ServiceSet { ServiceSet(others: false, exceptions: [proto: .all]) }

/// The judgement of one frame under a policy.
func judge(_ frame: [UInt8], _ policy: CheckedPolicy, interface: String? = nil) -> Judgement {
    ReferenceFirewall(policy: policy).judging(ReferenceFrame(bytes: frame, interface: interface))
}

extension ReferenceFirewall {
    /// The judgement of a single frame, the firewall being as it was.
    func judging(_ frame: ReferenceFrame) -> Judgement {
        var copy = self
        return copy.judge(frame)
    }
}
