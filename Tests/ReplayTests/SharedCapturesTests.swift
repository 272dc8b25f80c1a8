// SPDX-License-Identifier: Apache-2.0
// Real captures under every shipped policy: the three engines agree on every packet, and the sums are whole.
import Capture
import Foundation
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

private let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
private let data = root.appending(path: "../shared/data").standardizedFileURL
private let areThere = FileManager.default.fileExists(atPath: data.path())
private let policies = ["bastion", "ddos-edge", "demo", "dns-server", "web-server"]

/// The captures below the two folders, by name.
private let captures: [String] = ["ddos", "http-api"].flatMap { folder in
    let all = FileManager.default.enumerator(atPath: data.appending(path: folder).path())
    let names = all?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".pcap") || $0.hasSuffix(".pcapng") }.sorted().map {
        "\(folder)/\($0)"
    }
}

/// Captures of link layers that are not read. Everything else must be read to its end.
private let unsupported = ["http-api/arkime/80211http.pcap": "IEEE802_11_RADIO"]

/// What `replay` may be told beside the policy.
struct Situation: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var bans: [String] = []
    var hosts: [String] = []
    var device: String?
}

/// Networks that many of the captures have: private ones, documentation, and all of IPv6's link-local.
private let situations = [
    Situation(testDescription: "as captured"),
    Situation(testDescription: "with bans", bans: ["172.16.0.0/12", "10.0.0.0/9", "fe80::/10"]),
    Situation(
        testDescription: "as a host on loopback", bans: ["172.16.0.0/12"],
        hosts: ["192.168.0.0/16", "10.0.0.0/8", "2001::/16"], device: "lo"),
]

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct SharedCapturesTests {
    @Test(.enabled(if: areThere, "no ../shared/data beside the checkout"), arguments: policies, situations)
    func `the three engines agree on every packet of real captures`(name: String, in situation: Situation)
        throws
    {
        let path = root.appending(path: "policies/\(name).conf").path()
        let policy = try #require(loadPolicy(path: path).policy)
        let bans = try situation.bans.map(prefix)
        let hosts = try situation.hosts.map(prefix)
        // One program for all captures: loading it costs more than most of them.
        var kernel = ReplayRun(
            engine: try KernelReplayEngine(policy: policy, bans: bans), hosts: hosts,
            device: situation.device)
        var native = ReplayRun(
            engine: try NativeReplayEngine(policy: policy, bans: bans), hosts: hosts,
            device: situation.device)
        var model = ReplayRun(
            engine: ModelReplayEngine(policy: policy, bans: bans), hosts: hosts, device: situation.device)
        for capture in captures { try compare(capture, &kernel, &native, &model) }
        let sums = kernel.summary
        #expect(sums == model.summary)
        #expect(sums == native.summary)
        #expect(sums.packets > 60_000)
        #expect(sums.verdicts.values.reduce(0, +) == sums.packets)
        #expect(sums.reasons.values.reduce(0, +) == sums.packets)
        let byRules = sums.reasons[.rule, default: 0] + sums.reasons[.limit, default: 0]
        let ruled = sums.rules.values.reduce(0, +) - byRules
        #expect((0...sums.reasons[.fragment, default: 0]).contains(ruled), "later fragments have a rule too")
        #expect((sums.reasons[.ban] ?? 0 > 0) == !bans.isEmpty, "bans hold, where there are any")
        #expect((sums.reasons[.outbound] ?? 0 > 0) == !hosts.isEmpty)
    }

    private func compare(
        _ capture: String, _ kernel: inout ReplayRun<KernelReplayEngine>,
        _ native: inout ReplayRun<NativeReplayEngine>, _ model: inout ReplayRun<ModelReplayEngine>
    ) throws {
        do {
            var reader = try CaptureReader(path: data.appending(path: capture).path())
            while let frame = try reader.next() {
                let expected = try model.judge(frame).judgement
                let byKernel = try kernel.judge(frame).judgement
                let byNative = try native.judge(frame).judgement
                try #require(byKernel == expected, "kernel, \(capture) packet \(frame.number)")
                try #require(byNative == expected, "native, \(capture) packet \(frame.number)")
            }
            #expect(unsupported[capture] == nil, "\(capture) is read now: take it off the list")
        } catch let error as CaptureError {
            guard case .unsupportedLinkType(_, _, let name) = error else { throw error }
            #expect(unsupported[capture] == name, "\(capture) is not read: link type '\(name)'")
        }
    }

    private func prefix(_ text: String) throws -> Prefix {
        let parts = text.split(separator: "/")
        let address = try #require(IPAddress(parts[0]))
        let length = try #require(parts.count > 1 ? Int(parts[1]) : address.family.bitWidth)
        return try #require(Prefix(masking: address, length: length))
    }
}
