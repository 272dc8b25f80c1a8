// SPDX-License-Identifier: Apache-2.0
// What a worker asks of the firewall for a match. To the controller it is a claim until it has been judged.
import NetworkTypes

/// A flow's two ends, as one of its packets has them.
public struct InspectedFlow: Hashable, Sendable {
    public var proto: IPProtocol
    public var source: IPAddress
    /// In host order; 0 for protocols without ports.
    public var sourcePort: UInt16
    public var destination: IPAddress
    public var destinationPort: UInt16

    public init(
        proto: IPProtocol, source: IPAddress, sourcePort: UInt16, destination: IPAddress,
        destinationPort: UInt16
    ) {
        self.proto = proto
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
    }
}

/// A match, and what is to be done for it.
public struct ReportedFinding: Hashable, Sendable {
    public enum Response: Hashable, Sendable {
        /// The flow's packets of both directions are dropped.
        case dropFlow
        /// All packets from the address, one of the flow's two, are dropped.
        case ban(IPAddress)
    }

    public enum Cause: Hashable, Sendable {
        /// The signature with this sid.
        case signature(UInt32)
        /// A protocol that the inspector forbids, by the detector's name: at most 63 printable ASCII
        /// characters.
        case protocolName(String)
    }

    public var response: Response
    public var cause: Cause
    public var flow: InspectedFlow
    /// Of the rule that had the flow inspected: its counter's slot.
    public var ruleSlot: UInt32
    /// Position of the inspector in the policy.
    public var inspector: UInt16
    /// How long the response holds, in nanoseconds from its execution on.
    public var nanoseconds: UInt64

    public init(
        _ response: Response, cause: Cause, flow: InspectedFlow, ruleSlot: UInt32, inspector: UInt16,
        nanoseconds: UInt64
    ) {
        self.response = response
        self.cause = cause
        self.flow = flow
        self.ruleSlot = ruleSlot
        self.inspector = inspector
        self.nanoseconds = nanoseconds
    }

    static let mostNameBytes = 63
}

extension WireWriter {
    mutating func append(_ finding: ReportedFinding) {
        append(finding.inspector)
        append(finding.ruleSlot)
        append(finding.nanoseconds)
        append(finding.flow.proto.rawValue)
        append(UInt8(finding.flow.source.family == .ipv4 ? 4 : 6))
        append(finding.flow.source.bits)
        append(finding.flow.destination.bits)
        append(finding.flow.sourcePort)
        append(finding.flow.destinationPort)
        switch finding.response {
        case .dropFlow: append(UInt8(1))
        case .ban(let address):
            append(UInt8(2))
            append(address.bits)
        }
        switch finding.cause {
        case .signature(let sid):
            append(UInt8(1))
            append(sid)
        case .protocolName(let name):
            append(UInt8(2))
            append(name.utf8, most: ReportedFinding.mostNameBytes)
        }
    }
}

extension WireReader {
    mutating func finding() throws(WireError) -> ReportedFinding {
        let inspector = try number(UInt16.self)
        let slot = try number(UInt32.self)
        let nanoseconds = try number(UInt64.self)
        let proto = IPProtocol(rawValue: try number())
        let version = try number(UInt8.self)
        guard version == 4 || version == 6 else { throw .field("address family") }
        let family: AddressFamily = version == 4 ? .ipv4 : .ipv6
        let source = try address(family)
        let destination = try address(family)
        let flow = InspectedFlow(
            proto: proto, source: source, sourcePort: try number(), destination: destination,
            destinationPort: try number())
        return ReportedFinding(
            try response(family), cause: try cause(), flow: flow, ruleSlot: slot, inspector: inspector,
            nanoseconds: nanoseconds)
    }

    private mutating func address(_ family: AddressFamily) throws(WireError) -> IPAddress {
        let bits = try number(UInt128.self)
        guard bits <= family.lastBits else { throw .field("address") }
        return IPAddress(family: family, bits: bits)
    }

    private mutating func response(_ family: AddressFamily) throws(WireError) -> ReportedFinding.Response {
        switch try number(UInt8.self) {
        case 1: return .dropFlow
        case 2: return .ban(try address(family))
        default: throw .field("response")
        }
    }

    private mutating func cause() throws(WireError) -> ReportedFinding.Cause {
        switch try number(UInt8.self) {
        case 1: return .signature(try number())
        case 2:
            let name = try block(most: ReportedFinding.mostNameBytes)
            guard !name.isEmpty, name.allSatisfy({ (0x20...0x7e).contains($0) }) else {
                throw .field("protocol name")
            }
            return .protocolName(String(decoding: name, as: UTF8.self))
        default: throw .field("cause")
        }
    }
}
