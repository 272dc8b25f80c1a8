// SPDX-License-Identifier: Apache-2.0
// What `run` says of itself, as `status` prints it.
import Diagnostics
import JSONOutput
import Service

extension RunReport {
    /// The first line says whether packets are inspected.
    func lines(now: Int64) -> [String] {
        var lines = ["inspection: \(state)"]
        lines.append("run: process \(pid), for \(span(nanoseconds: now - startedNanoseconds))")
        if !uncheckedInterfaces.isEmpty {
            lines.append(
                "checksums: not verified, as \(uncheckedInterfaces.joined(separator: ", ")) hands packets "
                    + "over without; see docs/operations.md")
        }
        if starts > 1 {
            lines.append(
                "inspector: started \(starts) times; \(crashes) crashes, \(hangs) hangs, "
                    + "\(violations) for what it sent" + (lastFault.map { "; the last: \($0)" } ?? ""))
        }
        if reloads &+ reloadsFailed > 0 {
            let fault = lastReloadFault.map { "; they stay as they were: \($0)" } ?? ""
            lines.append("signatures: read again \(reloads) times, \(reloadsFailed) times in vain\(fault)")
        }
        if counters.samples > 0 {
            lines.append(
                "inspected: \(counters.samples) packets, \(counters.flows) flows, \(counters.alerts) alerts, "
                    + "\(counters.memoryBytes >> 20) MiB at most")
        }
        let refused = findings.refused.values.reduce(0, &+)
        if findings.bans + findings.droppedFlows + findings.failed + refused > 0 {
            lines.append(
                "findings: \(findings.bans) bans, \(findings.droppedFlows) dropped flows, "
                    + "\(findings.failed) failed, \(refused) refused")
        }
        if let events {
            let lost = eventsLost &+ counters.eventsLost
            lines.append("events: \(eventsWritten) to \(events)" + (lost > 0 ? ", \(lost) lost" : ""))
        }
        return lines
    }

    private var state: String {
        switch inspection {
        case .none: return "nothing to inspect: no rule of the running policy has 'inspect'"
        case .starting: return "not yet: the inspector loads policy and signatures"
        case .stopping: return "ending"
        case .waiting: return "not running: \(lastFault ?? "the inspector failed"); it starts again soon"
        case .running:
            let process = inspectorPID.map { "process \($0)" } ?? "no process"
            let left = signaturesLeftOut > 0 ? " (\(signaturesLeftOut) left out)" : ""
            let sandbox =
                switch landlockVersion {
                case let version? where version > 0: "Landlock \(version)"
                default: "no Landlock in this kernel"
                }
            return "running in \(process), \(signatures) signatures\(left), \(sandbox)"
        }
    }

    var json: JSONValue {
        .object([
            ("pid", .integer(Int64(pid))), ("started", .string(timestamp(nanoseconds: startedNanoseconds))),
            ("state", .string(inspection.rawValue)),
            ("inspector_pid", inspectorPID.map { .integer(Int64($0)) } ?? .null),
            ("landlock", landlockVersion.map { .integer(Int64($0)) } ?? .null),
            ("signatures", .integer(Int64(signatures))),
            ("signatures_left_out", .integer(Int64(signaturesLeftOut))),
            ("unchecked_interfaces", .array(uncheckedInterfaces.map(JSONValue.string))),
            ("starts", .unsigned(starts)),
            ("crashes", .unsigned(crashes)), ("hangs", .unsigned(hangs)),
            ("violations", .unsigned(violations)), ("last_fault", lastFault.map(JSONValue.string) ?? .null),
            ("reloads", .unsigned(reloads)), ("reloads_failed", .unsigned(reloadsFailed)),
            ("last_reload_fault", lastReloadFault.map(JSONValue.string) ?? .null),
            ("samples", .unsigned(counters.samples)), ("sampled_bytes", .unsigned(counters.sampledBytes)),
            ("stale_samples", .unsigned(counters.staleSamples)), ("flows", .unsigned(counters.flows)),
            ("alerts", .unsigned(counters.alerts)), ("memory_bytes", .unsigned(counters.memoryBytes)),
            ("bans", .unsigned(findings.bans)), ("dropped_flows", .unsigned(findings.droppedFlows)),
            ("findings_failed", .unsigned(findings.failed)),
            (
                "findings_refused",
                .object(findings.refused.sorted { $0.key < $1.key }.map { ($0.key, .unsigned($0.value)) })
            ), ("events", events.map(JSONValue.string) ?? .null),
            ("events_written", .unsigned(eventsWritten)),
            ("events_lost", .unsigned(eventsLost &+ counters.eventsLost)),
        ])
    }
}

/// Where a policy inspects and no `run` serves it.
let missingRunLine =
    "inspection: not running: no 'xdpguard run' serves this network namespace; "
    + "packets go on as 'on-overload' says"
