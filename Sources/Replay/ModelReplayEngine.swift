// SPDX-License-Identifier: Apache-2.0
// `--engine model`: the reference evaluator. No privileges.
import Capture
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall

/// 65,536 prefixes are banned.
public struct BanTableFull: Error, CustomStringConvertible {
    public let description = "cannot ban another prefix: 65536 are banned"
}

public struct ModelReplayEngine: ReplayEngine {
    private var firewall: ReferenceFirewall

    /// - Parameters:
    ///   - bans: banned from the first packet on, without an end.
    ///   - ownAddresses: spoofed as sources; on a live interface this host's, in a replay none.
    public init(
        policy: CheckedPolicy, bans: [Prefix], ownAddresses: [IPAddress] = [],
        options: EngineOptions = EngineOptions()
    ) {
        let bans = bans.map { ReferenceBan(prefix: $0, endsNanoseconds: nil) }
        firewall = ReferenceFirewall(
            policy: policy, bans: bans, ownAddresses: Set(ownAddresses),
            bucketLines: Int(options.bucketLines), sampleLines: Int(options.sampleLines))
        firewall.tell(scopes: options.sampleScopes)
    }

    public mutating func judge(_ frame: CapturedFrame) -> Judgement { firewall.judge(reference(frame)) }

    public mutating func send(_ frame: CapturedFrame) -> SampleMark? { firewall.send(reference(frame)) }

    public mutating func ban(_ prefix: Prefix, for duration: UInt64?) throws {
        guard firewall.ban(prefix, for: duration) else { throw BanTableFull() }
    }

    public mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) {
        firewall.dropFlow(flow, for: duration)
    }

    private func reference(_ frame: CapturedFrame) -> ReferenceFrame {
        ReferenceFrame(
            bytes: Array(frame.bytes), timeNanoseconds: max(0, frame.timeNanoseconds),
            interface: frame.interface)
    }
}
