// SPDX-License-Identifier: Apache-2.0
// The inspector: samples in, events and findings out. It knows no kernel, no process, no file and no clock
// of its own: time is that of the samples.
import NetworkTypes

/// Inspects sampled packets: IP packets, flows, ordered streams, protocols, signatures. One thread at a time.
public final class PayloadInspector {
    public let plan: InspectionPlan
    public let options: InspectionOptions
    public private(set) var counters = InspectionCounters()

    public init(plan: InspectionPlan, options: InspectionOptions = InspectionOptions())
        throws(InspectionError)
    {
        self.plan = plan
        self.options = options
    }

    /// Takes one packet. What it and the time until it bring about is appended to `outcome`.
    public func feed(_ sample: InspectionSample, into outcome: inout InspectionOutcome) {
        counters.samples &+= 1
        counters.sampledBytes &+= UInt64(sample.frame.count)
    }

    /// Tells the time where no packet comes: flows that are over end, and their `flow` events are written.
    /// - Parameter timeNanoseconds: since 1970-01-01T00:00Z; times that go back change nothing.
    public func advance(to timeNanoseconds: Int64, into outcome: inout InspectionOutcome) {}

    /// Ends all flows: every one that was sampled gets its `flow` event.
    public func finish(into outcome: inout InspectionOutcome) {}
}

/// Why an inspector cannot be made.
public struct InspectionError: Error, Sendable, CustomStringConvertible {
    /// Lower case, no full stop: what was tried, why it failed, what to do.
    public let description: String

    public init(_ description: String) { self.description = description }
}
