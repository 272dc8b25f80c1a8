// SPDX-License-Identifier: Apache-2.0
// A server whose udp/9000 is inspected, and `run` beside it.
import Foundation
import Glibc
import Testing

/// One network, one policy, one file of signatures, one file of events.
final class Running {
    let net: TwoHosts
    let port: Socket
    var onMatch = "ban 10m"
    var onOverload = "pass"
    var eventPath: String
    /// Where bans are kept.
    var stateFolder: String
    /// Of `run`, beside that folder.
    var environment: [String: String] = [:]
    /// More of the policy, before its inspectors and among its rules; each line with its end.
    var sets = ""
    var rules = ""

    init() throws {
        net = try TwoHosts()
        port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
        eventPath = net.folder.path + "/eve.json"
        stateFolder = net.folder.path
    }

    func signatures(_ text: String) throws { _ = try net.folder.file("local.rules", text) }

    func apply(ring: String? = nil) throws {
        let policy = try net.policy(
            """
            policy: inspected
            default: drop
            \(sets)inspectors:
              payload:
                signatures: [local.rules]
                on-match: \(onMatch)
                on-overload: \(onOverload)
            rules:
              \(rules)- { name: telemetry, service: udp/9000, inspect: payload, action: pass }

            """)
        try net.server.mustRun("apply", policy, "--dev", "guard0", "--sample-ring", ring ?? "64")
    }

    /// Applies the policy and starts `run`; back when packets are inspected.
    func begin(ring: String? = nil) throws -> Child {
        try apply(ring: ring)
        let child = try start()
        #expect(try eventually(within: 30) { try report()["state"].string == "running" })
        return child
    }

    func start() throws -> Child {
        var command = Command(net.server.entering([Product.path, "run", "--events", eventPath]))
        command.environment = environment.merging(["XDPGUARD_STATE_DIR": stateFolder]) { $1 }
        return try Child(command)
    }

    /// What `status` says of `run`.
    func report() throws -> JSON { try net.server.report("status", "--measure", "0")["run"] }

    /// Packets of flows that no signature could match.
    func notNeeded() throws -> Int {
        let inspectors = try net.server.report("status", "--measure", "0")["not_needed"].elements
        return inspectors.compactMap { $0["packets"].int }.reduce(0, +)
    }

    func bans() throws -> [JSON] { try net.server.report("bans")["bans"].elements }

    /// The events of one type so far.
    func events(_ type: String) throws -> [JSON] {
        let text = (try? String(contentsOfFile: eventPath, encoding: .utf8)) ?? ""
        // The last one may be half written.
        let whole = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        return try whole.map { try JSON(String($0)) }.filter { $0["event_type"].string == type }
    }

    /// One datagram; whether it arrives.
    func sends(_ text: String, from source: String, port sourcePort: UInt16 = 0) throws -> Bool {
        let end = try net.client.datagrams(at: source, sourcePort)
        try end.send(Array(text.utf8), to: Endpoint(TwoHosts.serverV4, 9000))
        return port.receive(milliseconds: 300) == Array(text.utf8)
    }
}
