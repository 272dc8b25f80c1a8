// SPDX-License-Identifier: Apache-2.0
// The packets that a rule's keys hold for, as regions: a rule in, disjoint regions by family and layer out.
// `interface`, `payload` and `state` stand beside them, to be compared as they are written.
import NetworkTypes
import PolicyLanguage

/// A region and the layer whose fields it has.
struct RuleSpacePart<Address: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    let layer: PacketLayer
    var region: PacketRegion<Address>

    func overlaps(_ other: Self) -> Bool { layer == other.layer && region.overlaps(other.region) }
    func isWithin(_ other: Self) -> Bool { layer == other.layer && region.isWithin(other.region) }
}

/// A set of packets as disjoint regions; none of them is empty.
struct RuleSpace: Sendable {
    var v4: [RuleSpacePart<UInt32>] = []
    var v6: [RuleSpacePart<UInt128>] = []

    var isEmpty: Bool { v4.isEmpty && v6.isEmpty }
    var partCount: Int { v4.count + v6.count }

    init(_ match: RuleMatch, in universe: PacketUniverse) {
        guard match.canHoldOutsideHeaders else { return }
        let families = match.families ?? Set(AddressFamily.allCases)
        if families.contains(.ipv4) {
            v4 = universe.v4.compactMap { match.narrowing($0, match.source?.v4, match.destination?.v4) }
        }
        if families.contains(.ipv6) {
            v6 = universe.v6.compactMap { match.narrowing($0, match.source?.v6, match.destination?.v6) }
        }
    }

    func overlaps(_ other: RuleSpace) -> Bool {
        v4.contains { mine in other.v4.contains { $0.overlaps(mine) } }
            || v6.contains { mine in other.v6.contains { $0.overlaps(mine) } }
    }

    func isWithin(_ other: RuleSpace) -> Bool {
        v4.allSatisfy { mine in other.v4.contains { mine.isWithin($0) } }
            && v6.allSatisfy { mine in other.v6.contains { mine.isWithin($0) } }
    }

    /// Takes `other` out of it.
    /// - Returns: whether that took anything, and how many intervals were touched.
    mutating func subtract(_ other: RuleSpace) -> (took: Bool, work: Int) {
        let first = Self.subtract(&v4, other.v4)
        let second = Self.subtract(&v6, other.v6)
        return (first.took || second.took, first.work + second.work)
    }

    private static func subtract<Address>(
        _ mine: inout [RuleSpacePart<Address>], _ theirs: [RuleSpacePart<Address>]
    ) -> (took: Bool, work: Int) {
        var work = mine.count
        var took = false
        for taken in theirs {
            let hit = mine.indices.filter { mine[$0].overlaps(taken) }
            guard !hit.isEmpty else { continue }
            took = true
            let pieces = hit.flatMap { mine[$0].region.subtracting(taken.region) }
            work += hit.reduce(0) { $0 + mine[$1].region.weight } + hit.count * taken.region.weight
            for index in hit.reversed() { mine.remove(at: index) }
            mine += pieces.filter { !$0.isEmpty }.map { RuleSpacePart(layer: taken.layer, region: $0) }
        }
        return (took, work)
    }
}

private func narrow<Number>(_ set: inout IntervalSet<Number>, to key: IntervalSet<Number>?) {
    guard let key else { return }
    if set.isWithin(key) { return }
    set = key.isWithin(set) ? key : set.intersection(key)
}

extension RuleMatch {
    /// Whether the keys that are compared as they are written can hold at all.
    fileprivate var canHoldOutsideHeaders: Bool {
        let interfaceCan = interface.map { $0.included != [] && !$0.excluded.contains("*") } ?? true
        return interfaceCan && payload != []
    }

