// SPDX-License-Identifier: Apache-2.0
// What names, lists and "!" come to in the checked policy.
import NetworkTypes
import Testing

@testable import PolicyLanguage

struct AddressList: Sendable, CustomTestStringConvertible {
    let list: String
    let holds: [String]
    let leaves: [String]
    var testDescription: String { list }
}

struct ServiceList: Sendable, CustomTestStringConvertible {
    /// "tcp/22", or "tcp/?" for a packet whose port could not be read.
    let list: String
    let holds: [String]
    let leaves: [String]
    var testDescription: String { list }
}

private func holds(_ service: ServiceSet?, _ text: String) -> Bool? {
    let parts = text.split(separator: "/")
    guard let service, let proto = IPProtocol(name: parts[0]) else { return nil }
    return service.contains(proto, key: parts.count > 1 ? UInt16(parts[1]) : nil)
}

@Suite struct CheckTests {
    static let sets = """
        sets:
          office: [192.0.2.0/24, "2001:db8:1::/48"]
          most: [$office, "!192.0.2.66", 198.51.100.7]
          others: ["!$most"]
        services:
          web: [tcp/80, tcp/443, udp/443]
          rest: ["!$web", "!icmp"]

        """

    @Test(arguments: [
        AddressList(list: "192.0.2.7", holds: ["192.0.2.7"], leaves: ["192.0.2.8", "2001:db8::1"]),
        AddressList(list: "$office", holds: ["192.0.2.66", "2001:db8:1::1"], leaves: ["192.0.3.0"]),
        AddressList(list: "$most", holds: ["192.0.2.7", "198.51.100.7"], leaves: ["192.0.2.66"]),
        AddressList(list: "$others", holds: ["192.0.2.66", "2001:db8::1"], leaves: ["192.0.2.7"]),
        AddressList(
            list: "[\"!$office\", 192.0.0.0/16]", holds: ["192.0.3.1"], leaves: ["192.0.2.1", "10.0.0.1"]),
        AddressList(list: "\"!192.0.2.1\"", holds: ["192.0.2.2", "2001:db8::1"], leaves: ["192.0.2.1"]),
        AddressList(
            list: "[$bogons, \"!$office\"]", holds: ["10.1.2.3", "fe80::1"], leaves: ["192.0.2.1"]),
    ])
    func `a list of addresses holds what the others give without what is taken out`(_ row: AddressList) {
        let source = ruleWith("source: \(row.list)", top: Self.sets)?.match.source
        #expect(source != nil)
        for text in row.holds { #expect(IPAddress(text).map { source?.contains($0) } == true, "\(text)") }
        for text in row.leaves { #expect(IPAddress(text).map { source?.contains($0) } == false, "\(text)") }
    }

    @Test(arguments: [
        ServiceList(list: "tcp", holds: ["tcp/22", "tcp/?"], leaves: ["udp/22"]),
        ServiceList(list: "tcp/22", holds: ["tcp/22"], leaves: ["tcp/23", "tcp/?", "udp/22"]),
        ServiceList(
            list: "\"!tcp/22\"", holds: ["tcp/23", "udp/22", "udp/?", "gre"], leaves: ["tcp/22", "tcp/?"]),
        ServiceList(list: "\"!tcp\"", holds: ["udp/?", "gre"], leaves: ["tcp/22", "tcp/?"]),
        ServiceList(
            list: "[\"!tcp/22\", tcp]", holds: ["tcp/21", "tcp/23"], leaves: ["tcp/22", "tcp/?", "udp/1"]),
        ServiceList(list: "[tcp, tcp/22]", holds: ["tcp/22", "tcp/?"], leaves: []),
        ServiceList(list: "$web", holds: ["tcp/80", "udp/443"], leaves: ["udp/80", "tcp/?"]),
        ServiceList(
            list: "$rest", holds: ["tcp/22", "sctp/80"], leaves: ["tcp/80", "tcp/?", "udp/?", "icmp/8"]),
        ServiceList(list: "[$web, \"!udp\"]", holds: ["tcp/443"], leaves: ["udp/443"]),
        ServiceList(
            list: "icmp/echo-request", holds: ["icmp/8"], leaves: ["icmp/0", "icmpv6/128", "icmp/?"]),
        ServiceList(list: "proto/47", holds: ["gre"], leaves: ["esp"]),
        ServiceList(list: "[\"!gre\", \"!tcp\"]", holds: ["esp", "udp/1"], leaves: ["gre", "tcp/1"]),
        ServiceList(list: "\"!$rest\"", holds: ["icmp/8"], leaves: ["tcp/22", "sctp/1", "gre"]),
    ])
    func `a list of services holds what the others give without what is taken out`(_ row: ServiceList) {
        let service = ruleWith("service: \(row.list)", top: Self.sets)?.match.service
        for text in row.holds { #expect(holds(service, text) == true, "\(text)") }
        for text in row.leaves { #expect(holds(service, text) == false, "\(text)") }
    }

    @Test func `taking out a named service leaves its own ports only`() {
        let service = ruleWith("service: \"!$web\"", top: Self.sets)?.match.service
        #expect(holds(service, "tcp/22") == true)
        #expect(holds(service, "tcp/443") == false)
        #expect(holds(service, "tcp/?") == false)
        #expect(holds(service, "sctp/?") == true)
    }

    @Test func `services that hold the same packets are equal`() {
        let one = ruleWith("service: [\"!tcp/22\", \"!tcp\"]")?.match.service
        #expect(one == ruleWith("service: \"!tcp\"")?.match.service)
        #expect(one == ServiceSet(others: true, exceptions: [.tcp: .none]))
    }

    @Test func `numbers are any of the ranges without what is taken out`() {
        let rule = ruleWith(
            "source-port: [1024-, \"!2000-2010\", 53], length: \"!-63\", ttl: [1, 255], dscp: \"!46\"")
        #expect(rule?.match.sourcePort?.ranges == [53...53, 1024...1999, 2011...65535])
        #expect(rule?.match.length?.ranges == [64...65535])
        #expect(rule?.match.ttl?.ranges == [1...1, 255...255])
        #expect(rule?.match.dscp?.ranges == [0...45, 47...63])
    }

    @Test(
        arguments: [
            ("none", nil, true), ("none", 5, false), ("10-20", 15, true), ("10-20", nil, false),
            ("\"!none\"", 4095, true), ("\"!none\"", nil, false), ("\"!5\"", nil, true), ("\"!5\"", 5, false),
            ("[none, 1-9, \"!5\"]", nil, true), ("[none, 1-9, \"!5\"]", 5, false), ("1-", 4095, true),
        ] as [(String, UInt16?, Bool)])
    func `a tag key holds for its ids, and for no tag where that is named`(_ row: (String, UInt16?, Bool)) {
        let rule = ruleWith("vlan: \(row.0), inner-vlan: \(row.0)")
        #expect(rule?.match.vlan?.holds(row.1) == row.2)
        #expect(rule?.match.innerVLAN == rule?.match.vlan)
    }

    @Test(
        arguments: [
            ("any", [.first, .later]), ("none", [.none]), ("\"!any\"", [.none]),
            ("[any, \"!later\"]", [.first]),
            ("\"!none\"", [.first, .later]), ("[none, later]", [.none, .later]),
        ] as [(String, Set<FragmentKind>)])
    func `a fragment key holds for its kinds`(_ row: (String, Set<FragmentKind>)) {
        let text = "default: drop\nstateful: false\nfragments: pass\nrules:\n"
        let report = load(text + "  - { name: one, fragment: \(row.0), action: pass }\n")
        #expect(report.policy?.rules.first?.match.fragment == row.1)
    }

    @Test func `words, flags, names and patterns are resolved`() {
        let rule = ruleWith(
            "family: \"!ipv4\", tcp-flags: [syn, \"!ack\"], interface: [\"eth*\", \"!eth1\"], "
                + "ip-options: \"!true\", payload: [{ bytes: 0102 }, { offset: 4, bytes: ff, mask: 0f }], "
                + "log: 1/10, mode: enforce")
        #expect(rule?.match.families == [.ipv6])
        #expect(rule?.match.tcpFlags == TCPFlagsMatch(mustBeSet: .syn, mustBeClear: .ack))
        #expect(rule?.match.interface == NameMatch(included: ["eth*"], excluded: ["eth1"]))
        #expect(rule?.match.ipOptions == false)
        let patterns = [
            PayloadPattern(offset: 0, bytes: [1, 2], mask: [255, 255]),
            PayloadPattern(offset: 4, bytes: [0x0f], mask: [0x0f]),
        ]
        #expect(rule?.match.payload == patterns)
        #expect(rule?.logEvery == 10)
        #expect(rule?.monitor == false)
    }

    @Test func `a key that is not there is nil`() {
        let match = ruleWith("log: false")?.match
        #expect(match?.source == nil && match?.service == nil && match?.vlan == nil && match?.payload == nil)
        #expect(ruleWith("log: false")?.logEvery == nil)
    }

    @Test func `a list of one and a scalar are the same`() {
        #expect(ruleWith("source: [192.0.2.1]")?.match.source == ruleWith("source: 192.0.2.1")?.match.source)
        #expect(ruleWith("ttl: [9]")?.match.ttl == ruleWith("ttl: 9")?.match.ttl)
    }

    @Test func `the end of a rule is kept in seconds`() {
        #expect(ruleWith("expires: 2026-12-31T00:00Z")?.expires == 1_798_675_200)
    }

    @Test func `a set nested too deep is an error and no crash`() {
        let sets = (0..<1000).map { "  s\($0): $s\($0 + 1)\n" }.joined() + "  s1000: 192.0.2.1\n"
        let report = load(header + "sets:\n" + sets)
        #expect(report.exitCode == 65)
        #expect(report.places.contains { $0.hasSuffix("too-deep") })
    }

    @Test func `the table of bogons is well formed and disjoint from ordinary sources`() throws {
        for entry in Bogons.table { _ = try parseAddressItem(entry.addresses, lenientHostBits: false) }
        for text in [
            "10.0.0.1", "100.127.0.1", "192.0.2.1", "240.0.0.1", "255.255.255.255", "fd00::1", "2001:db8::1",
        ] {
            #expect(IPAddress(text).map(Bogons.addresses.contains) == true, "\(text)")
        }
        for text in [
            "1.1.1.1", "192.0.0.9", "172.32.0.1", "192.31.196.1", "2606:4700::1", "2001:4860::1",
            "64:ff9b::1",
        ] {
            #expect(IPAddress(text).map(Bogons.addresses.contains) == false, "\(text)")
        }
    }

    @Test func `what may follow from an error is not told, wherever the error stands`() {
        let dead = "  - { name: a, action: pass, service: udp, tcp-flags: syn }\n"
        let wrong = "  - { name: b, action: pass, source: 192.0.2 }\n"
        let sets = "sets: { none: [] }\n"
        #expect(load(header + sets + "rules:\n" + dead).diagnostics.contains { $0.id == "never-matches" })
        for rules in [dead + wrong, wrong + dead] {
            #expect(load(header + sets + "rules:\n" + rules).diagnostics.map(\.id) == ["address-syntax"])
        }
    }

    @Test func `a rule named a third time points at the second`() {
        let rules = (1...3).map { "  - { name: same, action: pass, length: \($0) }\n" }.joined()
        let found = load(header + "rules:\n" + rules).diagnostics
        #expect(found.map(\.id) == ["duplicate-name", "duplicate-name"])
        #expect(found.map { $0.related.first?.range.line } == [5, 6])
    }

    @Test func `a rule keeps all its rare keys`() {
        let rule = ruleWith("ttl: 5, dscp: 1, vlan: 7, length: 40-, ip-options: true")
        var match = rule?.match ?? RuleMatch()
        #expect(match.ttl == .init(5...5) && match.dscp == .init(1...1) && match.ipOptions == true)
        match.ttl = nil
        #expect(match.ttl == nil && match.vlan?.ids == .init(7...7) && rule?.match.ttl != nil)
    }
}
