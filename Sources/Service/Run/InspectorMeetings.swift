// SPDX-License-Identifier: Apache-2.0
// Which inspectors may be asked for packets of one flow. In: the rules that name them. Out: for each the
// others, by position.
import NetworkTypes
import PolicyLanguage

extension CheckedPolicy {
    /// Inspectors that are compared with each other; of more any two may meet.
    private static let mostCompared = 64

    /// By the inspectors' positions; nil: any two may meet. Two never do where no service of a rule of the
    /// one has a protocol and port in common with one of the other: those a flow has alike in all its
    /// packets.
    var inspectorMeetings: [[Int]]? {
        guard inspectors.count <= Self.mostCompared else { return nil }
        let asked = inspectors.map { inspector in
            rules.filter { $0.inspect == inspector.name }.map(\.match.service)
        }
        return asked.indices.map { one in
            asked.indices.filter { other in
                other != one
                    && asked[one].contains { a in asked[other].contains { b in Self.meet(a, b) } }
            }
        }
    }

    /// - Parameters: services of two rules; nil: any.
    private static func meet(_ one: ServiceSet?, _ other: ServiceSet?) -> Bool {
        guard let one, let other else { return true }
        if one.others, other.others { return true }
        let named = Set(one.exceptions.keys).union(other.exceptions.keys)
        return named.contains { proto in
            let (a, b) = (one.keys(of: proto), other.keys(of: proto))
            // Types of ICMP, and whatever is read of others, are of packets.
            guard proto == .tcp || proto == .udp else { return a != .none && b != .none }
            return a.unread && b.unread || !a.values.intersection(b.values).isEmpty
        }
    }
}