    /// What of a layer the keys hold for; nil: nothing.
    fileprivate func narrowing<Address>(
        _ part: RuleSpacePart<Address>, _ source: IntervalSet<Address>?, _ destination: IntervalSet<Address>?
    ) -> RuleSpacePart<Address>? {
        guard canHold(in: part.layer) else { return nil }
        var narrowed = part
        narrow(&narrowed.region.addresses[0], to: source)
        narrow(&narrowed.region.addresses[1], to: destination)
        narrowWords(&narrowed.region.words, part.layer)
        narrowBytes(&narrowed.region.bytes, part.layer)
        narrowed.region.dropImpossibleTags()
        return narrowed.region.isEmpty ? nil : narrowed
    }

    /// Whether a layer has the fields that the keys look at.
    private func canHold(in layer: PacketLayer) -> Bool {
        if tcpFlags != nil, layer != .tcp { return false }
        if let service, !service.holdsForAny(of: layer) { return false }
        if sourcePort != nil, layer.proto?.hasPorts != true { return false }
        if payload != nil, layer == .cut || layer == .noProtocol || layer == .noHeader { return false }
        if service != nil, layer == .noProtocol || layer == .noHeader { return false }
        return layer != .noHeader || !looksAtHeaders
    }

    private var looksAtHeaders: Bool {
        source != nil || destination != nil || families != nil || length != nil || ttl != nil || dscp != nil
            || fragment != nil || ipOptions != nil
    }

    private func narrowWords(_ words: inout [IntervalSet<UInt16>], _ layer: PacketLayer) {
        if let service {
            let keys = layer.proto.map { service.keys(of: $0).values } ?? service.unreadProtocols
            narrow(&words[WordField.key], to: keys)
        }
        narrow(&words[WordField.sourcePort], to: sourcePort)
        narrow(&words[WordField.length], to: length)
        narrow(&words[WordField.vlan], to: vlan?.words)
        narrow(&words[WordField.innerVLAN], to: innerVLAN?.words)
    }

    private func narrowBytes(_ bytes: inout [IntervalSet<UInt8>], _ layer: PacketLayer) {
        narrow(&bytes[ByteField.flags], to: tcpFlags?.bytes)
        narrow(&bytes[ByteField.ttl], to: ttl)
        narrow(&bytes[ByteField.dscp], to: dscp)
        narrow(&bytes[ByteField.options], to: ipOptions.map { $0 ? IntervalSet(1...1) : IntervalSet(0...0) })
        narrow(&bytes[ByteField.fragment], to: fragment.map(fragmentBytes))
        // A later fragment's payload is not read, nor is that of a packet of which it is not known.
        if payload != nil { narrow(&bytes[ByteField.fragment], to: IntervalSet(0...1)) }
    }
}

private func fragmentBytes(_ kinds: Set<FragmentKind>) -> IntervalSet<UInt8> {
    let numbers = FragmentKind.allCases.enumerated().filter { kinds.contains($0.element) }
    return IntervalSet(numbers.map { UInt8($0.offset)...UInt8($0.offset) })
}

extension ServiceSet {
    /// False only where it holds for no packet of the layer.
    fileprivate func holdsForAny(of layer: PacketLayer) -> Bool {
        if let proto = layer.proto { return !keys(of: proto).values.isEmpty }
        return others || exceptions.contains { $0.value.unread }
    }

    /// The protocols that it holds for where no port or type was read.
    fileprivate var unreadProtocols: IntervalSet<UInt16> {
        let exceptional = exceptions.filter { $0.value.unread != others }.map { UInt16($0.key.rawValue) }
        let set = IntervalSet(exceptional.map { $0...$0 })
        return others ? set.complement() : set
    }
}

extension TagMatch {
    /// Ids, and 0 for no tag.
    fileprivate var words: IntervalSet<UInt16> {
        let tags = ids.intersection(IntervalSet(1...4095))
        return none ? tags.union(IntervalSet(0...0)) : tags
    }
}

extension TCPFlagsMatch {
    fileprivate var bytes: IntervalSet<UInt8> {
        IntervalSet((UInt8.min...UInt8.max).filter { holds(TCPFlags(rawValue: $0)) }.map { $0...$0 })
    }
}
