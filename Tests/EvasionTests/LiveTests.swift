// SPDX-License-Identifier: Apache-2.0
// The suite live: every frame over a veth pair into an interface with the policy applied; what `top` counts
// and what arrives must be the table's sums.
import Foundation
import PolicyLanguage
import TestSupport
import Testing

/// What the wire can carry: a packet socket sends whole Ethernet headers, the interface up to its MTU.
private let sendable = 14...9214

@Suite(.serialized, .enabled(if: KernelTests.areWanted))
struct LiveTests {
    @Test(arguments: Scenario.all)
    func `over veth the counters and what arrives are the sums of the table`(scenario: Scenario) throws {
        // The wire's clock is the kernel's: trains that wait are for the engines.
        let steps = try evasionCases().filter { $0.scenario == scenario && !$0.takesTime }.flatMap(\.steps)
            .filter { sendable.contains($0.frame.count) }
        let found = try live(scenario, steps)
        let right = LiveSums(of: steps).flat
        for name in Set(found.flat.keys).union(right.keys).sorted() {
            #expect(found.flat[name] == right[name], "\(scenario.id): \(name)")
        }
    }
}

/// What a live run shows.
private struct LiveSums: Decodable {
    struct Verdicts: Decodable {
        var pass = 0
        var drop = 0
    }
    /// By reason's name, only those that are not zero; likewise the rules' packets.
    var reasons: [String: Verdicts] = [:]
    var rules: [String: Int] = [:]
    /// Frames that a packet socket behind XDP saw.
    var arrived = 0

    init(of steps: [Step]) {
        for one in steps {
            let isPass = one.expected.verdict == .pass
            let reason = one.expected.reason.rawValue
            reasons[reason, default: Verdicts()].pass += isPass ? 1 : 0
            reasons[reason, default: Verdicts()].drop += isPass ? 0 : 1
            arrived += isPass && reachesSockets(one.frame) ? 1 : 0
            if let rule = one.expected.rule { rules[rule, default: 0] += 1 }
        }
    }

    /// By what is counted.
    var flat: [String: Int] {
        var all = ["frames that arrive": arrived]
        for (name, count) in reasons {
            all["\(name), passed"] = count.pass
            all["\(name), dropped"] = count.drop
        }
        for (name, count) in rules { all["rule '\(name)'"] = count }
        return all
    }
}

/// Linux's skb_vlan_untag wants two bytes behind a tag, and drops what has none before any packet socket.
private func reachesSockets(_ frame: [UInt8]) -> Bool {
    let isTagged = frame[12...13] == [0x81, 0x00] || frame[12...13] == [0x88, 0xa8]
    return !isTagged || frame.count >= 20
}

private func live(_ scenario: Scenario, _ steps: [Step]) throws -> LiveSums {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory())
        .appending(path: "xdpguard-live-\(ProcessInfo.processInfo.globallyUniqueString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    let files = [
        "policy.conf": scenario.text, "bans": Scenario.bans.joined(separator: "\n") + "\n",
        "frames": steps.map { hex($0.frame) }.joined(separator: "\n") + "\n",
    ]
    for (name, text) in files {
        try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }
    let script = checkout.appending(path: "Tests/EvasionTests/live/run-live").path()
    let said = try output(of: ["unshare", "--net", "--mount", script, try binary(), folder.path()])
    let last = said.split(separator: "\n").last.map(String.init) ?? ""
    do {
        return try JSONDecoder().decode(LiveSums.self, from: Data(last.utf8))
    } catch {
        Issue.record("\(scenario.id): no sums but: \(said)")
        throw error
    }
}

/// The xdpguard that was built with these tests; it lies beside them.
private func binary() throws -> String {
    let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "xdpguard").path()
}
