// SPDX-License-Identifier: Apache-2.0
// Tables of the keys whose value is an index: service, ports, flags, tags, lengths and the rest. Value 0 is
// "not read".
import GuardABI
import NetworkTypes
import PolicyLanguage

extension PolicyCompiler {
    /// Where each protocol's services begin: the same for both families.
    mutating func writeServiceBases() { config.service_base = writer.append(ServiceIndex().bases) }

    /// Writes the tables of one family's matches and their part of its classifier.
    mutating func writeIndexTables(_ matches: Matches, into classifier: inout guard_classifier) {
        var tables = IndexTables(matches)
        let services = ServiceIndex()
        tables.write(GUARD_DIM_SERVICE, domain: services.domain) { $0.service.map(services.values) }
        tables.write(GUARD_DIM_SOURCE_PORT, domain: 65537) { $0.sourcePort.map { shifted($0, by: 1) } }
        tables.write(GUARD_DIM_TCP_FLAGS, domain: 257) { $0.tcpFlags.map(flagValues) }
        let interfaces = target.interfaces
        tables.write(GUARD_DIM_INTERFACE, domain: UInt32(interfaces.count + 1)) { match in
            match.interface.map { names -> IntervalSet<UInt32> in
                // Value 0 is an interface without a name: `*` and negations hold for it.
                let values = interfaces.indices.filter { names.holds(interfaces[$0].name) }.map {
                    one(UInt32($0) + 1)
                }
                return IntervalSet(values + (names.holds("") ? [one(0)] : []))
            }
        }
        tables.write(GUARD_DIM_VLAN, domain: 4098) { $0.vlan.map(tagValues) }
        tables.write(GUARD_DIM_INNER_VLAN, domain: 4098) { $0.innerVLAN.map(tagValues) }
        tables.write(GUARD_DIM_LENGTH, domain: 65537) { $0.length.map { shifted($0, by: 1) } }
        tables.write(GUARD_DIM_TTL, domain: 257) { $0.ttl.map { shifted($0, by: 1) } }
        tables.write(GUARD_DIM_DSCP, domain: 65) { $0.dscp.map { shifted($0, by: 1) } }
        tables.write(GUARD_DIM_IP_OPTIONS, domain: 3) { $0.ipOptions.map { IntervalSet(one($0 ? 2 : 1)) } }
        tables.write(GUARD_DIM_FRAGMENT, domain: 4) { match in
            match.fragment.map { IntervalSet($0.map { one(fragmentValue($0)) }) }
        }
        append(tables, to: &classifier)
    }

    private mutating func append(_ tables: IndexTables, to classifier: inout guard_classifier) {
        for (dimension, values) in tables.written {
            var table = guard_index_table()
            table.enabled = 1
            table.domain = UInt32(values.numbers.count)
            table.classes = writer.append(classNumbers(values.numbers, "values of one key"))
            table.rows = writer.append(rows: values.rows)
            table.row_count = UInt32(values.rows.count)
            withUnsafeMutableBytes(of: &classifier.index) {
                $0.bindMemory(to: guard_index_table.self)[Int(dimension.rawValue)] = table
            }
        }
    }
}

/// The classes of every value of each key in use.
private struct IndexTables {
    let matches: Matches
    private(set) var written: [(dimension: guard_dimension, values: (numbers: [Int], rows: [Row]))] = []

    init(_ matches: Matches) { self.matches = matches }

    /// Makes one key's table, unless no match has the key.
    mutating func write(
        _ dimension: guard_dimension, domain: UInt32, _ values: (RuleMatch) -> IntervalSet<UInt32>?
    ) {
        let constraints = matches.constraints(values)
        guard !constraints.isEmpty else { return }
        let classes = Classes(base: matches.row { values($0) == nil }, constraints: constraints)
        var numbers = [Int](repeating: 0, count: Int(domain))
        for (position, start) in classes.starts.enumerated() where start < domain {
            let end = position + 1 < classes.starts.count ? min(classes.starts[position + 1], domain) : domain
            for value in start..<end { numbers[Int(value)] = classes.classes[position] }
        }
        written.append((dimension, (numbers, classes.rows)))
    }
}

/// Where each protocol's values lie in the service table: one value for "port or type not read", then the
/// ports or types.
struct ServiceIndex {
    /// By protocol number.
    private(set) var bases: [UInt32] = []
    private(set) var domain: UInt32 = 1

    init() {
        for number in UInt8.min...UInt8.max {
            bases.append(domain)
            let proto = IPProtocol(rawValue: number)
            domain += 1 + (proto.hasPorts ? 65536 : proto.hasTypes ? 256 : 0)
        }
    }

    /// The values of protocols with ports whose ports were read, out of `ranges`.
    func withPorts(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        let ports = [IPProtocol.tcp, .udp, .sctp].map { proto -> ClosedRange<UInt32> in
            let base = bases[Int(proto.rawValue)]
            return base + 1...base + 65536
        }
        return IntervalSet(ranges).intersection(IntervalSet(ports)).ranges
    }

    func values(_ service: ServiceSet) -> IntervalSet<UInt32> {
        // Protocols that are not named all hold or do not: only where they do, all 256 are asked for.
        let protocols =
            service.others ? Array(UInt8.min...UInt8.max) : service.exceptions.keys.map(\.rawValue)
        return IntervalSet(
            protocols.flatMap { number -> [ClosedRange<UInt32>] in
                let proto = IPProtocol(rawValue: number)
                let keys = service.keys(of: proto)
                let base = bases[Int(number)]
                var ranges = keys.unread ? [one(base)] : []
                guard proto.hasPorts || proto.hasTypes else { return ranges }
                let last: UInt16 = proto.hasPorts ? 65535 : 255
                for range in keys.values.ranges where range.lowerBound <= last {
                    ranges.append(
                        base + 1 + UInt32(range.lowerBound)...base + 1 + UInt32(min(range.upperBound, last)))
                }
                return ranges
            })
    }
}

private func one(_ value: UInt32) -> ClosedRange<UInt32> { value...value }

private func shifted<Bound>(_ set: IntervalSet<Bound>, by offset: UInt32) -> IntervalSet<UInt32> {
    IntervalSet(set.ranges.map { UInt32($0.lowerBound) + offset...UInt32($0.upperBound) + offset })
}

private func flagValues(_ match: TCPFlagsMatch) -> IntervalSet<UInt32> {
    IntervalSet(
        (UInt8.min...UInt8.max).filter { match.holds(TCPFlags(rawValue: $0)) }.map { one(UInt32($0) + 1) })
}

private func tagValues(_ match: TagMatch) -> IntervalSet<UInt32> {
    let ids = shifted(match.ids, by: 2)
    return match.none ? ids.union(IntervalSet(one(1))) : ids
}

private func fragmentValue(_ kind: FragmentKind) -> UInt32 {
    switch kind {
    case .none: 1
    case .first: 2
    case .later: 3
    }
}
