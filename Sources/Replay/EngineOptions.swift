// SPDX-License-Identifier: Apache-2.0
// How an engine runs the program's code where the answers must be the same: for tests and benchmarks.
import MapCompiler
import NetworkTypes

public struct EngineOptions: Sendable {
    /// The native engine: how much of a frame lies in its first buffer; what is behind is read as from the
    /// further buffers of a jumbo frame.
    public var linearBytes: UInt32
    /// What searches the rules.
    public var classifier: ClassifierChoice

    /// Lines of token buckets, a power of two: what a small table forgets, all engines forget.
    public var bucketLines = CompileTarget().bucketLines
    /// Lines of flows' budgets, likewise.
    public var sampleLines = CompileTarget().sampleLines

    /// Which flows the policy's inspectors need, by their positions; nil and beyond its end: all.
    public var sampleScopes: [FlowScope?] = []

    public init(linearBytes: UInt32 = .max, classifier: ClassifierChoice = .automatic) {
        self.linearBytes = linearBytes
        self.classifier = classifier
    }
}
