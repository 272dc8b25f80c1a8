// SPDX-License-Identifier: Apache-2.0
// `ban --why`: every ban that has an address, and what stands above them.
import Dataplane
import GuardABI
import MapCompiler
import NetworkTypes

/// What holds for one address, or would.
public struct BanExplanation: Sendable {
    public var address: IPAddress
    /// Of all prefixes that have the address, the widest first.
    public var bans: [BanEntry]
    /// The address is in `never-ban`, and in these named sets.
    public var isNeverBanned: Bool
    public var sets: [String]
    /// Failsafe entries whose sources have the address: FILE:LINE.
    public var failsafe: [String]
    /// The policy's file.
    public var file: String

    /// Packets from the address are dropped: those that no failsafe entry passes.
    public var isBanned: Bool { !bans.isEmpty && !isNeverBanned }
}

extension BanService {
    /// What holds for an address now.
    public func explain(_ address: IPAddress) throws -> BanExplanation {
        let info = try datapath.description().flatMap(GenerationInfo.decoded)
        var explanation = BanExplanation(
            address: address, bans: try list(covering: address), isNeverBanned: false, sets: [],
            failsafe: [], file: info?.header.file ?? "the policy")
        try withAddresses { memory in
            let head = memory.sourceHead(of: address)
            explanation.isNeverBanned = head & neverBanBit != 0
            explanation.failsafe = (info?.header.failsafe ?? [])
                .filter { head >> UInt64($0.bit & 63) & 1 == 1 }.map(\.place)
            // Without named sets the image has no list of them.
            guard explanation.isNeverBanned, memory.header.control != 0 else { return }
            let editor = try AddressEditor(memory)
            explanation.sets = try editor.sets.map(\.name).filter { name in
                try editor.members(of: name).contains(address)
            }
        }
        return explanation
    }
}

/// GUARD_HEAD_NEVER_BAN, whose macro Swift does not import.
private let neverBanBit = UInt64(1) << 63
