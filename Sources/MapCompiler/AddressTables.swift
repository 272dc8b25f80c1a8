// SPDX-License-Identifier: Apache-2.0
// Source and destination tables of both families: addresses to classes to rows.
import GuardABI
import NetworkTypes
import PolicyLanguage

extension PolicyCompiler {
    /// Fills a family's address tables, and with IPv4's the row for packets without an IP header.
    mutating func writeAddressTables(_ family: FamilyClassifier) {
        guard family.family == .ipv4 else {
            config.ipv6.0 = writeIPv6(.source, family.matches)
            config.ipv6.1 = writeIPv6(.destination, family.matches)
            return
        }
        config.ipv4.0 = writeIPv4(.source, family.matches)
        config.ipv4.1 = writeIPv4(.destination, family.matches)
        let unread = family.matches.row { $0.source == nil && $0.destination == nil && $0.families == nil }
        config.unread_row = writer.append(rows: [unread])
    }

    enum Side {
        case source, destination
        func key(_ match: RuleMatch) -> AddressSet? { self == .source ? match.source : match.destination }
    }

    private mutating func writeIPv4(_ side: Side, _ matches: Matches) -> guard_address_table {
        let classes: Classes<UInt32> = classes(side, matches, .ipv4, \.v4)
        var table = guard_address_table()
        guard write(classes, "IPv4 \(side) addresses", into: &table) else { return table }
        // The root tells for each /16 which boundaries lie in it; only their low halves are searched.
        let keys = classes.starts.dropFirst()
        var root = [UInt32](repeating: 0, count: 65537)
        for key in keys { root[Int(key >> 16) + 1] += 1 }
        let longest = root.max() ?? 0
        for index in 1...65536 { root[index] += root[index - 1] }
        table.root = writer.append(root)
        table.keys = writer.append(keys.map { UInt16(truncatingIfNeeded: $0) })
        table.top_step = topStep(longest)
        return table
    }

    private mutating func writeIPv6(_ side: Side, _ matches: Matches) -> guard_address_table {
        let classes: Classes<UInt128> = classes(side, matches, .ipv6, \.v6)
        var table = guard_address_table()
        guard write(classes, "IPv6 \(side) addresses", into: &table) else { return table }
        let keys = classes.starts.dropFirst().map {
            guard_address6(high: UInt64(truncatingIfNeeded: $0 >> 64), low: UInt64(truncatingIfNeeded: $0))
        }
        table.root = writer.append([UInt32(0), table.count])
        table.keys = writer.append(keys)
        table.top_step = topStep(table.count)
        return table
    }

    /// Writes rows and classes; false where one row serves all addresses and nothing needs to be searched.
    private mutating func write<Bound>(
        _ classes: Classes<Bound>, _ what: String, into table: inout guard_address_table
    ) -> Bool {
        guard classes.starts.count > 1 else {
            table.rows = writer.append(rows: classes.classes.map { classes.rows[$0] })
            return false
        }
        table.rows = writer.append(rows: classes.rows)
        table.row_count = UInt32(classes.rows.count)
        table.count = UInt32(classes.starts.count - 1)
        table.enabled = 1
        table.classes = writer.append(classNumbers(classes.classes, what))
        return true
    }

    private func classes<Bound>(
        _ side: Side, _ matches: Matches, _ family: AddressFamily, _ part: (AddressSet) -> IntervalSet<Bound>
    ) -> Classes<Bound> {
        func admits(_ match: RuleMatch) -> Bool { match.families?.contains(family) ?? true }
        var constraints = matches.constraints(where: admits) { side.key($0).map(part) }
        if side == .source { constraints.append(Constraint(bit: 63, values: part(policy.neverBan))) }
        return Classes(base: matches.row { admits($0) && side.key($0) == nil }, constraints: constraints)
    }

    /// This host's addresses and the filter that answers for most others (own_bit in stages/spoofed.bpf.h).
    mutating func writeOwnAddresses() {
        let own = target.ownAddresses.map { address in
            guard_own_address(
                address: guard_address6(
                    high: UInt64(truncatingIfNeeded: address.bits >> 64),
                    low: UInt64(truncatingIfNeeded: address.bits)),
                family: address.family == .ipv4 ? 4 : 6, padding: 0)
        }
        config.own = writer.append(own)
        config.own_count = UInt32(own.count)
        withUnsafeMutableBytes(of: &config.own_filter) { bytes in
            let filter = bytes.bindMemory(to: UInt64.self)
            for entry in own {
                let bit = ((entry.address.high ^ entry.address.low) &* 0x9e37_79b9_7f4a_7c15) >> 56
                filter[Int(bit >> 6)] |= 1 << (bit & 63)
            }
        }
    }
}

/// The greatest power of two not above `count`; 0 for 0.
private func topStep(_ count: UInt32) -> UInt32 {
    count == 0 ? 0 : 1 << UInt32(31 - count.leadingZeroBitCount)
}
