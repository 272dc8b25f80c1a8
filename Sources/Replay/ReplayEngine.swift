// SPDX-License-Identifier: Apache-2.0
// The evaluators behind one interface: frame in, judgement out.
import Capture
import PolicyLanguage

/// An evaluator of captured frames, in their order.
public protocol ReplayEngine {
    mutating func judge(_ frame: CapturedFrame) throws -> Judgement

    /// A frame that this host sends: connections are learnt from it.
    mutating func send(_ frame: CapturedFrame) throws
}
