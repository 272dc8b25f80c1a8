// SPDX-License-Identifier: Apache-2.0
// Which flows somebody needs packets of: what signatures' headers come to before they are compiled for the
// datapath. In: protocols, ports, addresses. Out: a value that may hold for too many flows, never for too
// few.

/// Flows by what all packets of one have alike: its protocol, and the ports and addresses of its two ends,
/// whichever of them sends. A flow is in scope where its protocol is, one of its ports (of TCP and UDP), and
/// one of its addresses.
public struct FlowScope: Hashable, Sendable {
    /// IP protocol numbers.
    public var protocols: IntervalSet<UInt8>
    public var tcpPorts: IntervalSet<UInt16>
    public var udpPorts: IntervalSet<UInt16>
    /// At most `mostRanges` ranges in each family: what lies between two near ones is in it too.
    public private(set) var addresses: AddressSet

    /// Ranges of addresses of one family, as many as the datapath compares.
    public static let mostRanges = 8

    /// Beside what it is told, a scope holds for all that can carry a packet of another flow, or hide its
    /// protocol: IP in IP, GRE, and IPv6's extension headers, which a reader may take for a protocol.
    public static let carriers: [UInt8] = [0, 4, 41, 43, 44, 47, 51, 60, 135, 139, 140]
    /// Likewise the destination ports of VXLAN and GENEVE, in UDP.
    public static let carrierPorts: [UInt16] = [4789, 6081]
    /// And Teredo's port, of either end.
    public static let teredoPort: UInt16 = 3544

    /// - Parameter addresses: of either end; more than `mostRanges` ranges of a family are made fewer.
    public init(
        protocols: IntervalSet<UInt8> = .init(), tcpPorts: IntervalSet<UInt16> = .init(),
        udpPorts: IntervalSet<UInt16> = .init(), addresses: AddressSet = AddressSet()
    ) {
        (self.protocols, self.tcpPorts, self.udpPorts) = (protocols, tcpPorts, udpPorts)
        self.addresses = AddressSet(
            v4: addresses.v4.coarsened(to: Self.mostRanges), v6: addresses.v6.coarsened(to: Self.mostRanges))
    }

    /// No flow but carriers.
    public static let none = FlowScope()
    public static let all = FlowScope(
        protocols: .all, tcpPorts: .all, udpPorts: .all, addresses: .all)

    /// Holds where one of the two does, and perhaps where neither does.
    public func union(_ other: FlowScope) -> FlowScope {
        FlowScope(
            protocols: protocols.union(other.protocols), tcpPorts: tcpPorts.union(other.tcpPorts),
            udpPorts: udpPorts.union(other.udpPorts), addresses: addresses.union(other.addresses))
    }
}

extension IntervalSet {
    /// A superset of at most so many ranges: the narrowest gaps are filled.
    fileprivate func coarsened(to most: Int) -> IntervalSet {
        guard ranges.count > most else { return self }
        let gaps = ranges.indices.dropFirst().map { ranges[$0].lowerBound - ranges[$0 - 1].upperBound }
        // The widest gaps stay; of equal ones the first.
        let kept = Set(gaps.indices.sorted { (gaps[$1], $0) < (gaps[$0], $1) }.prefix(most - 1))
        var merged: [ClosedRange<Bound>] = []
        for (index, range) in ranges.enumerated() {
            if index > 0, !kept.contains(index - 1), let last = merged.popLast() {
                merged.append(last.lowerBound...range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return IntervalSet(merged)
    }
}
