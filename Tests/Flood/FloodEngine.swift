// SPDX-License-Identifier: Apache-2.0
// The native datapath under a policy written as an operator would, on virtual time. In: a policy's text and
// frames with their times. Out: what was decided.
import Glibc
import GuardABI
import MapCompiler
import NativeDatapath
import PolicyLanguage
import Replay

/// A policy that cannot be loaded.
struct FloodError: Error, CustomStringConvertible { var description: String }

/// An engine with tables of their default sizes; released with this object.
final class FloodEngine {
    let datapath: OpaquePointer
    private let slots: [String: UInt32]
    private var trace = guard_trace()

    init(_ policy: String) throws {
        let report = loadPolicy(path: TextReader.path, reader: TextReader(bytes: Array(policy.utf8)), now: 0)
        guard let loaded = report.policy else {
            throw FloodError(description: "the policy does not load:\n\(report.rendered())")
        }
        slots = Dictionary(
            loaded.rules.enumerated().map { ($1.name, UInt32($0)) }, uniquingKeysWith: { first, _ in first })
        var target = CompileTarget()
        target.isReplay = true
        target.slots = slots
        let made = try compile(loaded, for: target).withNative { native_datapath_create($0) }
        guard let made else { throw FloodError(description: "no memory for an engine") }
        datapath = made
    }

    deinit { native_datapath_destroy(datapath) }

    /// A packet that comes in, at nanoseconds of the virtual clock.
    @discardableResult
    func receive(_ frame: FloodFrame, at now: UInt64) -> Answer {
        trace.now_ns = now
        trace.clock_ns = now
        var native = frame.native
        native_datapath_run(datapath, &native, &trace)
        return Answer(trace: trace)
    }

    /// A packet that this host sends, at nanoseconds of the virtual clock.
    func send(_ frame: FloodFrame, at now: UInt64) {
        trace.now_ns = now
        trace.clock_ns = now
        var native = frame.native
        native_datapath_send(datapath, &native, &trace)
    }

    /// The slot of a rule's counters.
    func slot(_ rule: String) -> UInt32 { slots[rule] ?? GUARD_NO_SLOT }

    /// What was decided for a packet.
    struct Answer {
        fileprivate let trace: guard_trace
        var passes: Bool { trace.verdict == UInt8(GUARD_PASS.rawValue) }
        var rule: UInt32 { trace.rule_slot }
        func isFor(_ reason: guard_reason) -> Bool { trace.reason == UInt8(reason.rawValue) }
    }
}

/// One text as the only file.
private struct TextReader: FileReader {
    static let path = "flood.conf"
    var bytes: [UInt8]
    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        path == Self.path ? bytes : try DiskReader().read(path)
    }
}
