// SPDX-License-Identifier: Apache-2.0
// `--engine native`: the XDP program's code compiled for the host, on the capture's clock. No privileges.
import Capture
import Dataplane
import Glibc
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage

/// Engines are independent of each other; each may be used by one thread at a time.
public struct NativeReplayEngine: ReplayEngine {
    private let datapath: NativeProgram
    private var generation: ReplayGeneration
    private var clock = ReplayClock()
    /// The last answer, and what it is in words: most packets get the one of the packet before.
    private var latestAnswer: ProgramAnswer?
    private var latestJudgement = Judgement(.pass, .default)

    /// - Parameters:
    ///   - bans: banned from the first packet on, without an end.
    ///   - ownAddresses: spoofed as sources; on a live interface this host's, in a replay none.
    public init(
        policy: CheckedPolicy, bans: [Prefix], ownAddresses: [IPAddress] = [],
        options: EngineOptions = EngineOptions()
    ) throws {
        generation = ReplayGeneration(
            policy: policy, ownAddresses: ownAddresses, options: options)
        datapath = try NativeProgram(try generation.image(), options.linearBytes)
        for (number, scope) in generation.scopes(options).enumerated() {
            try datapath.tell(scope, of: UInt32(number))
        }
        for prefix in bans { try datapath.ban(prefix) }
    }

    public mutating func judge(_ frame: CapturedFrame) throws -> Judgement {
        let interface = generation.index(of: frame.interface)
        if interface.isNew { try datapath.load(try generation.image()) }
        var trace = guard_trace()
        let time = clock.advance(to: frame.timeNanoseconds)
        trace.now_ns = time.date
        trace.clock_ns = time.clock
        trace.ifindex = interface.index
        datapath.run(frame.bytes, &trace)
        let answer = ProgramAnswer(trace)
        if latestAnswer != answer {
            latestJudgement = generation.judgement(answer)
            latestAnswer = answer
        }
        return latestJudgement
    }

    public mutating func send(_ frame: CapturedFrame) -> SampleMark? {
        var trace = guard_trace()
        trace.clock_ns = clock.advance(to: frame.timeNanoseconds).clock
        datapath.send(frame.bytes, &trace)
        return ProgramSample(trace).flatMap(generation.mark)
    }

    public mutating func ban(_ prefix: Prefix, for duration: UInt64?) throws {
        try datapath.ban(prefix, ends: duration.map(clock.later), now: clock.now)
    }

    public mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) throws {
        guard generation.inspects else { return }
        try datapath.drop(DroppedFlow(flow, since: clock.now, ends: duration.map(clock.later)), clock.now)
    }
}

/// Owns an engine of the C side.
private final class NativeProgram {
    private let datapath: OpaquePointer
    private let linearBytes: UInt32

    init(_ image: MapImage, _ linearBytes: UInt32) throws(KernelError) {
        guard let datapath = image.withNative({ native_datapath_create($0) }) else {
            throw KernelError("load a policy of \(image.tables.count) bytes", code: ENOMEM)
        }
        self.datapath = datapath
        self.linearBytes = linearBytes
    }

    deinit { native_datapath_destroy(datapath) }

    func load(_ image: MapImage) throws(KernelError) {
        try check(
            image.withNative { native_datapath_load(datapath, $0) },
            "load a policy of \(image.tables.count) bytes")
    }

    func tell(_ scope: SampleScope, of inspector: UInt32) throws(KernelError) {
        let result = scope.bytes.withUnsafeBytes { bytes -> Int32 in
            guard bytes.count == MemoryLayout<guard_sample_scope>.size else { return -EINVAL }
            return native_datapath_set_scope(
                datapath, inspector, bytes.baseAddress?.assumingMemoryBound(to: guard_sample_scope.self))
        }
        try check(result, "tell which flows an inspector needs")
    }

    /// The longer life of two bans of one prefix wins.
    func ban(_ prefix: Prefix, ends: UInt64? = nil, now: UInt64 = 0) throws(KernelError) {
        var key = guard_ban_key(prefix)
        var ban = guard_ban(Ban(prefix, since: now, ends: ends, reason: ""))
        if let running = native_datapath_find_ban(datapath, &key), running.pointee.ends_ns >= ban.ends_ns {
            return
        }
        try check(native_datapath_ban(datapath, &key, &ban), "ban \(prefix)")
    }

    func drop(_ dropped: DroppedFlow, _ now: UInt64) throws(KernelError) {
        var ends = guard_flow_ends(dropped.ends)
        var wanted = dropped
        if let known = native_datapath_find_dropped(datapath, &ends),
            let running = DroppedFlow(ends, known.pointee), running.holds(at: now)
        {
            wanted = running.renewed(by: dropped)
        }
        var flow = guard_dropped_flow(wanted)
        try check(native_datapath_drop_flow(datapath, &ends, &flow, now), "drop a flow")
    }

    func send(_ frame: UnsafeRawBufferPointer, _ trace: inout guard_trace) {
        var frame = native_frame(
            bytes: frame.baseAddress, length: UInt32(clamping: frame.count), linear: linearBytes)
        native_datapath_send(datapath, &frame, &trace)
    }

    func run(_ frame: UnsafeRawBufferPointer, _ trace: inout guard_trace) {
        var frame = native_frame(
            bytes: frame.baseAddress, length: UInt32(clamping: frame.count), linear: linearBytes)
        native_datapath_run(datapath, &frame, &trace)
    }

    private func check(_ result: Int32, _ operation: String) throws(KernelError) {
        if result < 0 { throw KernelError(operation, code: -result) }
    }
}

extension MapImage {
    /// The image as the C side takes it, for the time of a call.
    package func withNative<Result>(_ body: (UnsafePointer<native_image>) -> Result) -> Result {
        withUnsafePointer(to: config) { config in
            tables.withUnsafeBytes { tables in
                addresses.withUnsafeBytes { addresses in
                    var image = native_image(
                        config: config, tables: tables.baseAddress, tables_size: UInt64(tables.count),
                        addresses: addresses.baseAddress, addresses_size: UInt64(addresses.count))
                    return body(&image)
                }
            }
        }
    }
}
