// SPDX-License-Identifier: Apache-2.0
// Our answers beside ndpiReader's. In: captures and their expected rows. Out: how many flows agree, and each
// class of difference with its number and an example.

import Capture
import ProtocolDetection
import TestSupport

/// Flows compared, field by field.
struct Agreement {
    /// Differences by class, as "protocol: DNS, not Unknown".
    private(set) var classes: [String: (count: Int, example: String)] = [:]
    private(set) var flows = 0
    private(set) var captures = 0
    /// Flows whose protocol equals the expected.
    private(set) var protocols = 0
    /// Of those, the flows whose other fields equal as well, by field.
    private(set) var fields: [String: Int] = [:]

    private static let others: [(String, KeyPath<FlowRow, String> & Sendable)] = [
        ("packets", \.packets), ("category", \.category), ("confidence", \.confidence),
        ("host name", \.hostName), ("JA3 client", \.ja3Client), ("JA3 server", \.ja3Server),
        ("risks", \.risks),
    ]

    /// The share of flows whose protocol is ndpiReader's, 0 to 1.
    var share: Double { flows == 0 ? 0 : Double(protocols) / Double(flows) }

    /// Compares one capture.
    mutating func compare(_ path: String, _ expected: [FlowRow], feeding: Feeding = .all) throws {
        flows += expected.count
        captures += 1
        var ours: [String: FlowRow] = [:]
        do {
            var reader = try ReaderFlows()
            try reader.read("\(SharedData.folder ?? "")/\(path)", feeding: feeding)
            for flow in reader.flows {
                let row = FlowRow(flow)
                ours[row.key] = row
            }
        } catch let error as CaptureError {
            for row in expected { note("capture not read: \(error.message)", path, row) }
            return
        }
        for row in expected { compare(row, ours.removeValue(forKey: row.key), path) }
        for row in ours.values { note("flow that ndpiReader does not have", path, row) }
    }

    private mutating func compare(_ expected: FlowRow, _ found: FlowRow?, _ path: String) {
        guard let found else { return note("flow missing", path, expected) }
        guard found.name == expected.name else {
            return note("protocol: \(found.name), not \(expected.name)", path, expected)
        }
        protocols += 1
        for (name, field) in Self.others {
            if found[keyPath: field] == expected[keyPath: field] {
                fields[name, default: 0] += 1
            } else {
                note("\(name) of \(found.name): '\(found[keyPath: field])'", path, expected)
            }
        }
    }

    private mutating func note(_ name: String, _ path: String, _ row: FlowRow) {
        let example = classes[name]?.example ?? "\(path): \(row.key)"
        classes[name] = ((classes[name]?.count ?? 0) + 1, example)
    }

    /// The result as lines: totals, then the classes, the largest first.
    func report(classes most: Int) -> [String] {
        let percent = (share * 100_000).rounded() / 1000
        var lines = [
            "\(flows) flows of \(captures) captures: protocol equal in \(protocols) (\(percent) %)"
        ]
        for (name, _) in Self.others {
            lines.append("  of those \(name) equal in \(fields[name, default: 0])")
        }
        let sorted = classes.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        for (name, value) in sorted.prefix(most) {
            lines.append("  \(value.count)  \(name)  (\(value.example))")
        }
        return lines
    }
}
