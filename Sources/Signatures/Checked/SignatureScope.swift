// SPDX-License-Identifier: Apache-2.0
// The union of signatures' headers. In: checked signatures. Out: the flows that one of them could match a
// packet of, for the datapath to sample no others.
import NetworkTypes

extension FlowScope {
    /// Every flow that the header of one of these could match a packet of, in either direction. Of a
    /// signature's two ends the narrower one counts; keywords count for nothing, as flow state, recognition
    /// and reassembly need the whole flow. Nothing else of a signature sees packets that its header does not
    /// admit: bits and counters that one sets for another are set on flows in its own scope.
    public init(of signatures: some Sequence<Signature>) {
        var union = HeaderUnion()
        for signature in signatures { union.add(signature.header) }
        self = union.scope
    }
}

/// Ranges of all headers, to be sorted once.
private struct HeaderUnion {
    private var transports = TransportProtocols(low: 0, high: 0)
    private var tcpPorts: Set<IntervalSet<UInt16>> = []
    private var udpPorts: Set<IntervalSet<UInt16>> = []
    private var addresses: Set<AddressSet> = []

    /// Most signatures of a file share a few variables.
    mutating func add(_ header: SignatureHeader) {
        transports = transports.union(header.transports)
        let ports = header.isAnyToAny ? .all : narrower(header.sourcePorts, header.destinationPorts)
        if header.transports.contains(.tcp) { tcpPorts.insert(ports) }
        if header.transports.contains(.udp) { udpPorts.insert(ports) }
        addresses.insert(header.isAnyToAny ? .all : narrower(header.source, header.destination))
    }

    var scope: FlowScope {
        let numbers = (UInt8.min...UInt8.max).filter { transports.contains(IPProtocol(rawValue: $0)) }
        return FlowScope(
            protocols: IntervalSet(numbers.map { $0...$0 }),
            tcpPorts: IntervalSet(tcpPorts.flatMap(\.ranges)),
            udpPorts: IntervalSet(udpPorts.flatMap(\.ranges)),
            addresses: AddressSet(
                v4: IntervalSet(addresses.flatMap(\.v4.ranges)),
                v6: IntervalSet(addresses.flatMap(\.v6.ranges))))
    }

    private func narrower(_ one: IntervalSet<UInt16>, _ other: IntervalSet<UInt16>) -> IntervalSet<UInt16> {
        one.size <= other.size ? one : other
    }

    private func narrower(_ one: AddressSet, _ other: AddressSet) -> AddressSet {
        one.share <= other.share ? one : other
    }
}

extension IntervalSet {
    /// How many numbers are in it, nearly.
    fileprivate var size: Double {
        ranges.reduce(0) { $0 + Double($1.upperBound - $1.lowerBound) + 1 }
    }
}

extension AddressSet {
    /// Of both families' addresses: 2 for all.
    fileprivate var share: Double { v4.size / 0x1p32 + v6.size / 0x1p128 }
}
