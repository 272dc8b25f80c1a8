// SPDX-License-Identifier: Apache-2.0
// EVE's `stats` event: what was read, followed, searched and refused so far. In: the counters of every step.
// Out: one event; names are Suricata's where it has the counter.
import JSONOutput
import ProtocolDetection
import SignatureMatching
import Streams

/// The counters of all steps at one time.
struct InspectionStatistics {
    var inspection: InspectionCounters
    var streams: StreamCounters
    var detection: DetectionCounters
    var matching: [MatchCounters]
    /// Counts and bits of hosts that gave way to others.
    var ratesForgotten: UInt64
    /// Flows that are followed now.
    var openFlows: Int
    /// What HTTP messages cost in memory now, and transactions that were given up for it.
    var http: (held: UInt64, givenUp: UInt64)

    func event(at timeNanoseconds: Int64) -> InspectionEvent {
        let stats = JSONValue.object([
            ("decoder", decoder), ("flow", flow), ("defrag", defrag), ("tcp", tcp), ("ndpi", ndpi),
            ("http", .counters([("memuse", http.held), ("given_up", http.givenUp)])), ("detect", detect),
            ("events", events),
        ])
        let summary = "\(inspection.samples) packets, \(inspection.flows) flows, \(inspection.alerts) alerts"
        return InspectionEvent(
            .stats, at: timeNanoseconds, header: nil, members: [("stats", stats)], summary: summary)
    }

    private var decoder: JSONValue {
        .counters(
            inspection.tunnels.seen + [
                ("pkts", inspection.samples), ("bytes", inspection.sampledBytes),
                ("non_ip", inspection.notIP), ("invalid", streams.unreadable),
                ("invalid_checksum", streams.wrongChecksums),
                ("discarded_header", streams.discardedHeaders),
            ])
    }

    private var flow: JSONValue {
        .counters([
            ("total", streams.flows), ("active", UInt64(clamping: openFlows)),
            ("timed_out", streams.flowsTimedOut), ("evicted", streams.flowsEvicted),
            ("replaced", streams.flowsReplaced),
        ])
    }

    private var defrag: JSONValue {
        .counters([
            ("fragments", streams.fragments), ("reassembled", streams.datagrams),
            ("refused", streams.fragmentsRefused), ("timed_out", streams.datagramsTimedOut),
            ("evicted", streams.datagramsEvicted), ("discarded", streams.datagramsDiscarded),
        ])
    }

    private var tcp: JSONValue {
        .counters([
            ("sessions", streams.tcpSessions), ("midstream_pickups", streams.tcpMidstream),
            ("segments", streams.segments), ("repeated", streams.segmentsRepeated),
            ("overlap_diff_data", streams.segmentsDiffering), ("refused", streams.segmentsRefused),
            ("without_room", streams.segmentsWithoutRoom), ("reassembly_gap", streams.gaps),
            ("gap_bytes", streams.gapBytes), ("stream_bytes", streams.streamBytes),
        ])
    }

    private var ndpi: JSONValue {
        var members: [(String, UInt64)] = [
            ("pkts", detection.packets), ("flows", detection.flows),
            ("flows_refused", detection.flowsRefused), ("flows_too_large", detection.flowsTooLarge),
        ]
        for cause in PacketRefusal.allCases { members.append(("\(cause)", detection.refused(cause))) }
        return .counters(members)
    }

    private var detect: JSONValue {
        func sum(_ value: (MatchCounters) -> UInt64) -> UInt64 { matching.reduce(0) { $0 &+ value($1) } }
        return .counters([
            ("inspections", sum(\.inspections)), ("scanned_bytes", sum(\.scannedBytes)),
            ("candidates", sum(\.candidates)), ("candidates_refused", sum(\.candidatesRefused)),
            ("matches", sum(\.matches)), ("matches_refused", sum(\.matchesRefused)),
            ("flow_state_refused", sum(\.flowStateRefused)),
            ("pcre_limits", sum { $0.regexLimits.values.reduce(0, &+) }),
            ("step_limits", sum { $0.stepLimits.values.reduce(0, &+) }), ("alert", inspection.alerts),
            ("alert_queue_overflow", inspection.alertsRefused),
            ("alerts_suppressed", inspection.suppressed), ("rates_forgotten", ratesForgotten),
        ])
    }

    private var events: JSONValue { .counters([("refused", inspection.eventsRefused)]) }
}

extension JSONValue {
    fileprivate static func counters(_ counters: [(String, UInt64)]) -> JSONValue {
        .object(counters.map { ($0.0, .unsigned($0.1)) })
    }
}
