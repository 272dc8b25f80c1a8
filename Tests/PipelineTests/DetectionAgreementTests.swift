// SPDX-License-Identifier: Apache-2.0
// The flow events of real captures beside what Debian's ndpiReader 4.2 prints of the same flows: through the
// whole pipeline, where AgreementTests compares the detector alone.
import JSONOutput
import NetworkTypes
import TestSupport
import Testing

@testable import Inspection
@testable import detection

/// Why flows are missing or differ. A class that is not here, or has more flows than it says, fails the test.
private let knownClasses = [
    KnownDifference(
        name: "flow missing", most: 94,
        reason: """
            frames that are no IP to the XDP program, which ndpiReader looks into (PPPoE, MPLS, GTP, \
            other link layers); datagrams of which not all fragments are there, or whose fragments \
            overlap, which hosts discard; headers that cannot be read to their end, for which no flow is made
            """),
    KnownDifference(
        name: "Unknown, not ICMPV6", most: 1,
        reason: "hop-by-hop options with the order to discard, which hosts do: not looked into"),
    KnownDifference(
        name: "Unknown, not TargusDataspeed", most: 1,
        reason: "a routing header with segments left, which hosts discard: not looked into"),
    KnownDifference(
        name: "HTTP, not Unknown", most: 1,
        reason: "a request in fragments, which ndpiReader does not put together"),
]

/// Who speaks with whom, the same for both directions.
private func key(_ proto: String, _ ends: [String], _ vlan: String) -> String {
    ([proto] + ends.sorted() + [vlan]).joined(separator: " ")
}

/// The flows of a capture: the names that their events have, by the ends. ndpiReader has one flow where a
/// time-out or a new connection makes several here.
private func flowNames(_ path: String) throws -> [String: [String]] {
    var names: [String: [String]] = [:]
    for event in try Pipeline.events(of: path) where event.kind == .flow {
        guard let header = event.header, header.tunnel == nil else { continue }
        guard case .string(let name)? = event.members.first(where: { $0.0 == "app_proto" })?.1 else {
            continue
        }
        let hasPorts = header.proto == .tcp || header.proto == .udp
        func end(_ address: IPAddress, _ port: UInt16?) -> String {
            "\(FlowRow.text(of: address)) \(hasPorts ? port ?? 0 : 0)"
        }
        let ends = [end(header.source, header.sourcePort), end(header.destination, header.destinationPort)]
        let vlan = header.vlans.last.map { "\($0)" } ?? ""
        names[key(FlowRow.transport(header.proto.rawValue), ends, vlan), default: []].append(name)
    }
    return names
}

/// What became of the expected flows.
private struct PipelineAgreement {
    var flows = 0
    var agreeing = 0
    var classes: [String: (count: Int, example: String)] = [:]

    mutating func compare(_ path: String, _ rows: [FlowRow]) {
        flows += rows.count
        guard let found = try? flowNames("\(SharedData.folder ?? "")/\(path)") else {
            for row in rows { note("capture not read", path, row) }
            return
        }
        for row in rows {
            let parts = row.key.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 6 else { continue }
            let ends = ["\(parts[1]) \(parts[2])", "\(parts[3]) \(parts[4])"]
            let names = found[key(parts[0], ends, parts[5])] ?? []
            if names.contains(row.name) {
                agreeing += 1
            } else {
                note(names.first.map { "\($0), not \(row.name)" } ?? "flow missing", path, row)
            }
        }
    }

    private mutating func note(_ name: String, _ path: String, _ row: FlowRow) {
        classes[name] = ((classes[name]?.count ?? 0) + 1, classes[name]?.example ?? "\(path): \(row.key)")
    }

    var text: String {
        classes.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .map { "\($0.value.count)  \($0.key)  (\($0.value.example))" }.joined(separator: "\n")
    }
}

@Suite(.enabled(if: SharedData.folder != nil, "\(SharedData.absence)"))
struct DetectionAgreementTests {
    @Test func `flow events have the protocols that ndpiReader prints, but for what is explained`() throws {
        var agreement = PipelineAgreement()
        for (path, rows) in try ExpectedFlows.read() { agreement.compare(path, rows) }
        print("\(agreement.agreeing) of \(agreement.flows) flows agree\n\(agreement.text)")
        #expect(agreement.flows == 57_752)
        #expect(agreement.agreeing * 1000 >= agreement.flows * 997, "\(agreement.text)")
        for (name, found) in agreement.classes {
            let known = knownClasses.first { $0.name == name }
            #expect(found.count <= known?.most ?? 0, "\(name), as \(found.example)")
        }
    }
}
