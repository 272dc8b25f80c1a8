// SPDX-License-Identifier: Apache-2.0
// `--engine model`: the reference evaluator. No privileges.
import Capture
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall

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
            bucketLines: Int(options.bucketLines))
    }

    public mutating func judge(_ frame: CapturedFrame) -> Judgement {
        firewall.judge(
            ReferenceFrame(
                bytes: Array(frame.bytes), timeNanoseconds: max(0, frame.timeNanoseconds),
                interface: frame.interface)
        )
    }
}
