// SPDX-License-Identifier: Apache-2.0
// Packets that bring no bytes: acknowledgements are a third of all packets, and hardly a signature looks at
// one. In: its header. Out: whether any signature may match it, so that the rest need not be made ready.

import NetworkTypes
import Signatures

extension SignatureMatcher {
    /// Whether `inspect` would find no candidate in a packet without payload, stream bytes or transactions;
    /// then it counts as inspected. Of TCP one that is in no stream.
    public func passesOver(_ header: PacketHeader, isTaken: Bool, flow: FlowMatchState) -> Bool {
        guard !flow.isNew(to: engine.number), !tries(header, isTaken: isTaken, flow) else { return false }
        counters.inspections &+= 1
        return true
    }

    private func tries(_ header: PacketHeader, isTaken: Bool, _ flow: FlowMatchState) -> Bool {
        let direction = Int(header.direction.rawValue)
        let application = header.application
        if !plan.addressLists[direction].isEmpty {
            let kind: FlowMatchState.OnceKind = isTaken ? .addresses : .untakenAddresses
            if header.transport.isPacketwise || !flow.wasTried(kind, header.direction) { return true }
        }
        if isTaken, application != nil, !plan.recognitionLists[direction].isEmpty {
            let kind = header.recognitionKind
            if !flow.wasTried(kind, header.direction) { return true }
        }
        let kind = PayloadKind(header.transport)
        return lists(kind, header, application)
            || kind == .tcpPacket && lists(.tcpStream, header, application)
    }

    /// Whether any signature without a literal may match.
    private func lists(
        _ kind: PayloadKind, _ header: PacketHeader, _ application: ApplicationProtocol?
    ) -> Bool {
        let slot = MatchPlan.slot(kind, header.direction)
        guard !plan.packetLists[slot].isEmpty else { return false }
        let (source, destination) = (header.sourcePort, header.destinationPort)
        if admitsAny(plan.packetLists[slot].anyPort, header, application) { return true }
        if let list = plan.packetLists[slot].byDestination.list(of: destination),
            admitsAny(list, header, application)
        {
            return true
        }
        guard let list = plan.packetLists[slot].bySource.list(of: source) else { return false }
        return admitsAny(list, header, application)
    }

    private func admitsAny(
        _ signatures: [UInt32], _ header: PacketHeader, _ application: ApplicationProtocol?
    ) -> Bool {
        for signature in signatures where plan.gates[Int(signature)].admits(header, application) {
            return true
        }
        return false
    }
}

extension PacketHeader {
    /// Recognition is tried once more where the sides speak different protocols.
    var recognitionKind: FlowMatchState.OnceKind {
        guard let toServer = applicationToServer, let toClient = applicationToClient else {
            return .recognition
        }
        return toServer == toClient ? .recognition : .disagreement
    }
}
