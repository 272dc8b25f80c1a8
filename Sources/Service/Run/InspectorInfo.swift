// SPDX-License-Identifier: Apache-2.0
// An inspector of the running policy, as it is stored with the program: what the controller holds findings
// against, and what a worker compares the policy with that it reads.
import InspectorProcess
import PolicyLanguage

extension GenerationInfo {
    /// One of a policy's inspectors.
    public struct InspectorInfo: Codable, Sendable, Hashable {
        public var name: String
        /// "alert", "drop-flow" or "ban".
        public var onMatch: String
        /// Of bans, at most; 0 with any other response.
        public var banNanoseconds: UInt64
        /// Counter slots of the rules that name it, in the policy's order.
        public var ruleSlots: [UInt32]
        /// What a worker cannot change over to under running flows: flows with signatures remember what those
        /// found, and which flow a finding is about depends on the tunnels that rules look into.
        public var hasSignatures: Bool?
        public var decapsulate: [String]?
        /// Positions of other inspectors that may be asked for packets of the same flows; nil: all.
        public var meets: [Int]?

        /// Those of a policy, by their position in it.
        static func all(of policy: CheckedPolicy, slots: [String: UInt32]) -> [InspectorInfo] {
            var rules: [String: [UInt32]] = [:]
            for rule in policy.rules {
                if let name = rule.inspect, let slot = slots[rule.name] {
                    rules[name, default: []].append(slot)
                }
            }
            let tunnels = policy.decapsulate.map(\.rawValue).sorted()
            let meetings = policy.inspectorMeetings
            return policy.inspectors.enumerated().map { position, inspector in
                let (word, nanoseconds) = words(inspector.onMatch)
                return InspectorInfo(
                    name: inspector.name, onMatch: word, banNanoseconds: nanoseconds,
                    ruleSlots: rules[inspector.name] ?? [], hasSignatures: !inspector.signatures.isEmpty,
                    decapsulate: tunnels, meets: meetings?[position])
            }
        }

        private static func words(_ response: MatchResponse) -> (String, UInt64) {
            switch response {
            case .alert: ("alert", 0)
            case .dropFlow: ("drop-flow", 0)
            case .ban(let nanoseconds): ("ban", UInt64(max(0, nanoseconds)))
            }
        }

        /// What findings may ask for.
        var bounds: InspectorBounds {
            let strongest: InspectorBounds.Strongest =
                switch onMatch {
                case "ban": .ban(nanoseconds: banNanoseconds)
                case "drop-flow": .dropFlow
                default: .alert
                }
            return InspectorBounds(
                strongest: strongest, ruleSlots: Set(ruleSlots),
                meets: meets.map { Set($0.map { UInt16(clamping: $0) }) })
        }
    }

    /// A path or glob of signature files, and the file that names it: paths are relative to its folder.
    public struct SignaturePath: Codable, Sendable, Hashable {
        public var pattern: String
        public var namer: String

        static func all(of policy: CheckedPolicy) -> [SignaturePath] {
            policy.inspectors.flatMap { inspector in
                inspector.signatures.map { pattern in
                    let range = inspector.ranges[pattern] ?? inspector.range
                    return SignaturePath(pattern: pattern, namer: pathFromRoot(range.source.path))
                }
            }
        }
    }

    /// Whether some rule inspects.
    public var inspects: Bool { header.inspectorBounds?.contains { !$0.ruleSlots.isEmpty } ?? false }
}
