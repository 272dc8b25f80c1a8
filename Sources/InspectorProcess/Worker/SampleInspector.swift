// SPDX-License-Identifier: Apache-2.0
// What the worker's loop drives: something that takes samples from where they wait and says what it found.

/// Inspects samples, a few at a time. One thread.
public protocol SampleInspector {
    /// Becomes readable when samples wait.
    var descriptor: Int32 { get }
    /// Without the worker's own: findings, events, memory.
    var counters: WorkerCounters { get }

    /// Takes samples that wait, `most` of them or fewer.
    /// - Returns: how many; as many as `most`: more may wait.
    mutating func inspect(atMost most: Int, into report: inout SampleReport) -> Int

    /// Nothing came for a while: flows end by time alone.
    mutating func advance(into report: inout SampleReport)

    /// Ends all flows.
    mutating func finish(into report: inout SampleReport)
}

/// What samples brought about. The loop empties it and uses its memory again.
public struct SampleReport: Sendable {
    public var findings: [ReportedFinding] = []
    /// Lines of EVE JSON, each with its end.
    public var lines: [UInt8] = []

    public init() {}

    mutating func removeAll() {
        findings.removeAll(keepingCapacity: true)
        lines.removeAll(keepingCapacity: true)
    }
}
