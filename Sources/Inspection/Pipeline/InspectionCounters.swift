// SPDX-License-Identifier: Apache-2.0
// What the inspector counted: what came in, what it made, and everything that it refused, by cause.
import JSONOutput

/// Sums since the inspector began.
public struct InspectionCounters: Sendable, Hashable {
    public var samples: UInt64 = 0
    /// Bytes of frames.
    public var sampledBytes: UInt64 = 0
    /// Frames without a readable IP packet.
    public var notIP: UInt64 = 0
    public var flows: UInt64 = 0
    /// Packets within packets.
    public var tunnels = TunnelCounts()
    public var alerts: UInt64 = 0
    /// Matches that the policy's `on-match` or a `pass` signature kept from an alert or a response.
    public var suppressed: UInt64 = 0
    /// Alerts that were not written, because one packet raised too many of them.
    public var alertsRefused: UInt64 = 0
    /// Events that were not written, because one packet or flow made too many of them.
    public var eventsRefused: UInt64 = 0

    public init() {}
}
