// SPDX-License-Identifier: Apache-2.0
// Which inspectors may be asked for packets of one flow. In: the rules that name them. Out: for each the
// others, by position.
import NetworkTypes
import PolicyLanguage

extension CheckedPolicy {
    /// Inspectors that are compared with each other; of more any two may meet.
    private static let mostCompared = 64

    /// By the inspectors' positions; nil: any two may meet. Two never do where no flow has a packet whose
    /// protocol and ports are those of a rule of the one, and one, in either direction, whose are those of a
    /// rule of the other.
    var inspectorMeetings: [[Int]]? {
        guard inspectors.count <= Self.mostCompared else { return nil }
        let asked = inspectors.map { inspector in
            Set(rules.lazy.filter { $0.inspect == inspector.name }.map { AskedPorts($0.match) })
        }
        return asked.indices.map { one in
            asked.indices.filter { other in
                other != one
                    && asked[one].contains { a in asked[other].contains { b in a.meets(b) } }
            }
        }
    }
}

/// What of a rule's match a flow has alike in all its packets of one direction. Addresses are not among it:
/// sets change while the policy runs.
private struct AskedPorts: Hashable {
    /// Nil: any.
    let service: ServiceSet?
    let source: IntervalSet<UInt16>?

    init(_ match: RuleMatch) { (service, source) = (match.service, match.sourcePort) }

    /// Whether packets of one flow may be asked for by both: the same packet, or the one's and its answer.
    func meets(_ other: AskedPorts) -> Bool {
        guard let mine = service, let its = other.service else { return true }
        if mine.others, its.others { return true }
        let named = Set(mine.exceptions.keys).union(its.exceptions.keys)
        return named.contains { proto in
            let (a, b) = (mine.keys(of: proto), its.keys(of: proto))
            // Types of ICMP, and whatever is read of others, are of packets.
            guard proto == .tcp || proto == .udp else { return a != .none && b != .none }
            if a.unread && b.unread || !a.values.intersection(b.values).isEmpty { return true }
            // `{ service: tcp/80 }` and `{ source-port: 80, service: tcp/1024-65535 }`: on a router and on
            // `lo` both directions of a flow are judged as they come in. Who opens it chooses a source port.
            return Self.common(a.values, other.source) && Self.common(b.values, source)
        }
    }

    private static func common(_ ports: IntervalSet<UInt16>, _ sources: IntervalSet<UInt16>?) -> Bool {
        guard let sources else { return !ports.isEmpty }
        return !ports.intersection(sources).isEmpty
    }
}
