// SPDX-License-Identifier: Apache-2.0
// Captures of broken, truncated and fuzzed packets: every packet has a named verdict, the three engines
// agree, nothing malformed passes where the policy drops it, and what is no capture is an error that names
// its file.
import Capture
import Foundation
import NetworkTypes
import PolicyLanguage
import Replay
import TestSupport
import Testing

private let root = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL
/// The folder beside the checkout, or beside the folder of a checkout.
private let data = ["../shared/data/malformed", "../../shared/data/malformed"]
    .map { root.appending(path: $0).standardizedFileURL }
    .first { FileManager.default.fileExists(atPath: $0.path()) }

/// Every file below the folder, captures or not, by its path there.
private let files: [String] = {
    guard let data, let all = FileManager.default.enumerator(atPath: data.path()) else { return [] }
    return all.compactMap { $0 as? String }.filter { name in
        var isFolder: ObjCBool = false
        let path = data.appending(path: name).path()
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
    }.sorted()
}()

private func isCapture(_ name: String) -> Bool { name.hasSuffix(".pcap") || name.hasSuffix(".pcapng") }

/// A policy, and what it makes of malformed packets.
struct MalformedPolicy: CustomTestStringConvertible, Sendable {
    var name: String
    var dropsMalformed: Bool
    var testDescription: String { name }

    var policy: CheckedPolicy? {
        if dropsMalformed {
            return loadPolicy(path: root.appending(path: "policies/web-server.conf").path()).policy
        }
        let text = """
            policy: permissive
            default: pass
            stateful: false
            fragments: pass
            malformed: pass
            spoofed: pass
            rules:
              - { name: no telnet, service: tcp/23, action: drop }
            """
        return loadPolicy(path: "permissive.conf", reader: TextAndDisk(path: "permissive.conf", text: text))
            .policy
    }

    static let all = [
        MalformedPolicy(name: "web-server, default drop", dropsMalformed: true),
        MalformedPolicy(name: "permissive, malformed: pass", dropsMalformed: false),
    ]
}

/// The details that name malformed packets, as docs/policy.md "How a packet is read" has them.
private let malformedDetails: Set = [
    "truncated ethernet header", "more than two vlan tags", "truncated vlan tag", "truncated ip header",
    "ip version", "ip header length", "ip length zero", "ip length", "truncated packet", "fragment offset 1",
    "jumbogram", "too many extension headers", "hop-by-hop not first", "truncated extension header",
    "routing type 0", "tiny fragment", "truncated l4 header", "tcp header length", "tcp flags", "udp length",
]

@Suite(
    .serialized, .timeLimit(.minutes(2)),
    .enabled(if: data != nil, "no ../shared/data/malformed beside the checkout"))
struct MalformedCapturesTests {
    @Test(.enabled(if: KernelTests.areWanted), arguments: MalformedPolicy.all)
    func `kernel, native engine and model agree on every malformed packet`(under situation: MalformedPolicy)
        throws
    {
        let policy = try #require(situation.policy)
        var kernel = ReplayRun(engine: try KernelReplayEngine(policy: policy, bans: []))
        try judgeAll(under: situation) { try kernel.judge($0).judgement }
    }

    @Test(arguments: MalformedPolicy.all)
    func `native engine and model agree on every malformed packet`(under situation: MalformedPolicy) throws {
        try judgeAll(under: situation) { _ in nil }
    }

    /// Every readable packet through model and native engine, and through `kernel` where it answers.
    private func judgeAll(
        under situation: MalformedPolicy, kernel: (CapturedFrame) throws -> Judgement?
    ) throws {
        let policy = try #require(situation.policy)
        var native = ReplayRun(engine: try NativeReplayEngine(policy: policy, bans: []))
        var model = ReplayRun(engine: ModelReplayEngine(policy: policy, bans: []))
        var seen: Set<String> = []
        for capture in files.filter(isCapture) {
            _ = try read(capture) { frame in
                let expected = try model.judge(frame).judgement
                let place = "\(capture) packet \(frame.number): \(expected)"
                try #require(try native.judge(frame).judgement == expected, "native, \(place)")
                if let byKernel = try kernel(frame) {
                    try #require(byKernel == expected, "kernel, \(place)")
                }
                check(expected, situation, place)
                if malformedDetails.contains(expected.detail) { seen.insert(expected.detail) }
            }
        }
        let sums = native.summary
        #expect(sums == model.summary)
        #expect(sums.packets == 8316)
        #expect(sums.verdicts.values.reduce(0, +) == sums.packets)
        #expect(sums.reasons.values.reduce(0, +) == sums.packets)
        #expect(sums.reasons[.malformed, default: 0] == (situation.dropsMalformed ? 384 : 0))
        #expect(seen.count == 14, "details that the captures show: \(seen.sorted())")
    }

    /// What must hold of every packet's judgement.
    private func check(_ judgement: Judgement, _ situation: MalformedPolicy, _ place: String) {
        if judgement.reason == .malformed {
            #expect(judgement.verdict == .drop, "\(place)")
            #expect(malformedDetails.contains(judgement.detail), "\(place)")
        }
        if situation.dropsMalformed, malformedDetails.contains(judgement.detail) {
            #expect(judgement.verdict == .drop && judgement.reason == .malformed, "\(place)")
        }
        #expect((judgement.reason == .rule) == (judgement.rule != nil), "\(place)")
        #expect(judgement.reason != .malformed || situation.dropsMalformed, "\(place)")
    }

    @Test func `a file that cannot be read on gives an error with its name, and readable ones none`() throws {
        var broken = 0
        for name in files {
            let result = try read(name) { _ in }
            guard let error = result.error else {
                #expect(isCapture(name), "\(name) is read as a capture of \(result.frames) packets")
                continue
            }
            broken += 1
            let path = try #require(data).appending(path: name).path()
            #expect(error.message.hasPrefix("\(path): "), "\(error.message)")
            #expect(error.message.count > path.utf8.count + 10, "\(error.message)")
            #expect(error.exitCode == 65, "\(error.message)")
            #expect(error.help != nil, "\(error.message)")
        }
        #expect(files.count == 557)
        // All that are no captures, and 30 captures: other link layers, or cut.
        #expect(broken == files.count { !isCapture($0) } + 30)
    }

    /// The frames of a file, and the error that ended it.
    private func read(
        _ name: String, _ body: (CapturedFrame) throws -> Void
    ) throws -> (frames: Int, error: CaptureError?) {
        var frames = 0
        do {
            var reader = try CaptureReader(path: try #require(data).appending(path: name).path())
            while let frame = try reader.next() {
                frames += 1
                try body(frame)
            }
        } catch let error as CaptureError { return (frames, error) }
        return (frames, nil)
    }
}
