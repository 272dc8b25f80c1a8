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

    /// Takes over the signatures that the controller has put in their file; flows go on.
    /// - Returns: what it has now.
    /// - Throws: where it cannot; it goes on with those that it has.
    mutating func reload() throws(ReloadError) -> WorkerReady

    /// Ends all flows.
    mutating func finish(into report: inout SampleReport)
}

/// Why signatures stay as they were: one line for people.
public struct ReloadError: Error, Sendable {
    public let description: String

    public init(_ description: String) { self.description = description }
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
