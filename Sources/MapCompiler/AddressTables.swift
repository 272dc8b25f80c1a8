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
    /// Writes everything that is looked up by address.
    /// - Parameter plans: IPv4's, whose rows are also for packets without an IP header, then IPv6's.
    mutating func writeAddresses(_ plans: [FamilyClassifier]) {
        guard problems.isEmpty else { return }
        let memory = AddressMemory(growing: ())
        var header = guard_addresses_header()
        var labels = LabelWriter(memory: memory)
        var control = AddressControl(policy, slots: target.setSlots)
        for name in PartitionName.all {
            let plan = plans[name.family == .ipv4 ? 0 : 1]
            do throws(LabelOverflow) {
                header[partition: name.number] = try partition(name, plan, &labels, &control)
            } catch {
                problems.append(tooManyLabels(name, plan, error))
            }
        }
        let unread = plans[0].matches.row {
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
        if policy.hasNeverBan || plans.contains(where: \.usesAddresses) {
            config.flags |= UInt32(GUARD_CFG_ADDRESSES.rawValue)
        }
    }

    private mutating func partition(
        _ name: PartitionName, _ plan: FamilyClassifier, _ labels: inout LabelWriter,
        _ control: inout AddressControl
    ) throws(LabelOverflow) -> guard_partition {
        let conditions = conditions(name, plan, &control)
        return switch name.family {
        case .ipv4: try write(conditions, name, \AddressSet.v4, &labels, &control)
        case .ipv6: try write(conditions, name, \AddressSet.v6, &labels, &control)
        }
    }

    /// What decides the bits of a partition's rows.
    private func conditions(
        _ name: PartitionName, _ plan: FamilyClassifier, _ control: inout AddressControl
    ) -> PartitionConditions {
        func admits(_ match: RuleMatch) -> Bool { match.families?.contains(name.family) ?? true }
        let base = plan.matches.row { admits($0) && name.side.key($0) == nil }.words
        var conditions = PartitionConditions(policy.sets, base: base)
        for numbered in plan.matches.all where admits(numbered.match) {
            guard let addresses = name.side.key(numbered.match) else { continue }
            conditions.add(numbered.bit, addresses, name.side.expression(numbered.match))
        }
        if name.side == .source { conditions.add(63, policy.neverBan, policy.neverBanExpression) }
        conditions.close(&control)
        return conditions
    }

    private mutating func write<Bound: CellBound>(
        _ made: PartitionConditions, _ name: PartitionName,
        _ part: KeyPath<AddressSet, IntervalSet<Bound>>, _ labels: inout LabelWriter,
        _ control: inout AddressControl
    ) throws(LabelOverflow) -> guard_partition {
        var algebra = made.algebra
        algebra.rowWords = made.base.count
        let base = made.base + [UInt64](repeating: 0, count: algebra.conditionWords)
        var states = LabelStates(wordCount: base.count)
        let partition = try Partition(base: base, constraints: made.constraints(part), states: &states)
        let canChange = !algebra.sets.isEmpty
        control.partitions[name.number].rowWords = algebra.rowWords
        if canChange {
            algebra.conditions = (0..<states.count).flatMap {
                states.state($0).dropFirst(made.base.count)
            }
            control.partitions[name.number] = algebra
        }
        var table = guard_partition()
        labels.write(
            states, room: canChange ? states.count * 2 + 16 : 0, algebra, control, to: &table)
        if partition.starts.count > 1 || canChange {
            config.partitions |= 1 << UInt32(name.number)
            table.root = UInt32(PartitionWriter.write(partition, to: labels.memory))
        }
        return table
    }

    private func tooManyLabels(
        _ name: PartitionName, _ plan: FamilyClassifier, _ overflow: LabelOverflow
    ) -> Diagnostic {
        let rule = plan.rule(ofBit: overflow.bit).map { policy.rules[$0] }
        let who = rule.map { "rule '\($0.name)'" } ?? "the policy"
        return limit(
            "\(who) makes one class of \(name.text) too many", "at most \(GUARD_LABELS_MAX) are possible",
            at: rule?.range)
    }

    /// This host's addresses and the filter that answers for most others (own_bit in stages/spoofed.bpf.h).
    mutating func writeOwnAddresses() {
        let own =
            target.ownAddresses.map { ownAddress($0, family: $0.family == .ipv4 ? 4 : 6) }
            + target.ownBroadcasts.map { ownAddress($0, family: UInt32(GUARD_OWN_BROADCAST)) }
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

private func ownAddress(_ address: IPAddress, family: UInt32) -> guard_own_address {
    guard_own_address(
        address: guard_address6(
            high: UInt64(truncatingIfNeeded: address.bits >> 64),
            low: UInt64(truncatingIfNeeded: address.bits)),
        family: family, padding: 0)
}

extension CheckedPolicy {
    /// Whether some address is in `never-ban`, or may come to be.
    var hasNeverBan: Bool { !neverBan.isEmpty || neverBanExpression != nil }
}
