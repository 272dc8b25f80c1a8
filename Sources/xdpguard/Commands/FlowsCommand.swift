// SPDX-License-Identifier: Apache-2.0
// `flows`: the connections that the running policy follows.
import ArgumentParser
import Dataplane
import JSONOutput
import NetworkTypes
import Service

struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows", abstract: "List the connections that the running policy follows.")

    @Flag(name: .long, help: "Only the 20 with the most bytes, the busiest first.") var top = false
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let report = try flows(top: top ? 20 : nil)
            switch format.output {
            case .json: try output.json(report.json)
            case .text:
                for flow in report.flows { try output.line(flow.line) }
                for line in report.tables.lines { try output.line(line) }
            }
        }
    }
}

extension Flow {
    var line: String {
        "\(name) \(end(local, localPort)) \(isOpenedHere ? ">" : "<") \(end(remote, remotePort)) "
            + "\(state.rawValue), \(seconds(age)) s old, ends in \(seconds(expiresIn)) s, "
            + "\(packets) packets, \(bytes) bytes"
    }

    var json: JSONValue {
        .object([
            ("protocol", .string(name)), ("local", .string(local.description)),
            ("local_port", .integer(Int64(localPort))), ("remote", .string(remote.description)),
            ("remote_port", .integer(Int64(remotePort))),
            ("opener", .string(isOpenedHere ? "local" : "remote")), ("state", .string(state.rawValue)),
            ("age", .unsigned(seconds(age))), ("expires_in", .unsigned(seconds(expiresIn))),
            ("packets", .unsigned(packets)), ("bytes", .unsigned(bytes)),
        ])
    }

    private var name: String {
        switch proto {
        case .tcp: "tcp"
        case .udp: "udp"
        case .icmp: "icmp"
        default: "icmpv6"
        }
    }

    private func end(_ address: IPAddress, _ port: UInt16) -> String {
        address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    private func seconds(_ nanoseconds: UInt64) -> UInt64 { nanoseconds / 1_000_000_000 }
}

extension FlowTables {
    var lines: [String] {
        [
            "\(flows.count) connections; answered: \(answered.used) of \(answered.places) places, opened "
                + "here and not answered: \(unanswered.used) of \(unanswered.places), half open: "
                + "\(halfOpen.used) of \(halfOpen.places), begun by others without a handshake: "
                + "\(marks.used) of \(marks.places)",
            "ever opened here: \(opened), accepted: \(accepted), without a place: \(failed), "
                + "pushed out by newer ones: \(displaced)",
        ]
    }

    fileprivate var json: JSONValue {
        func table(_ fill: (used: Int, places: Int)) -> JSONValue {
            .object([("used", .integer(Int64(fill.used))), ("places", .integer(Int64(fill.places)))])
        }
        return .object([
            ("connections", .integer(Int64(flows.count))), ("answered", table(answered)),
            ("unanswered", table(unanswered)), ("half_open", table(halfOpen)), ("marks", table(marks)),
            ("opened", .unsigned(opened)),
            ("accepted", .unsigned(accepted)), ("failed", .unsigned(failed)),
            ("displaced", .unsigned(displaced)),
        ])
    }
}

extension FlowReport {
    var json: JSONValue {
        .object([("flows", .array(flows.map(\.json))), ("summary", tables.json)])
    }
}
