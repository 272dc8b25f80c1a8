// SPDX-License-Identifier: Apache-2.0
// Header conditions of inspectors; docs/policy.md, "Header conditions". In: a packet that a rule wants
// inspected. Out: whether some signature could match a packet of its flow.
import NetworkTypes
import PolicyLanguage

extension ReferenceFirewall {
    /// Tells which flows inspectors need.
    /// - Parameter scopes: by the inspectors' positions; nil and beyond its end: all.
    public mutating func tell(scopes: [FlowScope?]) {
        // The datapath has room for so many; the others get every flow.
        for (inspector, scope) in zip(policy.inspectors.prefix(64), scopes) {
            self.scopes[inspector.name] = scope
        }
    }

    func isNeeded(_ packet: Packet, by inspector: String?) -> Bool {
        guard let inspector, let scope = scopes[inspector] else { return true }
        let isInTunnel = !packet.layers.around.isEmpty
        let isFragment = packet.read.fragment == .first || packet.read.fragment == .later
        guard !isInTunnel, !isFragment, let proto = packet.read.proto else { return true }
        if FlowScope.carriers.contains(proto.rawValue) { return true }
        let ports = [packet.read.sourcePort, packet.read.destinationPort].compactMap { $0 }
        if proto == .udp, let port = packet.read.destinationPort, FlowScope.carrierPorts.contains(port) {
            return true
        }
        if proto == .udp, ports.contains(FlowScope.teredoPort) { return true }
        guard scope.protocols.contains(proto.rawValue) else { return false }
        let wanted = proto == .tcp ? scope.tcpPorts : proto == .udp ? scope.udpPorts : .all
        if !ports.isEmpty, !ports.contains(where: wanted.contains) { return false }
        return [packet.read.source, packet.read.destination].contains {
            $0.map(scope.addresses.contains) ?? true
        }
    }
}
