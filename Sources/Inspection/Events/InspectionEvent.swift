// SPDX-License-Identifier: Apache-2.0
// Step "event": one line of Suricata's EVE JSON. In: who spoke with whom, and what the event says. Out: the
// JSON object, its line, and a line for people.
import Diagnostics
import JSONOutput

/// An EVE event.
public struct InspectionEvent: Sendable {
    /// EVE's `event_type`.
    public enum Kind: String, Sendable, CaseIterable {
        case alert, anomaly, dns, drop, flow, http, quic, ssh, stats, tls
    }

    public let kind: Kind
    /// Nanoseconds since 1970-01-01T00:00Z.
    public let timeNanoseconds: Int64
    /// Nil for `stats`, which are of no flow.
    public let header: EventHeader?
    /// What stands behind the common fields.
    public let members: [(String, JSONValue)]
    /// What a person is told in one line, without time and flow.
    public let summary: String
    /// The file that its packet stands in, or its flow's latest, where several are read; nil else.
    public var capture: String?

    init(
        _ kind: Kind, at timeNanoseconds: Int64, header: EventHeader?, members: [(String, JSONValue)],
        summary: String
    ) {
        self.kind = kind
        self.timeNanoseconds = timeNanoseconds
        self.header = header
        self.members = members
        self.summary = summary
    }

    /// The EVE object, its fields in the order in which Suricata writes them, bounded.
    public var json: JSONValue {
        var all: [(String, JSONValue)] = [("timestamp", .string(eveTimestamp(timeNanoseconds)))]
        if let header { all.append(("flow_id", .unsigned(header.flowID))) }
        if let number = header?.packetNumber, number > 0 { all.append(("pcap_cnt", .unsigned(number))) }
        if let capture, header != nil { all.append(("pcap_filename", .string(capture))) }
        all.append(("event_type", .string(kind.rawValue)))
        header?.append(to: &all)
        all += members
        if let header, let rule = header.rule { all.append(("xdpguard", rule.json)) }
        return bounded(all)
    }

    /// The event as one line of NDJSON, without a line break: at most 60,000 bytes.
    public var line: String { json.text }

    /// One line for people: kind, what, and the flow.
    public var text: String {
        let flow = header.map { ": " + $0.flowText } ?? ""
        let rule = header?.rule.map { ", rule '\($0.rule)'" } ?? ""
        return printable("  \(kind.rawValue): \(summary)\(rule)\(flow)")
    }
}

/// EVE's time: "2026-01-02T03:04:05.678901+0000".
/// - Parameter nanoseconds: since 1970-01-01T00:00Z.
func eveTimestamp(_ nanoseconds: Int64) -> String {
    timestamp(nanoseconds: nanoseconds).dropLast() + "+0000"
}
