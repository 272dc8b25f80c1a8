// SPDX-License-Identifier: Apache-2.0
// Which flows each inspector needs. In: a plan with its signatures loaded, and the policy that it was made
// of. Out: scopes for the datapath, none where every flow is needed.
import NetworkTypes
import PolicyLanguage
import Signatures

extension InspectionPlan {
    /// Inspectors that the datapath has room for.
    private static let mostScopes = 64

    /// By the inspectors' positions; nil: all flows are needed, as by those beyond its end. An inspector that
    /// bounds protocols needs all, and one without signatures, which names the protocols of what it gets.
    ///
    /// Packets of one flow may be asked for by several rules, as rules look at packets: then each of their
    /// inspectors needs what any of them does, so that none of them sees a flow with gaps. Rules whose
    /// services have no protocol in common never meet in a flow.
    public func sampleScopes(of policy: CheckedPolicy) -> [FlowScope?] {
        let own = inspectors.map(\.scope)
        let asked = policy.askedProtocols
        let protocols = inspectors.map { asked[$0.name] ?? [] }
        return inspectors.indices.prefix(Self.mostScopes).map { position in
            let sharing = inspectors.indices.filter {
                $0 == position || !protocols[position].isDisjoint(with: protocols[$0])
            }
            let scopes = sharing.compactMap { own[$0] }
            guard scopes.count == sharing.count else { return nil }
            return scopes.reduce(FlowScope.none) { $0.union($1) }
        }
    }
}

extension PlannedInspector {
    fileprivate var scope: FlowScope? {
        guard protocols.isOpen, let signatures else { return nil }
        return FlowScope(of: signatures.engine.signatures)
    }
}

extension CheckedPolicy {
    /// By inspector: of packets that rules have inspected by it.
    fileprivate var askedProtocols: [String: Set<UInt8>] {
        var services: [String: Set<ServiceSet?>] = [:]
        for rule in rules {
            if let inspector = rule.inspect { services[inspector, default: []].insert(rule.match.service) }
        }
        return services.mapValues { services in
            if services.contains(nil) { return Set(UInt8.min...UInt8.max) }
            return Set(
                (UInt8.min...UInt8.max).filter { number in
                    services.contains { $0?.keys(of: IPProtocol(rawValue: number)) != ServiceSet.Keys.none }
                })
        }
    }
}
