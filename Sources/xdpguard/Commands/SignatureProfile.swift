// SPDX-License-Identifier: Apache-2.0
// `signatures profile`: captures through the inspector, and what each signature cost. No privileges, nothing
// is changed; every packet is inspected, whatever a policy would sample.
import ArgumentParser
import Capture
import Diagnostics
import Inspection
import JSONOutput
import Service
import SignatureMatching
import Signatures

struct SignaturesProfile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile", abstract: "Measure what each signature costs on captures, dearest first.")

    @Argument(help: "Captures: pcap or pcapng.") var captures: [String]
    @Option(name: .long, help: "A signature file (repeatable); none: those of the running policy.")
    var rules: [String] = []
    @Option(name: .long, help: "Signatures shown; 0 for all that were tried.") var limit = 20
    @OptionGroup var arguments: SignatureArguments

    func validate() throws {
        guard limit >= 0 else { throw ValidationError("--limit is 0 or more") }
    }

    func run() throws {
        try reporting { output in
            let set = try arguments.load(rules.isEmpty ? runningSignatureFiles() : rules)
            let inspector = try makeInspector(set)
            for path in captures { try inspect(path, inspector) }
            var outcome = InspectionOutcome()
            inspector.finish(into: &outcome)
            try report(inspector, &output)
        }
    }

    private func makeInspector(_ set: SignatureSet) throws -> PayloadInspector {
        var settings = SignatureEngine.Settings()
        settings.isProfiled = true
        do {
            let engine = try SignatureEngine(set, settings: settings)
            let planned = PlannedInspector(
                name: "profile", onMatch: .alert, signatures: PlannedSignatures(engine: engine))
            return try PayloadInspector(plan: InspectionPlan(rules: ["profile"], inspectors: [planned]))
        } catch {
            throw ServiceError(.unavailable, "the signatures cannot be compiled: \(error)")
        }
    }

    private func inspect(_ path: String, _ inspector: PayloadInspector) throws {
        var outcome = InspectionOutcome()
        do throws(CaptureError) {
            var reader = try CaptureReader(path: path)
            while let frame = try reader.next() {
                var sample = InspectionSample(
                    frame: frame.bytes, timeNanoseconds: max(0, frame.timeNanoseconds), rule: 0,
                    inspector: 0, packetNumber: UInt64(clamping: frame.number))
                sample.isCutShort = frame.capturedLength < frame.originalLength
                inspector.feed(sample, into: &outcome)
                outcome.removeAll()
            }
        } catch {
            throw ServiceError(error)
        }
    }

    private func report(_ inspector: PayloadInspector, _ output: inout StandardOutput) throws {
        let costs = inspector.signatureCosts
        let shown = limit > 0 ? Array(costs.prefix(limit)) : costs
        switch arguments.format.output {
        case .json: for cost in shown { try output.json(cost.json) }
        case .text:
            try output.line("     time us      tries    matches  signature")
            for cost in shown { try output.line(cost.text) }
            let rest = costs.dropFirst(shown.count).reduce(0) { $0 &+ $1.nanoseconds }
            if costs.count > shown.count {
                try output.line("\(costs.count - shown.count) more, \(rest / 1000) us")
            }
        }
    }
}

extension InspectedSignatureCost {
    fileprivate var json: JSONValue {
        .object([
            ("gid", .integer(Int64(id.generator))), ("sid", .integer(Int64(id.sid))),
            ("rev", .integer(Int64(id.revision))), ("msg", .string(message)),
            ("nanoseconds", .unsigned(nanoseconds)), ("tries", .unsigned(tries)),
            ("matches", .unsigned(matches)),
        ])
    }

    fileprivate var text: String {
        func column(_ number: UInt64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: " ", count: max(1, width - digits.count)) + digits
        }
        return column(nanoseconds / 1000, 12) + column(tries, 11) + column(matches, 11)
            + "  \(id.generator):\(id.sid) \(printable(message))"
    }
}
