// SPDX-License-Identifier: Apache-2.0
// Step "plan", the loading: protocol names to the detector's numbers, signature files to engines. In: a
// checked policy. Out: the plan, and every diagnostic; with an error there is no plan.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import ProtocolDetection
import SignatureMatching
import Signatures

/// What came of a policy's inspectors.
public struct PlanReport: Sendable {
    /// Nil with any error: a policy is never half inspected.
    public let plan: InspectionPlan?
    /// Those of the policy's lines first, then those of signature files.
    public let diagnostics: [Diagnostic]
    /// What became of the signatures of all inspectors.
    public let counts: [SignatureCounts]
}

/// Loads what a policy's inspectors name.
public struct PlanLoader {
    /// How signatures are compiled.
    public var engineSettings = SignatureEngine.Settings()
    public var files: any PlanFiles = DiskFiles()
    /// What flows' bits and counters are called: numbers that the plan before has given stay theirs.
    var stateNames: StateNames
    var diagnostics: [Diagnostic] = []
    var counts: [SignatureCounts] = []
    var loaded: [String: PlannedSignatures] = [:]
    let policy: CheckedPolicy

    /// Warnings of one file that are told one by one.
    static let mostWarnings = 5
    /// A set with more rules than so many for each wrong one is used without those.
    static let rulesOfAnError = 100

    /// The id of the warning that an inspector looks for nothing.
    static let noSignatures = "no-signatures"

    /// False: signatures are read and checked, not compiled.
    var compiles = true

    /// - Parameter former: for a reload, the plan that this one is to take the place of.
    public init(_ policy: CheckedPolicy, after former: InspectionPlan? = nil) {
        self.policy = policy
        stateNames = former?.names ?? StateNames()
    }

    /// Reads and checks everything that the policy's inspectors name, and compiles it.
    public consuming func load() -> PlanReport {
        var names: ProtocolNames?
        if policy.inspectors.contains(where: { !$0.forbidden.isEmpty || $0.allowedOnly != nil }) {
            do throws(DetectionError) {
                names = try ProtocolDetector().names
            } catch {
                return failure(error)
            }
        }
        var plan = InspectionPlan(rules: policy.rules.map(\.name), inspectors: [])
        plan.decapsulate = policy.decapsulate
        plan.isMonitoring = policy.mode == .monitor
        plan.neverBan = policy.neverBan
        for inspector in policy.inspectors {
            var planned = PlannedInspector(name: inspector.name, onMatch: inspector.onMatch)
            if let names { planned.protocols = bounds(of: inspector, names) }
            if !inspector.signatures.isEmpty { planned.signatures = signatures(of: inspector) }
            plan.inspectors.append(planned)
        }
        plan.names = stateNames
        let failed = diagnostics.contains { $0.severity == .error }
        // There would be some without the error.
        if failed { diagnostics.removeAll { $0.id == Self.noSignatures } }
        return PlanReport(plan: failed ? nil : plan, diagnostics: diagnostics, counts: counts)
    }

    private func failure(_ error: DetectionError) -> PlanReport {
        guard let range = policy.inspectors.first?.range else {
            return PlanReport(
                plan: InspectionPlan(rules: policy.rules.map(\.name), inspectors: []), diagnostics: [],
                counts: [])
        }
        let diagnostic = Diagnostic(id: "no-detector", error.message, at: range, help: error.help)
        return PlanReport(plan: nil, diagnostics: [diagnostic], counts: [])
    }

    private mutating func bounds(
        of inspector: PolicyLanguage.Inspector, _ names: ProtocolNames
    ) -> ProtocolBounds {
        var bounds = ProtocolBounds()
        bounds.forbidden = numbers(inspector.forbidden, inspector, names)
        bounds.allowedOnly = inspector.allowedOnly.map { numbers($0, inspector, names) }
        return bounds
    }

    private mutating func numbers(
        _ words: [String], _ inspector: PolicyLanguage.Inspector, _ names: ProtocolNames
    ) -> Set<UInt16> {
        var numbers: Set<UInt16> = []
        for word in words {
            do throws(UnknownProtocolName) {
                numbers.insert(try names.id(named: word).rawValue)
            } catch {
                let range = inspector.ranges[word] ?? inspector.range
                diagnostics.append(
                    Diagnostic(id: "unknown-protocol", error.message, at: range, help: error.help))
            }
        }
        return numbers
    }
}

extension PolicyReport {
    /// With what is wrong with protocol names and signature files of the policy's inspectors. Signatures are
    /// not compiled.
    public func checkingInspectors() -> PolicyReport {
        guard let policy, !policy.inspectors.isEmpty else { return self }
        var loader = PlanLoader(policy)
        loader.compiles = false
        return adding(loader.load().diagnostics)
    }

    /// The same, and what they look for, compiled; nil with any error.
    public func loadingInspectors(
        _ settings: SignatureEngine.Settings
    ) -> (report: PolicyReport, plan: InspectionPlan?) {
        guard let policy else { return (self, nil) }
        var loader = PlanLoader(policy)
        loader.engineSettings = settings
        let loaded = loader.load()
        return (adding(loaded.diagnostics), loaded.plan)
    }
}
