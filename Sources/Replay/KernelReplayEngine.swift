// SPDX-License-Identifier: Apache-2.0
// `--engine kernel`: the very XDP program, by BPF_PROG_TEST_RUN, on the capture's clock.
import Capture
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage

public struct KernelReplayEngine: ReplayEngine {
    /// Loads a compiled policy, with the state of the program before it, if any.
    typealias ProgramLoader = @Sendable (GenerationImage, SharedState?) throws -> ReplayProgram

    private let loadProgram: ProgramLoader
    private var generation: ReplayGeneration
    private var program: ReplayProgram
    private var clock = ReplayClock()

    /// - Parameters:
    ///   - bans: banned from the first packet on, without an end.
    ///   - ownAddresses: spoofed as sources; on a live interface this host's, in a replay none.
    public init(
        policy: CheckedPolicy, bans: [Prefix], ownAddresses: [IPAddress] = [],
        options: EngineOptions = EngineOptions()
    ) throws {
        let generation = ReplayGeneration(
            policy: policy, ownAddresses: ownAddresses, options: options)
        try self.init(generation, bans: bans) { try ReplayProgram($0, continuing: $1) }
        try program.state.setSampleScopes(
            generation.scopes(options).map(\.bytes), seed: policy.inspectorsSeed)
    }

    init(policy: CheckedPolicy, bans: [Prefix], loadProgram: @escaping ProgramLoader) throws {
        try self.init(
            ReplayGeneration(policy: policy, ownAddresses: [], options: EngineOptions()), bans: bans,
            loadProgram: loadProgram)
    }

    private init(_ generation: ReplayGeneration, bans: [Prefix], loadProgram: @escaping ProgramLoader) throws
    {
        self.loadProgram = loadProgram
        self.generation = generation
        program = try loadProgram(Self.image(generation), nil)
        for prefix in bans { _ = try program.state.add(Ban(prefix, since: 0, ends: nil, reason: ""), now: 0) }
    }

    public mutating func judge(_ frame: CapturedFrame) throws -> Judgement {
        let interface = generation.index(of: frame.interface)
        if interface.isNew { program = try loadProgram(Self.image(generation), program.state) }
        let time = clock.advance(to: frame.timeNanoseconds)
        guard frame.bytes.count >= 14 else { return try judgeShort(time, interface.index) }
        return generation.judgement(
            try program.run(frame.bytes, date: time.date, clock: time.clock, interface: interface.index))
    }

    public mutating func send(_ frame: CapturedFrame) throws -> SampleMark? {
        try program.send(frame.bytes, clock: clock.advance(to: frame.timeNanoseconds).clock)
            .flatMap(generation.mark)
    }

    public mutating func ban(_ prefix: Prefix, for duration: UInt64?) throws {
        let ban = Ban(prefix, since: clock.now, ends: duration.map(clock.later), reason: "")
        _ = try program.state.add(ban, now: clock.now)
    }

    public mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) throws {
        guard generation.inspects else { return }
        let dropped = DroppedFlow(flow, since: clock.now, ends: duration.map(clock.later))
        try program.state.drop(dropped, now: clock.now)
    }

    /// The kernel runs no frame below 14 bytes. One that ends behind a tag's ethertype is as unreadable;
    /// only its name differs.
    private func judgeShort(_ time: ReplayTime, _ interface: UInt32) throws -> Judgement {
        let endsInTag: [UInt8] = [UInt8](repeating: 0, count: 12) + [0x81, 0x00]
        let answer = try endsInTag.withUnsafeBytes {
            try program.run($0, date: time.date, clock: time.clock, interface: interface)
        }
        var result = generation.judgement(answer)
        if answer.limitSlot == nil {
            result.detail = String(cString: guard_detail_name(GUARD_DETAIL_TRUNCATED_ETHERNET))
        }
        return result
    }

    private static func image(_ generation: ReplayGeneration) throws(CompileError) -> GenerationImage {
        let image = try generation.image()
        return GenerationImage(
            config: image.config, tables: image.tables, addresses: image.addresses, info: [])
    }
}
