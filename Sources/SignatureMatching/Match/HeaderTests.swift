// SPDX-License-Identifier: Apache-2.0
// Conditions on headers, flows and recognised protocols: a signature's tests + a packet -> whether they
// hold.

import NetworkTypes
import Signatures

extension CompiledSignature {
    /// Addresses, ports and protocols of the signature's header.
    func admits(_ packet: UnsafePointer<InspectedPacket>) -> Bool {
        guard header.transports.contains(packet.pointee.header.transport) else { return false }
        if let family = header.family, family != packet.pointee.header.source.family { return false }
        return header.isAnyToAny || admitsEnds(packet)
    }

    private func admitsEnds(_ packet: UnsafePointer<InspectedPacket>) -> Bool {
        let (source, destination) = (packet.pointee.header.source, packet.pointee.header.destination)
        let sourcePort = packet.pointee.header.sourcePort
        let destinationPort = packet.pointee.header.destinationPort
        if header.sourcePorts.contains(sourcePort), header.destinationPorts.contains(destinationPort),
            header.source.contains(source), header.destination.contains(destination)
        {
            return true
        }
        return header.isBidirectional && header.sourcePorts.contains(destinationPort)
            && header.destinationPorts.contains(sourcePort) && header.source.contains(destination)
            && header.destination.contains(source)
    }
}

/// The flow's state; the direction was compared before.
func admits(_ wanted: FlowConditions, _ subject: Subject) -> Bool {
    if let isReassembled = wanted.isReassembled, isReassembled != subject.packet.pointee.header.isReassembled
    {
        return false
    }
    switch wanted.state {
    case .stateless: return true
    case .any: return !wanted.hasDirection || subject.flow != nil
    case .established: return subject.flow != nil && subject.packet.pointee.header.isEstablished
    case .notEstablished: return subject.flow != nil && !subject.packet.pointee.header.isEstablished
    }
}

/// One test of the packet's headers.
func packetTestHolds(_ test: PacketTest, _ packet: UnsafePointer<InspectedPacket>) -> Bool {
    switch test {
    case .number(let field, let number):
        return packet.pointee.fields.value(of: field).map(number.holds) ?? false
    case .transports(let transports): return transports.contains(packet.pointee.header.transport)
    case .tcpFlags(let wanted, let match, let considered):
        guard let flags = packet.pointee.fields.tcpFlags else { return false }
        return holds(match, flags.intersection(considered).rawValue, wanted.rawValue)
    case .fragmentBits(let wanted, let match):
        guard let bits = packet.pointee.fields.fragmentBits else { return false }
        return holds(match, bits, wanted)
    case .ipOption(let option):
        let options = packet.pointee.fields.ipOptions
        return option == .any ? !options.isEmpty : options.contains(option.rawValue)
    case .sameAddress: return packet.pointee.header.source == packet.pointee.header.destination
    }
}

private func holds(_ match: BitMatch, _ bits: UInt8, _ wanted: UInt8) -> Bool {
    switch match {
    case .exact: bits == wanted
    case .all: bits & wanted == wanted
    case .anyOf: bits & wanted != 0
    case .notAll: wanted == 0 ? bits != 0 : bits & wanted != wanted
    }
}

/// One test of what was recognised, or of a transaction's fields.
func protocolTestHolds(_ test: ProtocolTest, _ subject: Subject) -> Bool {
    let header = subject.packet.pointee.header
    let fields = subject.transaction?.fields
    switch test {
    case .application(let wanted, let isNegated, let side, let isExact):
        return holds(ApplicationTest(wanted: wanted, isNegated: isNegated, isExact: isExact), side, header)
    case .streamSize(let direction, let number): return holds(number, direction, header)
    case .dnsOpcode(let number): return (fields?.dnsOpcode).map { number.holds(UInt64($0)) } ?? false
    case .dnsRcode(let number): return (fields?.dnsRcode).map { number.holds(UInt64($0)) } ?? false
    case .dnsRRType(let number, let choice): return holds(number, choice, fields?.dnsRecordTypes ?? [])
    case .tlsVersion(let wanted, let isNegated):
        guard let versions = fields?.tlsVersion, !versions.isEmpty else { return false }
        return versions.isDisjoint(with: wanted) == isNegated
    case .tlsState(let wanted, let isNegated):
        guard let states = fields?.tlsStates else { return false }
        return states.isDisjoint(with: wanted) == isNegated
    case .sshVersion(let wanted, let orCompatible):
        guard let version = fields?.sshVersion, !version.isEmpty else { return false }
        return orCompatible
            ? version.starts(with: wanted) || version.starts(with: "1.99".utf8) : version == wanted
    case .event(let name): return fields?.events.contains(name) ?? false
    }
}

private func holds(_ test: NumberTest, _ choice: RecordChoice, _ types: [UInt16]) -> Bool {
    switch choice {
    case .any: return types.contains { test.holds(UInt64($0)) }
    case .all: return !types.isEmpty && types.allSatisfy { test.holds(UInt64($0)) }
    case .index(let place):
        let index = place < 0 ? types.count + place : place
        return types.indices.contains(index) && test.holds(UInt64(types[index]))
    }
}

/// What `app-layer-protocol` asks of one answer.
private struct ApplicationTest {
    var wanted: ApplicationProtocol
    var isNegated: Bool
    var isExact: Bool

    /// Nothing recognised yet is neither the protocol nor another one; it is `unknown`.
    func holds(_ known: ApplicationProtocol?) -> Bool {
        guard let known else { return wanted == .unknown && !isNegated }
        return (isExact ? wanted == known : wanted.includes(known)) != isNegated
    }
}

private func holds(_ test: ApplicationTest, _ side: ProtocolTest.Side, _ header: PacketHeader) -> Bool {
    let (toServer, toClient) = (header.applicationToServer, header.applicationToClient)
    switch side {
    case .direction: return test.holds(header.direction == .toServer ? toServer : toClient)
    case .toServer: return test.holds(toServer)
    case .toClient: return test.holds(toClient)
    case .either: return test.holds(toServer) || test.holds(toClient)
    case .both: return test.holds(toServer) && test.holds(toClient)
    case .final: return test.holds(header.application)
    case .original: return test.holds(header.originalApplication ?? header.application)
    }
}

private func holds(_ test: NumberTest, _ direction: StreamDirection, _ header: PacketHeader) -> Bool {
    guard header.transport == .tcp else { return false }
    let (toServer, toClient) = (header.streamBytesToServer, header.streamBytesToClient)
    switch direction {
    case .client: return test.holds(toServer)
    case .server: return test.holds(toClient)
    case .both: return test.holds(toServer) && test.holds(toClient)
    case .either: return test.holds(toServer) || test.holds(toClient)
    }
}
