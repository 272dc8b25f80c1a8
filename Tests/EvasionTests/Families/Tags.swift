// SPDX-License-Identifier: Apache-2.0
// VLAN tags: one or two are looked behind, whatever their kind, order and bits; a third is malformed.
import NetworkTypes
import TestSupport

private typealias Tag = PacketBuilder.Tag

private let asPlain =
    "IEEE 802.1Q-2022 9.6: a tag says where a frame belongs, the packet behind it is the same"
private let priority =
    "IEEE 802.1Q-2022 6.9.1, table 9-2: id 0 is priority only; Linux reads the packet behind it as untagged"
private let third = "docs/policy.md, Ethernet: a third tag cannot be looked behind, so it never passes"

private func q(_ control: UInt16) -> Tag { Tag(control) }
private func ad(_ control: UInt16) -> Tag { Tag(control, ethertype: 0x88a8) }

private let plain: [(String, [Tag], String)] = [
    ("802.1Q", [q(5)], asPlain),
    ("802.1Q, id 4094", [q(4094)], asPlain),
    ("802.1Q, reserved id 4095", [q(4095)], asPlain),
    ("802.1Q with DEI", [q(0x1005)], asPlain),
    ("802.1Q with PCP 7", [q(0xe005)], asPlain),
    ("802.1Q with PCP 7 and DEI", [q(0xf005)], asPlain),
    ("802.1ad", [ad(5)], asPlain),
    ("802.1ad, then 802.1Q", [ad(5), q(6)], asPlain),
    ("802.1Q, then 802.1ad", [q(5), ad(6)], asPlain),
    ("802.1Q twice", [q(5), q(6)], asPlain),
    ("802.1ad twice", [ad(5), ad(6)], asPlain),
    ("priority tag", [q(0)], priority),
    ("priority tag with PCP and DEI", [q(0xf000)], priority),
    ("802.1ad priority tag", [ad(0)], priority),
    ("priority tag before 802.1Q", [q(0), q(5)], priority),
    ("priority tag behind 802.1Q", [q(5), q(0)], priority),
    ("two priority tags", [q(0), ad(0)], priority),
]

private let tooMany: [(String, [Tag], String)] = [
    ("three tags", [q(5), q(6), q(7)], third),
    ("802.1ad and two 802.1Q", [ad(5), q(6), q(7)], third),
    ("priority tag before two", [q(0), q(5), q(6)], third),
    ("priority tag between two", [q(5), q(0), q(6)], third),
    ("priority tag behind two", [ad(5), q(6), q(0)], third),
    ("three priority tags", [q(0), q(0), q(0)], third),
    ("four tags", [q(5), q(6), q(7), q(8)], third),
]

func tagCases() throws -> [EvasionCase] {
    var cases = Cases("VLAN tags")
    for ip in [AddressFamily.ipv4, .ipv6] {
        for (name, tags, why) in plain { try cases.add(Dress(name, why) { $0.tags = tags }, over: ip) }
        for (name, tags, why) in tooMany {
            let dress = Dress(name, why, malformed: "more than two vlan tags") { $0.tags = tags }
            try cases.add(dress, over: ip)
        }
    }
    try addIdentifiers(&cases)
    return cases.all
}

/// A rule for VLAN 66 sees its id whatever stands around it, and no other id.
private func addIdentifiers(_ cases: inout Cases) throws {
    let is66 = Cases.Variant(
        "rule for VLAN 66, outer id 66",
        "IEEE 802.1Q-2022 9.6: the id is the low 12 bits; POLICY: priority tags are no tag to a rule")
    let isNot = Cases.Variant(
        "rule for VLAN 66, another outer id", "`vlan` is the outer tag after priority tags, not the inner")
    let member: [(String, [Tag])] = [
        ("id 66", [q(66)]), ("with PCP and DEI", [q(0xf042)]), ("802.1ad", [ad(66)]),
        ("behind a priority tag", [q(0), q(66)]), ("before a priority tag", [q(66), q(0)]),
        ("outer of two", [ad(66), q(5)]),
    ]
    let stranger: [(String, [Tag])] = [
        ("inner of two", [ad(5), q(66)]), ("id 65", [q(65)]), ("id 67", [q(67)]), ("id 322", [q(0x142)]),
    ]
    for (name, tags) in member {
        cases.add(is66, name, try packet(AddressFamily.ipv4.tcp(80)) { $0.tags = tags }, (.closed, .guests))
    }
    for (name, tags) in stranger {
        cases.add(isNot, name, try packet(AddressFamily.ipv4.tcp(80)) { $0.tags = tags }, (.closed, .web))
    }
}
