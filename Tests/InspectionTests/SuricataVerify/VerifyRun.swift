// SPDX-License-Identifier: Apache-2.0
// A test of suricata-verify through the very pipeline. In: its capture and rules; everything is sampled.
// Out: whether what it expects came out, and if not, what kind of thing is missing.
import Capture
import Diagnostics
import Foundation
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures

@testable import Inspection

/// What became of a test.
struct VerifyOutcome: Sendable {
    enum Result: Sendable, Equatable {
        case passed
        /// The alerts are as expected, an event of another kind is not.
        case alertsPassed
        case failed
        /// It is not for us: another version, a script, a capture that cannot be read.
        case skipped
    }

    var name: String
    var level: String
    var result: Result
    /// One word or two, for the table: "unsupported keyword tag".
    var cause = ""
    /// Expectations that did not hold.
    var misses: [String] = []
}

struct VerifyRun {
    let test: VerifyCase
    /// The corpus.
    let folder: String

    func run() throws -> VerifyOutcome {
        let own = "\(folder)/\(test.folder)"
        let loading = try test.expectations.isEmpty ? LoadExpectation(folder: own) : nil
        if loading == nil, let reason = reasonToSkip { return outcome(.skipped, reason) }
        let set = loadSignatures(try sources, settings: settings.signatures)
        if let loading { return judge(set, loading) }
        if let cause = refusal(set) { return outcome(.failed, cause) }
        var engineSettings = SignatureEngine.Settings()
        if let order = settings.actionOrder { engineSettings.actionOrder = order }
        let planned = try PlannedSignatures(set, thresholds: thresholds, settings: engineSettings)
        if let refused = planned.engine.refused.first {
            return outcome(.failed, "refused: \(refused.reason)")
        }
        let events: [[String: Any]]
        do throws(CaptureError) {
            events = try replay(planned)
        } catch {
            return outcome(.skipped, "capture: \(error.message)")
        }
        return judge(events)
    }

    private var settings: VerifySettings { VerifySettings(test, folder: "\(folder)/\(test.folder)") }

    private func outcome(_ result: VerifyOutcome.Result, _ cause: String) -> VerifyOutcome {
        VerifyOutcome(name: test.name, level: test.level, result: result, cause: cause)
    }

    private var reasonToSkip: String? {
        if !test.requirements.include(test.version) { return "for another version" }
        if test.needsScript { return "needs a script, or faults in Suricata itself" }
        let judged = test.expectations.filter { $0.requirements.include(test.version) }
        if test.expectations.isEmpty { return "compares files that only Suricata writes" }
        if judged.isEmpty { return "for another version" }
        if judged.allSatisfy(\.isOfLog) { return "reads Suricata's own log" }
        return nil
    }

    private var sources: [SourceText] {
        get throws {
            try test.rules.map { name in
                let path = "\(folder)/\(test.folder)/\(name)"
                return SourceText(path: path, bytes: try DiskReader().read(path))
            }
        }
    }

    /// A signature that the test expects something of, and that is not loaded.
    private func refusal(_ set: SignatureSet) -> String? {
        guard set.counts.unsupported + set.counts.errors > 0 else { return nil }
        let loaded = Set(set.signatures.map { Int($0.sid) })
        let wanted = Set(test.expectations.filter { $0.count > 0 }.compactMap(\.sid))
        guard !wanted.isSubset(of: loaded) || loaded.isEmpty else { return nil }
        // That `requires` leaves rules out is what such a test is about.
        let names = set.counts.unsupportedKeywords.keys
        if wanted.isEmpty, names.elementsEqual(["requires"]), set.counts.errors == 0 { return nil }
        if let keyword = set.counts.unsupportedKeywords.keys.min() { return "unsupported keyword \(keyword)" }
        return "signature error: \(set.diagnostics.first { $0.severity == .error }?.message ?? "")"
    }

