// SPDX-License-Identifier: Apache-2.0
// An entry of the tuple space: what one list element asks of a packet, and the bits that its key is made of.
import GuardABI

/// A rule's match on one prefix pair, one interval of services and one of source ports.
struct TupleEntry {
    /// Addresses with zeros behind the prefix; IPv4 in the low 32 bits.
    var source: UInt128 = 0
    var destination: UInt128 = 0
    var sourceLength: UInt8 = 0
    var destinationLength: UInt8 = 0
    /// The source IP header must have been read.
    var needsIP = false
    /// 1 + a position in `EntryMaker.conditions`; 0: none.
    var condition: UInt16 = 0
    /// Values of the service index, both included.
    var serviceLow: UInt32 = 0
    var serviceHigh = UInt32.max
    /// The value whose leading bits are part of the key.
    var serviceAnchor: UInt32 = 0
    var portLow: UInt16 = 0
    var portHigh = UInt16.max
    var portAnchor: UInt16 = 0
    var rule: UInt32 = 0
}

/// Which bits of a packet make a tuple's key. A level is a number of leading bits: 0 none, 1 to 3 aligned
/// blocks of 4096, 256 and 16 values, 4 the whole value.
struct TupleShape: Hashable {
    var source: UInt8
    var destination: UInt8
    var service: UInt8
    var port: UInt8

    static let widest = TupleShape(source: 0, destination: 0, service: 0, port: 0)

    /// Whether every key of `other` lies within one key of this shape.
    func covers(_ other: TupleShape) -> Bool {
        source <= other.source && destination <= other.destination && service <= other.service
            && port <= other.port
    }

    /// How narrow its keys are, for choosing among shapes.
    var narrowness: Int { Int(source) + Int(destination) + 2 * (Int(service) + Int(port)) }

    /// The narrowest level whose blocks are not smaller than an interval: two blocks cover it then.
    static func level(low: UInt32, high: UInt32) -> UInt8 {
        switch high - low {
        case 0: 4
        case ..<16: 3
        case ..<256: 2
        case ..<4096: 1
        default: 0
        }
    }

    /// Bits that a value of this level's block shares.
    static func mask(level: UInt8) -> UInt32 {
        level == 0 ? 0 : level == 4 ? .max : .max << (16 - 4 * UInt32(level))
    }
}

/// Lengths that prefixes are rounded down to: enough to tell most keys apart, few enough for few tuples.
struct LengthGrid {
    private let rounded: [UInt8]

    init(isIPv6: Bool) {
        let steps: [UInt8] =
            isIPv6
            ? Array(stride(from: 0, through: 128, by: 4)) : [0, 8, 12, 16, 20, 22, 24, 26, 28, 30, 31, 32]
        rounded = (0...(isIPv6 ? 128 : 32)).map { length in steps.last { $0 <= length } ?? 0 }
    }

    func shape(of entry: TupleEntry) -> TupleShape {
        TupleShape(
            source: rounded[Int(entry.sourceLength)], destination: rounded[Int(entry.destinationLength)],
            service: TupleShape.level(low: entry.serviceLow, high: entry.serviceHigh),
            port: TupleShape.level(low: UInt32(entry.portLow), high: UInt32(entry.portHigh)))
    }
}

extension guard_tuple {
    init(_ shape: TupleShape, isIPv6: Bool, number: UInt32) {
        self.init()
        source_mask = guard_address6(prefixMask(shape.source, isIPv6: isIPv6))
        destination_mask = guard_address6(prefixMask(shape.destination, isIPv6: isIPv6))
        service_mask = TupleShape.mask(level: shape.service)
        port_mask = TupleShape.mask(level: shape.port) & 0xffff
        self.number = number
    }

    /// The hash of an entry's key; stages/tuples.bpf.h computes the same of a packet (tuple_hash). Zero
    /// masks make the parts that IPv4 does not have vanish, but for how its addresses are joined.
    @inline(__always)
    func hash(_ entry: TupleEntry, isIPv6: Bool) -> UInt64 {
        let rest =
            UInt64(entry.serviceAnchor & service_mask) << 32
            | UInt64((UInt32(entry.portAnchor) & port_mask) << 8 | number)
        var hash = rest &* 0x9e37_79b9_7f4a_7c15
        let (source, destination) = (guard_address6(entry.source), guard_address6(entry.destination))
        if isIPv6 {
            hash &+= (source.high & source_mask.high) &* 0xbf58_476d_1ce4_e5b9
            hash &+= (source.low & source_mask.low) &* 0x94d0_49bb_1331_11eb
            hash &+= (destination.high & destination_mask.high) &* 0xc2b2_ae3d_27d4_eb4f
            hash &+= (destination.low & destination_mask.low) &* 0x1656_67b1_9e37_79f9
        } else {
            let joined = (source.low & source_mask.low) << 32 | (destination.low & destination_mask.low)
            hash &+= joined &* 0xbf58_476d_1ce4_e5b9
        }
        return (hash ^ hash >> 32) &* 0xd6e8_feb8_6659_fd93
    }
}

extension guard_address6 {
    @inline(__always)
    init(_ bits: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: bits >> 64), low: UInt64(truncatingIfNeeded: bits))
    }
}

/// Ones for the bits of a prefix; IPv4 in the low 32 bits.
func prefixMask(_ length: UInt8, isIPv6: Bool) -> UInt128 {
    let width: UInt8 = isIPv6 ? 128 : 32
    let all: UInt128 = isIPv6 ? .max : 0xffff_ffff
    return length == 0 ? 0 : all << UInt128(width - length) & all
}
