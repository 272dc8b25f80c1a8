// SPDX-License-Identifier: Apache-2.0
// What a threshold.config says beside the signatures: rates, suppressions, and changes of action, for one
// signature or for all.
import Diagnostics
import NetworkTypes

/// Matches that report nothing and count for no threshold.
public struct Suppression: Hashable, Sendable {
    /// Which of a packet's addresses is looked at.
    public enum Side: String, Sendable {
        case source = "by_src"
        case destination = "by_dst"
        case either = "by_either"
    }

    /// nil: every match is suppressed.
    public let side: Side?
    public let addresses: AddressSet

    /// Whether a match of a packet between these addresses is suppressed.
    public func holds(source: IPAddress, destination: IPAddress) -> Bool {
        switch side {
        case nil: true
        case .source: addresses.contains(source)
        case .destination: addresses.contains(destination)
        case .either: addresses.contains(source) || addresses.contains(destination)
        }
    }
}

/// From more than `count` matches within `seconds` on, the action is another one for `timeout` seconds.
public struct RateFilter: Hashable, Sendable {
    public let tracking: RateTracking
    public let count: UInt32
    public let seconds: UInt32
    public let action: SignatureAction
    /// Seconds.
    public let timeout: UInt32
}

/// The signatures that a line is about.
public struct SignatureSelection: Hashable, Sendable {
    /// 0: any.
    public let gid: UInt32
    /// 0: any.
    public let sid: UInt32

    /// Whether the line is about a signature.
    public func selects(_ signature: Signature) -> Bool {
        (gid == 0 || gid == signature.gid) && (sid == 0 || sid == signature.sid)
    }
}

/// The lines of a threshold.config, by kind.
public struct ThresholdConfiguration: Sendable {
    public internal(set) var thresholds: [(selection: SignatureSelection, threshold: Threshold)] = []
    public internal(set) var suppressions: [(selection: SignatureSelection, suppression: Suppression)] = []
    public internal(set) var rateFilters: [(selection: SignatureSelection, filter: RateFilter)] = []
    /// Lines that were left out, and why.
    public internal(set) var diagnostics: [Diagnostic] = []

    public init() {}
}
