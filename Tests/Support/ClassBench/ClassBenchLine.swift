// SPDX-License-Identifier: Apache-2.0
// The lines of ClassBench's files as values. In: one line's bytes. Out: a rule or a packet header.
import NetworkTypes

/// One rule of five fields. The sixth, TCP flags, is not read: the answers were made without it.
public struct ClassBenchRule: Hashable, Sendable {
    public var source: Prefix
    public var destination: Prefix
    public var sourcePorts: ClosedRange<UInt16>
    public var destinationPorts: ClosedRange<UInt16>
    /// nil: any protocol.
    public var proto: UInt8?

    /// `@src/len dst/len lo : hi lo : hi proto/mask flags/mask`; nil for any other line.
    public init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split { $0 == 0x20 || $0 == 0x09 }
        guard fields.count >= 9, fields[0].first == UInt8(ascii: "@"),
            let source = Prefix(text: fields[0].dropFirst()), let destination = Prefix(text: fields[1]),
            let sourcePorts = Self.ports(fields[2...4]), let destinationPorts = Self.ports(fields[5...7]),
            let proto = Self.proto(fields[8])
        else { return nil }
        (self.source, self.destination) = (source, destination)
        (self.sourcePorts, self.destinationPorts) = (sourcePorts, destinationPorts)
        self.proto = proto.mask == 0 ? nil : proto.value
    }

    /// Whether it holds for a header.
    public func matches(_ header: ClassBenchHeader) -> Bool {
        (proto == nil || proto == header.proto) && sourcePorts.contains(header.sourcePort)
            && destinationPorts.contains(header.destinationPort) && source.contains(header.source)
            && destination.contains(header.destination)
    }

    private static func ports(_ words: ArraySlice<ArraySlice<UInt8>>) -> ClosedRange<UInt16>? {
        guard let first = words.first, let last = words.last, let low = decimalNumber(first),
            let high = decimalNumber(last), low <= high, let high = UInt16(exactly: high)
        else { return nil }
        return UInt16(low)...high
    }

    /// `0x06/0xFF`; a mask is whole or nothing.
    private static func proto(_ word: ArraySlice<UInt8>) -> (value: UInt8, mask: UInt8)? {
        let parts = word.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 2, let value = UInt8(parts[0].dropFirst(2), radix: 16),
            let mask = UInt8(parts[1].dropFirst(2), radix: 16), mask == 0 || mask == 255
        else { return nil }
        return (value, mask)
    }
}

/// One packet of a trace. Every protocol has ports here.
public struct ClassBenchHeader: Hashable, Sendable {
    public var source: IPAddress
    public var destination: IPAddress
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    public var proto: UInt8

    /// `src dst sport dport proto ...`, IPv4 addresses as numbers; nil for any other line.
    public init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split { $0 == 0x20 || $0 == 0x09 }
        guard fields.count >= 5, let source = Self.address(fields[0]),
            let destination = Self.address(fields[1]),
            let sourcePort = decimalNumber(fields[2]).flatMap({ UInt16(exactly: $0) }),
            let destinationPort = decimalNumber(fields[3]).flatMap({ UInt16(exactly: $0) }),
            let proto = decimalNumber(fields[4]).flatMap({ UInt8(exactly: $0) })
        else { return nil }
        (self.source, self.destination) = (source, destination)
        (self.sourcePort, self.destinationPort) = (sourcePort, destinationPort)
        self.proto = proto
    }

    private static func address(_ word: ArraySlice<UInt8>) -> IPAddress? {
        guard let number = decimalNumber(word) else { return IPAddress(utf8: word) }
        return UInt32(exactly: number).map { IPAddress(v4: $0) }
    }
}

extension IPAddress {
    init?(utf8 word: ArraySlice<UInt8>) {
        guard let address = word.withUnsafeBufferPointer({ IPAddress(utf8: $0) }) else { return nil }
        self = address
    }
}

extension Prefix {
    /// `192.0.2.0/24`, also a single address; host bits are masked.
    public init?(text: ArraySlice<UInt8>) {
        let parts = text.split(separator: UInt8(ascii: "/"))
        guard let first = parts.first, parts.count <= 2, let address = IPAddress(utf8: first) else {
            return nil
        }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        guard let length = decimalNumber(parts[1]).flatMap({ Int(exactly: $0) }) else { return nil }
        self.init(masking: address, length: length)
    }
}
