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
        if !policy.neverBan.isEmpty { return true }
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
        let memory = AddressMemory()
        _ = memory.allocate(MemoryLayout<guard_addresses_header>.size, alignment: 64)
        var header = guard_addresses_header()
        var rows = RowWriter(memory: memory)
        for name in PartitionName.all {
            do throws(LabelOverflow) {
                header[partition: name.number] = try partition(name, memory, &rows)
            } catch {
                problems.append(tooManyLabels(name, error))
            }
        }
        let unread = matches.row { $0.source == nil && $0.destination == nil && $0.families == nil }
        header.unread_row = rows.offset(of: unread.words)
        if memory.isFull {
            problems.append(limit("the tables of addresses need more than 512 MiB", "no more is possible"))
        }
        header.used = UInt32(memory.used)
        memory.header = header
        addresses = memory.bytes
        config.addresses_size = UInt32(addresses.count)
    }

    private mutating func partition(
        _ name: PartitionName, _ memory: AddressMemory, _ rows: inout RowWriter
    ) throws(LabelOverflow) -> guard_partition {
        switch name.family {
        case .ipv4: try partition(name, \AddressSet.v4, memory, &rows)
        case .ipv6: try partition(name, \AddressSet.v6, memory, &rows)
        }
    }

    private mutating func partition<Bound: CellBound>(
        _ name: PartitionName, _ part: KeyPath<AddressSet, IntervalSet<Bound>>, _ memory: AddressMemory,
        _ rows: inout RowWriter
    ) throws(LabelOverflow) -> guard_partition {
        func admits(_ match: RuleMatch) -> Bool { match.families?.contains(name.family) ?? true }
        var constraints = matches.constraints(where: admits) { name.side.key($0)?[keyPath: part] }
        if name.side == .source {
            constraints.append(Constraint(bit: 63, values: policy.neverBan[keyPath: part]))
        }
        let base = matches.row { admits($0) && name.side.key($0) == nil }
        var states = LabelStates(wordCount: base.words.count)
        let partition = try Partition(base: base.words, constraints: constraints, states: &states)
        var table = guard_partition()
        table.label_count = UInt32(states.count)
        table.label_room = table.label_count
        table.labels = UInt32(
            memory.append(
                (0..<states.count).map { guard_label(row: rows.offset(of: Array(states.state($0))), sets: 0) }))
        if partition.starts.count > 1 {
            config.partitions |= 1 << UInt32(name.number)
            table.root = UInt32(PartitionWriter.write(partition, to: memory))
        }
        return table
    }

    private func tooManyLabels(_ name: PartitionName, _ overflow: LabelOverflow) -> Diagnostic {
        let rule = overflow.bit >= 64 && overflow.bit - 64 < policy.rules.count ? policy.rules[overflow.bit - 64] : nil
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
