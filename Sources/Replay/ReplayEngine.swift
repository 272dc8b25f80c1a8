// SPDX-License-Identifier: Apache-2.0
// The evaluators behind one interface: frame in, judgement out.
import Capture
import NetworkTypes
import PolicyLanguage

/// What findings do to the frames that follow.
public protocol FlowActions {
    /// Bans a prefix from the next frame on. Of two bans of one prefix the later end holds.
    /// - Parameter duration: nanoseconds from the last frame's time on; nil: without end.
    mutating func ban(_ prefix: Prefix, for duration: UInt64?) throws

    /// Drops the packets of a flow, both ways, from the next frame on, where some rule inspects; else
    /// nothing happens. Of two ends of one flow the later one holds.
    /// - Parameter duration: nanoseconds from the last frame's time on; nil: without end.
    mutating func dropFlow(_ flow: FlowEnds, for duration: UInt64?) throws
}

/// An evaluator of captured frames, in their order.
public protocol ReplayEngine: FlowActions {
    mutating func judge(_ frame: CapturedFrame) throws -> Judgement

    /// A frame that this host sends: connections are learnt from it.
    /// - Returns: whose sample it is; nil: nobody's.
    mutating func send(_ frame: CapturedFrame) throws -> SampleMark?
}
