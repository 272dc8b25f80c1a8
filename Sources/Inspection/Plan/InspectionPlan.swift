// SPDX-License-Identifier: Apache-2.0
// Step "plan": what a policy's inspectors ask for, resolved: rules and inspectors by number, protocols
// checked, signatures loaded. In: a checked policy (PlanLoader). Out: a value that a worker needs nothing
// else with.
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures

/// Everything that inspection needs of a policy.
public struct InspectionPlan: Sendable {
    /// The names of all rules, by their position in the policy.
    public var rules: [String]
    /// By their position in the policy's inspectors.
    public var inspectors: [PlannedInspector]
    /// What signatures of all inspectors call flows' bits and counters.
    var names = StateNames()
    /// Tunnels that the policy's rules look into: what is found in others is its carrier's.
    public var decapsulate: Set<Encapsulation> = []
    /// The policy's mode is monitor: the firewall lets all pass, whatever is found.
    public var isMonitoring = false
    /// The policy's never-ban, with its sets as they were when this was loaded.
    public var neverBan = AddressSet()

    public init(rules: [String], inspectors: [PlannedInspector]) {
        self.rules = rules
        self.inspectors = inspectors
    }

    /// Whether rules judge what such a tunnel carries by its own headers.
    func opens(_ kind: TunnelKind) -> Bool { kind.encapsulation.map(decapsulate.contains) ?? false }

    /// The name of a rule in events; a number that no rule has is not to be believed.
    func ruleName(_ position: UInt32) -> String? {
        rules.indices.contains(Int(position)) ? rules[Int(position)] : nil
    }
}

/// One inspector with what it looks for.
public struct PlannedInspector: Sendable {
    public var name: String
    /// The strongest that a match may do.
    public var onMatch: MatchResponse
    public var protocols: ProtocolBounds
    /// Nil without signatures.
    public var signatures: PlannedSignatures?

    public init(
        name: String, onMatch: MatchResponse, protocols: ProtocolBounds = ProtocolBounds(),
        signatures: PlannedSignatures? = nil
    ) {
        self.name = name
        self.onMatch = onMatch
        self.protocols = protocols
        self.signatures = signatures
    }
}

/// The signatures of one inspector, compiled.
public struct PlannedSignatures: Sendable {
    public var engine: SignatureEngine
    /// Rates and exceptions beside the signatures' own.
    public var thresholds: [ThresholdFile]

    public init(engine: SignatureEngine, thresholds: [ThresholdFile] = []) {
        self.engine = engine
        self.thresholds = thresholds
    }

    /// Compiles a set. Signatures whose rate an entry of the files sets lose their own.
    init(
        _ set: SignatureSet, thresholds: [ThresholdFile], settings: SignatureEngine.Settings
    ) throws(SignatureEngineError) {
        var set = set
        set.removeRates { signature in thresholds.contains { $0.setsRate(of: SignatureID(signature)) } }
        self.init(engine: try SignatureEngine(set, settings: settings), thresholds: thresholds)
    }
}

/// Which protocols a flow may speak, by the detector's numbers.
public struct ProtocolBounds: Sendable, Hashable {
    public var forbidden: Set<UInt16> = []
    /// Nil: all that are not forbidden.
    public var allowedOnly: Set<UInt16>?

    public init() {}

    /// Nothing is forbidden.
    public var isOpen: Bool { forbidden.isEmpty && allowedOnly == nil }
}
