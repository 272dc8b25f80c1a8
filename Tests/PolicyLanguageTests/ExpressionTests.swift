// SPDX-License-Identifier: Apache-2.0
// What lists of addresses say by names, beside what they come to; lines of set files by address.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import Testing

private let text = """
    default: drop
    stateful: false
    sets:
      office: [192.0.2.0/24]
      partners: [$office, 203.0.113.0/24, "!203.0.113.66", "!$bogons", "!$office"]
    failsafe:
      - { source: $office, service: tcp/22 }
    never-ban: [$partners, 198.51.100.1]
    rules:
      - { name: literal, source: [192.0.2.1, "!192.0.2.2"], action: pass }
      - { name: named, source: ["!$partners", "!192.0.2.9"], destination: [$office, 192.0.2.1], action: pass }
      - { name: bogus, source: $bogons, action: drop }

    """

private struct OneFile: FileReader {
    func read(_ path: String) throws(FileReadError) -> [UInt8] { Array(text.utf8) }
}

private func policy() throws -> CheckedPolicy {
    let report = loadPolicy(path: "policy.conf", reader: OneFile(), now: 0)
    return try #require(report.policy, "\(report.rendered())")
}

private func addresses(_ text: String) throws -> AddressSet {
    try parseAddressItem(text, lenientHostBits: false).addresses
}

struct ExpressionTests {
    @Test func `a list that names sets keeps their names and what stands beside them`() throws {
        let policy = try policy()
        let named = policy.rules[1].match
        #expect(named.sourceExpression?.included == [] && named.sourceExpression?.excluded == [1])
        #expect(named.sourceExpression?.startsFromAll == true)
        #expect(try named.sourceExpression?.excludedLiterals == addresses("192.0.2.9"))
        #expect(named.destinationExpression?.included == [0])
        #expect(try named.destinationExpression?.literals == addresses("192.0.2.1"))
        #expect(named.destinationExpression?.startsFromAll == false)
        #expect(policy.neverBanExpression?.included == [1])
        #expect(policy.failsafe[0].sourceExpression?.included == [0])
    }

    @Test func `a list of addresses, and the built-in set, have no expression`() throws {
        let policy = try policy()
        #expect(policy.rules[0].match.sourceExpression == nil)
        #expect(policy.rules[2].match.sourceExpression == nil)
        #expect(policy.sets[0].expression == nil)
    }

    @Test func `a set that names others has its own part apart, and every item's line`() throws {
        let partners = try policy().sets[1]
        let expression = try #require(partners.expression)
        #expect(expression.included == [0] && expression.excluded == [0])
        #expect(try expression.literals == addresses("203.0.113.0/24"))
        #expect(
            try expression.excludedLiterals == Bogons.addresses.union(addresses("203.0.113.66")))
        #expect(partners.items.map(\.isNegated) == [false, false, true, true, true])
        #expect(partners.items.map(\.set) == [0, nil, nil, nil, 0])
        #expect(partners.items.allSatisfy { $0.range.line == 5 })
    }

    @Test func `the line of a set file that gives an address is found, the first of several`() throws {
        var lines = (0..<3000).map { "10.\($0 >> 8).\($0 & 255).0/25 # \($0)" }
        lines[0] = "\u{feff}192.0.2.0/28"
        lines[1] = ""
        lines[2] = "# 203.0.113.1"
        lines[3] = "  2001:db8::-2001:db8::5;x"
        lines[2500] = "192.0.2.7\r"
        let source = SourceText(path: "list", text: lines.joined(separator: "\n"))
        func find(_ address: String) throws -> String? {
            let found = findInSetFile(source, try #require(IPAddress(address)))
            return found.map { "\($0.line): \($0.text)" }
        }
        #expect(try find("192.0.2.7") == "1: 192.0.2.0/28")
        #expect(try find("203.0.113.1") == nil)
        #expect(try find("2001:db8::5") == "4: 2001:db8::-2001:db8::5")
        #expect(try find("10.11.183.1") == "3000: 10.11.183.0/25")
        #expect(try find("10.11.183.129") == nil)
    }
}
