// SPDX-License-Identifier: Apache-2.0
// `--engine kernel`: the very XDP program, by BPF_PROG_TEST_RUN, on the capture's clock.
import Capture
import Dataplane
import GuardABI
import NetworkTypes
import PolicyLanguage

public struct KernelReplayEngine: ReplayEngine {
    private let bans: [Prefix]
    private var generation: ReplayGeneration
    private var program: ReplayProgram

    /// - Parameter bans: banned from the first packet on, without an end.
    public init(policy: CheckedPolicy, bans: [Prefix]) throws {
        self.bans = bans
        generation = ReplayGeneration(policy: policy)
        program = try Self.load(generation, bans)
    }

    public mutating func judge(_ frame: CapturedFrame) throws -> Judgement {
        let interface = generation.index(of: frame.interface)
        if interface.isNew { program = try Self.load(generation, bans) }
        let time = UInt64(max(0, frame.timeNanoseconds))
        guard frame.bytes.count >= 14 else { return try judgeShort(time, interface.index) }
        return generation.judgement(
            try program.run(frame.bytes, nanoseconds: time, interface: interface.index))
    }

    /// The kernel runs no frame below 14 bytes. One that ends behind a tag's ethertype is as unreadable;
    /// only its name differs.
    private func judgeShort(_ time: UInt64, _ interface: UInt32) throws -> Judgement {
        let endsInTag: [UInt8] = [UInt8](repeating: 0, count: 12) + [0x81, 0x00]
        let answer = try endsInTag.withUnsafeBytes {
            try program.run($0, nanoseconds: time, interface: interface)
        }
        var result = generation.judgement(answer)
        result.detail = String(cString: guard_detail_name(GUARD_DETAIL_TRUNCATED_ETHERNET))
        return result
    }

    private static func load(_ generation: ReplayGeneration, _ bans: [Prefix]) throws -> ReplayProgram {
        let image = try generation.image()
        let program = try ReplayProgram(GenerationImage(config: image.config, tables: image.tables, info: []))
        for prefix in bans { _ = try program.state.add(Ban(prefix, since: 0, ends: nil, reason: ""), now: 0) }
        return program
    }
}
