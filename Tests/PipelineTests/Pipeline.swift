// SPDX-License-Identifier: Apache-2.0
// A capture's whole way, as `replay --inspect` goes it: the XDP program's code, samples, inspector. In: a
// capture. Out: the inspector's events.
import Capture
import Diagnostics
import Inspection
import PolicyLanguage
import Replay
import Testing

/// Everything is inspected, whatever the program thinks of it.
private let policyPath = #filePath.replacing("Pipeline.swift", with: "everything.conf")

enum Pipeline {
    /// The events of a capture up to its end, or to where it is broken.
    /// - Throws: `CaptureError` where nothing of it can be read.
    static func events(of path: String) throws -> [InspectionEvent] {
        let report = loadPolicy(path: policyPath, now: 0)
        let policy = try #require(report.policy, "\(report.rendered())")
        let plan = try #require(PlanLoader(policy).load().plan)
        var options = InspectionOptions()
        // Many of the captures were made where the network card computes checksums.
        options.verifyChecksums = false
        options.flowCount = 1_000_000
        let inspector = try PayloadInspector(plan: plan, options: options)
        var run = ReplayRun(
            engine: try NativeReplayEngine(policy: policy, bans: []), inspection: ReplayInspection(inspector))
        run.describes = false
        var events: [InspectionEvent] = []
        var reader = try CaptureReader(path: path)
        do throws(CaptureError) {
            while let frame = try reader.next() {
                _ = try? run.judge(frame)
                events += run.takeEvents()
            }
        } catch {
            guard case .broken(_, let packet, _) = error, packet > 1 else { throw error }
        }
        run.finish { events += $0 }
        return events
    }
}
