// SPDX-License-Identifier: Apache-2.0
// Service texts in, a protocol and its ports or types out: "tcp/22", "udp/8000-8080", "icmp/echo-request",
// "proto/47".
import NetworkTypes

/// One protocol, as a whole or with destination ports or ICMP types.
public struct ServiceItem: Hashable, Sendable {
    public var proto: IPProtocol
    public var keys: ServiceSet.Keys
    /// No port or type was named; `keys` is then `.all`.
    public var wholeProtocol: Bool

    public init(proto: IPProtocol, keys: ServiceSet.Keys, wholeProtocol: Bool) {
        self.proto = proto
        self.keys = keys
        self.wholeProtocol = wholeProtocol
    }

    init(whole proto: IPProtocol) { self.init(proto: proto, keys: .all, wholeProtocol: true) }
}

/// `proto/6` is `tcp` as a whole.
public func parseServiceItem(_ text: String) throws(ValueError) -> ServiceItem {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let word = parts[0]
    guard parts.count == 2 else {
        if word == "proto" { throw protoWithoutNumber(text) }
        return ServiceItem(whole: try parseProtocol(word, in: text))
    }
    do throws(ValueError) {
        if word == "proto" {
            guard !parts[1].isEmpty else { throw protoWithoutNumber(text) }
            let number = try parseNumber(parts[1], in: 0...255, named: "protocol number")
            return ServiceItem(whole: IPProtocol(rawValue: UInt8(number)))
        }
        let proto = try parseProtocol(word, in: text)
        let values = try parseKeys(parts[1], of: proto, in: text)
        let keys = ServiceSet.Keys(values: IntervalSet(values), unread: false)
        return ServiceItem(proto: proto, keys: keys, wholeProtocol: false)
    } catch {
        guard error.id == "leading-zero" else { throw error }
        throw leadingZero(text, what: "service")
    }
}

private func protoWithoutNumber(_ text: String) -> ValueError {
    ValueError(
        id: "service-syntax", "service '\(text)' names no protocol",
        help: "write proto/N with N from 0 to 255")
}

private func parseProtocol(_ word: some StringProtocol, in text: String) throws(ValueError) -> IPProtocol {
    if let proto = IPProtocol(name: word) { return proto }
    let names = IPProtocol.names.map(\.name)
    if !word.isEmpty, word.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        throw ValueError(
            id: "unknown-protocol", "service '\(text)' names no protocol",
            help: "write tcp/\(text) or udp/\(text) for a port, proto/\(text) for a protocol number")
    }
    throw ValueError(
        id: "unknown-protocol", "unknown protocol '\(word)'",
        help: suggestion(
            for: word, among: names + ["proto"], expected: "use \(names.joined(separator: ", ")) or proto/N"))
}

private func parseKeys(
    _ keys: some StringProtocol, of proto: IPProtocol, in text: String
) throws(ValueError) -> ClosedRange<UInt16> {
    guard proto.hasPorts || proto.hasTypes else {
        let name = proto.name ?? "this protocol"
        throw ValueError(
            id: "service-syntax", "service '\(text)': \(name) has no ports", help: "write \(name)")
    }
    guard !keys.isEmpty else {
        let what = proto.hasPorts ? "port" : "type"
        let name = proto.name ?? "proto"
        throw ValueError(
            id: "service-syntax", "service '\(text)' names no \(what)",
            help: "write \(name) for all of it, or \(name)/\(what == "port" ? "22" : "echo-request")")
    }
    guard proto.hasTypes else {
        return try narrowed(parseNumberRange(String(keys), in: 0...65535, named: "port"))
    }
    if let type = ICMPTypeNames.type(named: keys, of: proto) { return UInt16(type)...UInt16(type) }
    guard keys.utf8.contains(where: { !(0x30...0x39).contains($0) && $0 != 0x2d }) else {
        return try narrowed(parseNumberRange(String(keys), in: 0...255, named: "type"))
    }
    throw ValueError(
        id: "unknown-icmp-type", "unknown \(proto.name ?? "icmp") type '\(keys)'",
        help: suggestion(
            for: keys, among: ICMPTypeNames.table(proto).map(\.name),
            expected: "use a type's name, as in echo-request, or its number from 0 to 255"))
}

/// Both ends are within 65535, which the caller's limits say.
private func narrowed(_ range: ClosedRange<UInt64>) -> ClosedRange<UInt16> {
    UInt16(clamping: range.lowerBound)...UInt16(clamping: range.upperBound)
}
