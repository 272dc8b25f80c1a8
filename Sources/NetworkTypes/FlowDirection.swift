// SPDX-License-Identifier: Apache-2.0
// The two directions of a flow, by who spoke first: streams, protocol parsers and signatures share it.

/// The direction of bytes within a flow.
public enum FlowDirection: UInt8, Hashable, Sendable, CaseIterable {
    /// From the side that opened the flow: requests.
    case toServer = 0
    /// From the side that was called: replies.
    case toClient = 1

    /// The other direction.
    public var opposite: FlowDirection { self == .toServer ? .toClient : .toServer }
}
