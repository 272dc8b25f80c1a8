// SPDX-License-Identifier: Apache-2.0
// `status`: what runs where.
import ArgumentParser
import Diagnostics
import JSONOutput
import Service

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is attached where, which policy, how full tables are, what a packet costs.")

    @Option(name: .long, help: "Milliseconds over which the run time per packet is measured; 0: not at all.")
    var measure: UInt32 = 200
    @OptionGroup var format: OutputOption

    func validate() throws {
        guard measure <= 60_000 else { throw ValidationError("--measure is at most 60000 milliseconds") }
    }

    func run() throws {
        try reporting { output in
            let report = try status(measureMilliseconds: measure)
            switch format.output {
            case .json: try output.json(report.json)
            case .text: for line in report.lines(now: wallClock()) { try output.line(printable(line)) }
            }
        }
    }
}

extension StatusReport {
    func lines(now: Int64) -> [String] {
        guard let policy, !interfaces.isEmpty else {
            return ["no policy runs here"] + (run?.lines(now: now) ?? [])
        }
        let header = policy.header
        var lines = [
            "policy '\(header.policy)' (\(header.mode), \(policy.rules.count) rules) of \(header.file)",
            "applied \(timestamp(nanoseconds: header.appliedNanoseconds)), "
                + "\(span(nanoseconds: now - header.appliedNanoseconds)) ago, by user \(header.user)",
        ]
        for interface in interfaces {
            let cost =
                interface.nanosecondsPerPacket.map { "\(Int($0.rounded())) ns a packet" }
                ?? "no packets measured"
            let egress = interface.egress.map { ", egress by \($0.rawValue)" } ?? ""
            lines.append(
                "\(interface.name): \(interface.mode.rawValue)\(egress), program \(interface.programID), "
                    + "\(cost)")
        }
        lines.append(
            "\(totals.total.packets) packets seen: \(totals.pass.packets) passed, "
                + "\(totals.drop.packets) dropped, \(totals.reject.packets) rejected")
        lines += header.classifiers.map(\.line)
        lines.append("tables: \(tableBytes) bytes")
        for fill in fills { lines.append("\(fill.name): \(fill.used) of \(fill.capacity)") }
        if lostBans > 0 { lines.append("bans: \(lostBans) found no room") }
        lines += answers.lines
        if let samples { lines += samples.lines + unneededLines }
        if let buckets { lines.append(buckets.line) }
        if let run { lines += run.lines(now: now) } else if policy.inspects { lines.append(missingRunLine) }
        if lostEvents > 0 { lines.append("log: \(lostEvents) packets were not logged, as nobody read") }
        return lines
    }

    var json: JSONValue {
        .object([
            (
                "policy",
                policy.map { policy -> JSONValue in
                    let header = policy.header
                    return .object([
                        ("name", .string(header.policy)), ("file", .string(header.file)),
                        ("mode", .string(header.mode)),
                        ("applied", .string(timestamp(nanoseconds: header.appliedNanoseconds))),
                        ("user", .integer(Int64(header.user))), ("version", .string(header.version)),
                        ("rules", .integer(Int64(policy.rules.count))),
                        ("classifiers", .array(header.classifiers.map(\.json))),
                    ])
                } ?? .null
            ),
            (
                "interfaces",
                .array(
                    interfaces.map { interface in
                        .object([
                            ("name", .string(interface.name)), ("index", .integer(Int64(interface.index))),
                            ("mode", .string(interface.mode.rawValue)),
                            ("egress", interface.egress.map { .string($0.rawValue) } ?? .null),
                            ("program_id", .integer(Int64(interface.programID))),
                            ("ns_per_packet", interface.nanosecondsPerPacket.map(JSONValue.number) ?? .null),
                        ])
                    })
            ),
            ("packets", .unsigned(totals.total.packets)), ("pass", .unsigned(totals.pass.packets)),
            ("drop", .unsigned(totals.drop.packets)), ("reject", .unsigned(totals.reject.packets)),
            ("table_bytes", .unsigned(tableBytes)),
            (
                "maps",
                .array(
                    fills.map { fill in
                        .object([
                            ("name", .string(fill.name)), ("used", .integer(Int64(fill.used))),
                            ("capacity", .integer(Int64(fill.capacity))),
                        ])
                    })
            ), ("buckets", buckets?.json ?? .null), ("events_lost", .unsigned(lostEvents)),
            ("bans_lost", .unsigned(lostBans)), ("answers", answers.json),
            ("samples", samples?.json ?? .null), ("not_needed", unneededJSON), ("run", run?.json ?? .null),
        ])
    }
}

extension GenerationInfo.Classifier {
    /// As in "ipv4 rules: tuple space of 9288 entries in 8 tuples, 104 rules as bits, 2077688 bytes".
    fileprivate var line: String {
        let how =
            engine == "tuple-space"
            ? "tuple space of \(entries) entries in \(tuples) tuples, \(bitRules) rules as bits"
            : "bit vectors of \(bitRules) rules"
        return "\(family) rules: \(how), \(bytes) bytes"
    }

    fileprivate var json: JSONValue {
        .object([
            ("family", .string(family)), ("engine", .string(engine)), ("rules", .integer(Int64(rules))),
            ("bit_rules", .integer(Int64(bitRules))), ("entries", .integer(Int64(entries))),
            ("tuples", .integer(Int64(tuples))), ("longest_list", .integer(Int64(longestList))),
            ("bytes", .integer(Int64(bytes))),
        ])
    }
}