    private func replay(_ signatures: PlannedSignatures) throws(CaptureError) -> [[String: Any]] {
        let plan = InspectionPlan(
            rules: ["everything"],
            inspectors: [
                PlannedInspector(name: "verify", onMatch: .dropFlow, signatures: signatures)
            ])
        guard let inspector = try? PayloadInspector(plan: plan, options: settings.options) else { return [] }
        var outcome = InspectionOutcome()
        var lastTime: Int64 = 0
        var reader = try CaptureReader(path: "\(folder)/\(test.capture)")
        while let frame = try reader.next() {
            var sample = InspectionSample(
                frame: frame.bytes, timeNanoseconds: frame.timeNanoseconds, rule: 0, inspector: 0,
                packetNumber: UInt64(frame.number))
            sample.isCutShort = frame.capturedLength < frame.originalLength
            (sample.linkType, sample.linkHeader) = (frame.linkType, frame.linkHeader)
            lastTime = frame.timeNanoseconds
            inspector.feed(sample, into: &outcome)
        }
        inspector.finish(into: &outcome)
        outcome.events.append(inspector.stats(at: lastTime))
        if Self.showsEvents { for event in outcome.events { print(event.line) } }
        return outcome.events.compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.line.utf8)) as? [String: Any]
        }
    }

    private var thresholds: [ThresholdFile] {
        guard test.usesThresholdFile,
            let bytes = try? DiskReader().read("\(folder)/\(test.folder)/threshold.config")
        else { return [] }
        return [ThresholdFile(SourceText(path: "threshold.config", bytes: bytes), variables: variables)]
    }

    /// Lines of the events, for a look at them: SURICATA_VERIFY_EVENTS=1.
    private static let showsEvents = ProcessInfo.processInfo.environment["SURICATA_VERIFY_EVENTS"] != nil

    /// The one address group of the corpus that is not Suricata's own.
    private var variables: [String: AddressSet] {
        guard let yaml = try? DiskReader().read("\(folder)/\(test.folder)/suricata.yaml"),
            let line = String(decoding: yaml, as: UTF8.self).split(separator: "\n")
                .first(where: { $0.contains("SUPPRESS:") })
        else { return [:] }
        var set = AddressSet()
        for item in line.split(whereSeparator: { "[],\" ".contains($0) }) {
            let parts = item.split(separator: "/")
            guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]),
                let prefix = Prefix(masking: address, length: length)
            else { continue }
            let bounds = prefix.bounds
            let (low, high) = (UInt32(truncatingIfNeeded: bounds.lowerBound), bounds.upperBound)
            set.v4 = set.v4.union(IntervalSet(low...UInt32(truncatingIfNeeded: high)))
        }
        return ["SUPPRESS": set]
    }

    private func judge(_ events: [[String: Any]]) -> VerifyOutcome {
        var outcome = outcome(.passed, "")
        for expectation in test.expectations where expectation.requirements.include(test.version) {
            let found = expectation.found(in: events)
            guard found != expectation.count else { continue }
            outcome.misses.append("\(expectation.description), found \(found)")
            if expectation.isOfAlerts {
                outcome.result = .failed
                outcome.cause = cause(expectation, found, events)
            } else if outcome.result == .passed {
                outcome.result = .alertsPassed
                outcome.cause = "\(expectation.event ?? "any") event"
            }
        }
        return outcome
    }

    /// A test of the rules' text: how many are refused.
    private func judge(_ set: SignatureSet, _ loading: LoadExpectation) -> VerifyOutcome {
        guard let miss = loading.miss(set) else { return outcome(.passed, "") }
        var outcome = outcome(.failed, "loading of rules")
        outcome.misses = [miss]
        return outcome
    }

    private func cause(_ expectation: Expectation, _ found: Int, _ events: [[String: Any]]) -> String {
        if found > expectation.count { return "too many alerts" }
        let plain = expectation.onlyAlert.found(in: events)
        return plain >= expectation.count ? "alert field" : "missing alerts"
    }
}
