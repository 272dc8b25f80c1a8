// SPDX-License-Identifier: Apache-2.0
// Sources and destinations of both families: conditions on addresses in, the value of guard_addresses' inner
// map out.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage

/// Where an address stands in a packet.
enum AddressSide: Int {
    case source, destination

    func key(_ match: RuleMatch) -> AddressSet? { self == .source ? match.source : match.destination }
    func expression(_ match: RuleMatch) -> AddressExpression? {
        self == .source ? match.sourceExpression : match.destinationExpression
    }
}

/// One family's sources or destinations.
struct PartitionName {
    var family: AddressFamily
    var side: AddressSide

    static let all: [PartitionName] = [
        .init(family: .ipv4, side: .source), .init(family: .ipv4, side: .destination),
        .init(family: .ipv6, side: .source), .init(family: .ipv6, side: .destination),
    ]

    /// GUARD_PARTITION.
    var number: Int { (family == .ipv4 ? 0 : 2) + side.rawValue }
    var text: String { "\(family == .ipv4 ? "IPv4" : "IPv6") \(side) addresses" }
}

extension PolicyCompiler {
    /// Whether any match asks for addresses or their family, or rows of addresses are needed as no other key
    /// gives any.
    var usesAddresses: Bool {
        !policy.neverBan.isEmpty || families.contains { usesAddresses($0.matches) }
    }

    private func usesAddresses(_ matches: Matches) -> Bool {
        var hasOtherKeys = false
        for numbered in matches.all {
            let match = numbered.match
            if match.source != nil || match.destination != nil || match.families != nil { return true }
            hasOtherKeys = hasOtherKeys || match.hasIndexKey
        }
        return !hasOtherKeys && !matches.all.isEmpty
    }

    /// Writes everything that is looked up by address.
    mutating func writeAddresses() {
        let memory = AddressMemory(growing: ())
        var header = guard_addresses_header()
        var labels = LabelWriter(memory: memory)
        var control = AddressControl(policy, rowWords: families[0].matches.wordCount, slots: target.setSlots)
        for name in PartitionName.all {
            do throws(LabelOverflow) {
                header[partition: name.number] = try partition(name, &labels, &control)
            } catch {
                problems.append(tooManyLabels(name, error))
            }
        }
        let unread = families[0].matches.row {
            $0.source == nil && $0.destination == nil && $0.families == nil
        }
        header.unread_row = labels.row(unread.words)
        memory.finish(header, control)
        if memory.isFull {
            problems.append(limit("the tables of addresses need more than 512 MiB", "no more is possible"))
        }
        addresses = memory.bytes
        config.addresses_size = addressesSize(addresses.count, canChange: control.canChange)
        if control.canChange { config.flags |= UInt32(GUARD_CFG_SETS.rawValue) }
    }

    private mutating func partition(
        _ name: PartitionName, _ labels: inout LabelWriter, _ control: inout AddressControl
    ) throws(LabelOverflow) -> guard_partition {
        switch name.family {
        case .ipv4: try partition(name, \AddressSet.v4, &labels, &control)
        case .ipv6: try partition(name, \AddressSet.v6, &labels, &control)
        }
    }

    private mutating func partition<Bound: CellBound>(
        _ name: PartitionName, _ part: KeyPath<AddressSet, IntervalSet<Bound>>, _ labels: inout LabelWriter,
        _ control: inout AddressControl
    ) throws(LabelOverflow) -> guard_partition {
        func admits(_ match: RuleMatch) -> Bool { match.families?.contains(name.family) ?? true }
        let matches = plan(name.family).matches
        var base = matches.row { admits($0) && name.side.key($0) == nil }.words
        var conditions = PartitionConditions(policy.sets, rowWords: base.count)
        for numbered in matches.all where admits(numbered.match) {
            guard let addresses = name.side.key(numbered.match) else { continue }
            conditions.add(numbered.bit, addresses, name.side.expression(numbered.match))
        }
        if name.side == .source { conditions.add(63, policy.neverBan, policy.neverBanExpression) }
        conditions.close(&control)
        base += [UInt64](repeating: 0, count: conditions.algebra.conditionWords)
        var states = LabelStates(wordCount: base.count)
        let partition = try Partition(base: base, constraints: conditions.constraints(part), states: &states)
        let canChange = !conditions.algebra.sets.isEmpty
        if canChange {
            conditions.algebra.conditions = (0..<states.count).flatMap {
                states.state($0).dropFirst(control.rowWords)
            }
            control.partitions[name.number] = conditions.algebra
        }
        var table = guard_partition()
        labels.write(
            states, room: canChange ? states.count * 2 + 16 : 0, conditions.algebra, control, to: &table)
        if partition.starts.count > 1 || canChange {
            config.partitions |= 1 << UInt32(name.number)
            table.root = UInt32(PartitionWriter.write(partition, to: labels.memory))
        }
        return table
    }

    private func plan(_ family: AddressFamily) -> FamilyClassifier { families[family == .ipv4 ? 0 : 1] }

    private func tooManyLabels(_ name: PartitionName, _ overflow: LabelOverflow) -> Diagnostic {
        let rules = plan(name.family).bitRules
        let rule =
            overflow.bit >= 64 && overflow.bit - 64 < rules.count
            ? policy.rules[rules[overflow.bit - 64]] : nil
        let who = rule.map { "rule '\($0.name)'" } ?? "the policy"
        return limit(
            "\(who) makes one class of \(name.text) too many", "at most \(GUARD_LABELS_MAX) are possible",
            at: rule?.range)
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

extension RuleMatch {
    /// Whether it has a key of IndexTables.swift.
    fileprivate var hasIndexKey: Bool {
        service != nil || sourcePort != nil || tcpFlags != nil || interface != nil || vlan != nil
            || innerVLAN != nil || length != nil || ttl != nil || dscp != nil || ipOptions != nil
            || fragment != nil
    }
}
