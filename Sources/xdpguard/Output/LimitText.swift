// SPDX-License-Identifier: Apache-2.0
// Reports of `limits` as lines and as JSON.
import Dataplane
import Diagnostics
import JSONOutput
import Service

extension LimitReport {
    var lines: [String] {
        guard !rows.isEmpty else { return [printable("policy '\(policy)' has no limits")] }
        let head = [
            "LIMIT", "rate", "burst", "per", "over", "passed", "dropped", "would drop", "limited now",
        ]
        return table([head] + rows.map(\.columns)) + (buckets.map { [$0.line] } ?? [])
    }

    var json: JSONValue {
        .object([
            ("policy", .string(policy)), ("mode", .string(mode)), ("limits", .array(rows.map(\.json))),
            ("buckets", buckets?.json ?? .null),
        ])
    }
}

extension LimitReport.Row {
    fileprivate var columns: [String] {
        [
            printable(limit.name), limit.rate, limit.burst, limit.per,
            limit.monitor ? "\(limit.over) (monitor)" : limit.over, String(count.passed.packets),
            String(count.dropped.packets), String(count.wouldDrop.packets), String(clients),
        ]
    }

    fileprivate var json: JSONValue {
        .object([
            ("name", .string(limit.name)), ("rate", .string(limit.rate)), ("burst", .string(limit.burst)),
            ("per", .string(limit.per)), ("over", .string(limit.over)),
            ("mode", .string(limit.monitor ? "monitor" : "enforce")), ("passed", count.passed.json),
            ("dropped", count.dropped.json), ("would_drop", count.wouldDrop.json),
            ("limited", .integer(Int64(clients))),
        ])
    }
}

extension Count {
    var json: JSONValue { .object([("packets", .unsigned(packets)), ("bytes", .unsigned(bytes))]) }
}

extension BucketFill {
    /// As in "buckets: 16.0 MiB for 1048576 clients; 12.0 % used, 3.0 % not full (4096 of 262144 …".
    var line: String {
        "buckets: \(mebibytes(bytes)) for \(places) clients; \(percent(usedShare)) used, "
            + "\(percent(fillingShare)) not full (\(sampledLines) of \(lines) lines looked at)"
    }

    var json: JSONValue {
        .object([
            ("bytes", .integer(Int64(bytes))), ("places", .integer(Int64(places))),
            ("used", .number(usedShare)), ("not_full", .number(fillingShare)),
            ("lines", .integer(Int64(lines))), ("lines_sampled", .integer(Int64(sampledLines))),
        ])
    }
}

private func mebibytes(_ bytes: Int) -> String { "\(oneDigit(Double(bytes) / 1_048_576)) MiB" }
private func percent(_ share: Double) -> String { "\(oneDigit(share * 100)) %" }

func limitedLines(_ rows: [LimitedRow]) -> [String] {
    guard !rows.isEmpty else { return ["nobody is limited"] }
    let head = ["LIMIT", "client", "since", "for", "dropped", "bytes", "drops/s", "tokens left"]
    return table([head] + rows.map(\.columns))
}

extension LimitedRow {
    fileprivate var columns: [String] {
        [
            printable(limit.name) + (client.isWatched ? " (monitor)" : ""), text,
            timestamp(nanoseconds: sinceNanoseconds),
            span(nanoseconds: Int64(clamping: spanNanoseconds)), String(client.dropped.packets),
            String(client.dropped.bytes), short(dropsPerSecond), tokens.text(limit),
        ]
    }

    var json: JSONValue {
        .object(
            [
                ("limit", .string(limit.name)), ("client", .string(text)),
                ("source", source.map { .string($0.description) } ?? .null),
                ("destination", client.destination.map { .string($0.description) } ?? .null),
                ("service", service.map(JSONValue.string) ?? .null),
                ("source_port", client.sourcePort.map { .integer(Int64($0)) } ?? .null),
                ("since", .string(timestamp(nanoseconds: sinceNanoseconds))),
                ("last", .string(timestamp(nanoseconds: lastNanoseconds))),
                ("seconds", .number(Double(spanNanoseconds) / 1e9)),
                ("packets", .unsigned(client.dropped.packets)), ("bytes", .unsigned(client.dropped.bytes)),
                ("drops_per_second", .number(dropsPerSecond)), ("would_drop", .bool(client.isWatched)),
            ] + tokens.json(limit))
    }
}

extension BucketTokens {
    fileprivate func text(_ limit: GenerationInfo.LimitInfo) -> String {
        "\(left) of \(burst) \(limit.countsBytes ? "B" : "packets")"
    }

    fileprivate func json(_ limit: GenerationInfo.LimitInfo) -> [(String, JSONValue)] {
        [
            ("tokens_left", .unsigned(left)), ("tokens_burst", .unsigned(burst)),
            ("unit", .string(limit.unit)),
            ("seconds_to_full", .number(Double(nanosecondsToFull) / 1e9)),
        ]
    }
}

extension AddressReport {
    var lines: [String] {
        var lines = rows.map(\.line)
        if lines.isEmpty { lines = ["no limit of the policy counts by \(address) alone"] }
        if !clients.isEmpty { lines += [""] + limitedLines(clients) }
        if !bans.isEmpty { lines += [""] + bans.map { "banned: \($0.line)" } }
        return lines
    }

    var json: JSONValue {
        .object([
            ("address", .string(address.description)), ("limits", .array(rows.map(\.json))),
            ("clients", .array(clients.map(\.json))), ("bans", .array(bans.map(\.json))),
        ])
    }
}

extension AddressRow {
    /// As in "per-client: source 203.0.113.0/24 has 12 of 2000 packets left, full in 1 s; limited since …".
    fileprivate var line: String {
        var text = "\(limit.name): \(isSource ? "source" : "destination") \(key) has "
        text += "\(tokens.text(limit)) left"
        if tokens.nanosecondsToFull > 0 {
            // Up to whole seconds: what is not full is not "full in 0 s".
            let seconds = (Int64(clamping: tokens.nanosecondsToFull) + 999_999_999) / 1_000_000_000
            text += ", full in \(span(nanoseconds: seconds * 1_000_000_000))"
        }
        guard let limited else { return printable(text + "; not limited") }
        text += limited.client.isWatched ? "; would be limited" : "; limited"
        text += " since \(timestamp(nanoseconds: limited.sinceNanoseconds))"
        return printable(text + ", \(limited.client.dropped.packets) packets dropped")
    }

    fileprivate var json: JSONValue {
        let counts = limited.map(\.client.dropped)
        return .object(
            [
                ("limit", .string(limit.name)), ("side", .string(isSource ? "source" : "destination")),
                ("key", .string(key.description)), ("limited", .bool(limited != nil)),
                ("would_drop", .bool(limited?.client.isWatched ?? false)),
                ("since", limited.map { .string(timestamp(nanoseconds: $0.sinceNanoseconds)) } ?? .null),
                ("packets", .unsigned(counts?.packets ?? 0)), ("bytes", .unsigned(counts?.bytes ?? 0)),
            ] + tokens.json(limit))
    }
}
