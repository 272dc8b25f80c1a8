// SPDX-License-Identifier: Apache-2.0
// How much detection may cost: bounds on flows, packets and memory, and counters of what they refused.

/// Bounds that hold whatever the packets are.
public struct DetectionLimits: Sendable {
    /// Flows that are not decided yet, about 750 bytes each; those beyond it stay without detection.
    public var openFlows: Int
    /// Bytes that nDPI buffers for one flow (TLS records, QUIC and Kerberos messages); a flow beyond it is
    /// decided by what was seen so far.
    public var bytesPerFlow: Int
    /// Packets of a TCP flow and of a UDP flow before it is decided: ndpiReader's numbers.
    public var packetsTCP: Int
    public var packetsUDP: Int

    public init(
        openFlows: Int = 200_000, bytesPerFlow: Int = 128 << 10, packetsTCP: Int = 80, packetsUDP: Int = 24
    ) {
        self.openFlows = openFlows
        self.bytesPerFlow = bytesPerFlow
        self.packetsTCP = packetsTCP
        self.packetsUDP = packetsUDP
    }
}

/// What a detector has done so far.
public struct DetectionCounters: Hashable, Sendable {
    /// Packets that nDPI looked at.
    public internal(set) var packets: UInt64 = 0
    /// Flows begun, and flows that were refused because too many were open.
    public internal(set) var flows: UInt64 = 0
    public internal(set) var flowsRefused: UInt64 = 0
    /// Flows decided early because nDPI had buffered too much.
    public internal(set) var flowsTooLarge: UInt64 = 0
    private var refusals: [UInt64]

    init() { refusals = Array(repeating: 0, count: PacketRefusal.allCases.count) }

    /// Packets that were not shown to nDPI, by cause.
    public func refused(_ cause: PacketRefusal) -> UInt64 { refusals[Int(cause.rawValue)] }

    mutating func count(_ cause: PacketRefusal) { refusals[Int(cause.rawValue)] &+= 1 }
}
