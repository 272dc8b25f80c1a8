// SPDX-License-Identifier: Apache-2.0
// A top report as lines and as JSON.
import Dataplane
import Diagnostics
import JSONOutput
import Service

/// What rows are sorted by, greatest first.
enum TopOrder: String, CaseIterable { case packets, bits, drops }

extension TopReport {
    /// - Parameter limit: most rows of rules and sources that fit.
    func lines(order: TopOrder, limit: Int) -> [String] {
        var lines = [
            printable(
                "policy '\(policy)': \(short(all.perSecond.packets)) packets/s, "
                    + "\(short(all.perSecond.bits)) bit/s, "
            )
                + "\(short(all.perSecond.drops)) drops/s, over \(oneDigit(interval)) s"
        ]
        lines +=
            [""]
            + table([Self.header("REASON")] + sorted(reasons, order).map(Self.columns) + [Self.columns(all)])
        let head = ["RULE", "packets", "bytes", "would drop", "packets/s", "bit/s", "drops/s"]
        lines += [""] + table([head] + sortedRules(order).prefix(limit).map(Self.columns))
        if !limits.isEmpty {
            let head = ["LIMIT", "passed", "dropped", "would drop", "packets/s", "drops/s"]
            lines += [""] + table([head] + limits.prefix(limit).map(Self.columns))
        }
        if !sources.isEmpty {
            let head = ["SOURCE (estimated)", "packets/s", "bit/s", "drops/s"]
            lines += [""] + table([head] + sortedSources(order).prefix(limit).map(Self.columns))
        }
        let busy = cpus.filter { $0.total.total.packets > 0 }
        lines += [""] + table([Self.header("CPU")] + busy.map(Self.columns))
        return lines
    }

    private func sorted(_ rows: [Row], _ order: TopOrder) -> [Row] {
        rows.sorted { a, b in
            switch order {
            case .packets:
                (a.perSecond.packets, a.total.total.packets) > (b.perSecond.packets, b.total.total.packets)
            case .bits: (a.perSecond.bits, a.total.total.bytes) > (b.perSecond.bits, b.total.total.bytes)
            case .drops: (a.perSecond.drops, a.total.drop.packets) > (b.perSecond.drops, b.total.drop.packets)
            }
        }
    }

    private func sortedRules(_ order: TopOrder) -> [RuleRow] {
        rules.sorted { a, b in
            switch order {
            case .packets: (a.packetsPerSecond, a.total.packets) > (b.packetsPerSecond, b.total.packets)
            case .bits: (a.bitsPerSecond, a.total.bytes) > (b.bitsPerSecond, b.total.bytes)
            case .drops: (a.dropsPerSecond, a.total.packets) > (b.dropsPerSecond, b.total.packets)
            }
        }
    }

    private func sortedSources(_ order: TopOrder) -> [SourceRow] {
        sources.sorted { a, b in
            switch order {
            case .packets: a.packetsPerSecond > b.packetsPerSecond
            case .bits: a.bitsPerSecond > b.bitsPerSecond
            case .drops: a.dropsPerSecond > b.dropsPerSecond
            }
        }
    }

    private static func header(_ name: String) -> [String] {
        [name, "passed", "dropped", "would drop", "packets/s", "bit/s", "drops/s"]
    }

    private static func columns(_ row: Row) -> [String] {
        [
            row.name, String(row.total.pass.packets),
            String(row.total.drop.packets + row.total.reject.packets),
            String(row.total.wouldDrop.packets), short(row.perSecond.packets), short(row.perSecond.bits),
            short(row.perSecond.drops),
        ]
    }

    private static func columns(_ row: RuleRow) -> [String] {
        [
            printable(row.name), String(row.total.packets), String(row.total.bytes),
            String(row.wouldDrop.packets),
            short(row.packetsPerSecond), short(row.bitsPerSecond), short(row.dropsPerSecond),
        ]
    }

    private static func columns(_ row: LimitRow) -> [String] {
        [
            printable(row.name), String(row.total.passed.packets), String(row.total.dropped.packets),
            String(row.total.wouldDrop.packets), short(row.packetsPerSecond), short(row.dropsPerSecond),
        ]
    }

    private static func columns(_ row: SourceRow) -> [String] {
        [
            row.source.description, short(row.packetsPerSecond), short(row.bitsPerSecond),
            short(row.dropsPerSecond),
        ]
    }
}

/// As in "12.3".
func oneDigit(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

extension TopReport {
    var json: JSONValue {
        .object([
            ("policy", .string(policy)), ("interval", .number(interval)), ("total", Self.json(all)),
            ("reasons", .object(reasons.map { ($0.name, Self.json($0)) })),
            (
                "rules",
                .object(
                    rules.map { rule in
                        (
                            rule.name,
                            .object([
                                ("packets", .unsigned(rule.total.packets)),
                                ("bytes", .unsigned(rule.total.bytes)),
                                ("would_drop", .unsigned(rule.wouldDrop.packets)),
                                ("packets_per_second", .number(rule.packetsPerSecond)),
                                ("bits_per_second", .number(rule.bitsPerSecond)),
                                ("drops_per_second", .number(rule.dropsPerSecond)),
                            ])
                        )
                    })
            ),
            (
                "limits",
                .object(
                    limits.map { limit in
                        (
                            limit.name,
                            .object([
                                ("passed", limit.total.passed.json), ("dropped", limit.total.dropped.json),
                                ("would_drop", limit.total.wouldDrop.json),
                                ("packets_per_second", .number(limit.packetsPerSecond)),
                                ("drops_per_second", .number(limit.dropsPerSecond)),
                            ])
                        )
                    })
            ),
            (
                "sources",
                .array(
                    sources.map { source in
                        .object([
                            ("source", .string(source.source.description)),
                            ("packets_per_second", .number(source.packetsPerSecond)),
                            ("bits_per_second", .number(source.bitsPerSecond)),
                            ("drops_per_second", .number(source.dropsPerSecond)),
                        ])
                    })
            ), ("cpus", .object(cpus.map { ($0.name, Self.json($0)) })), ("answers", answers.json),
        ])
    }

    private static func json(_ row: Row) -> JSONValue {
        .object([
            ("packets", .unsigned(row.total.total.packets)), ("bytes", .unsigned(row.total.total.bytes)),
            ("pass", .unsigned(row.total.pass.packets)), ("drop", .unsigned(row.total.drop.packets)),
            ("reject", .unsigned(row.total.reject.packets)),
            ("would_drop", .unsigned(row.total.wouldDrop.packets)),
            ("packets_per_second", .number(row.perSecond.packets)),
            ("bits_per_second", .number(row.perSecond.bits)),
            ("drops_per_second", .number(row.perSecond.drops)),
        ])
    }
}
