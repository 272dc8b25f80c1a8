// SPDX-License-Identifier: Apache-2.0
// What the worker tells the controller, and the one thing that the controller tells the worker. In: values on
// one side. Out: the same values on the other, or a `WireError`.
import NetworkTypes

/// What a worker has become: it is in its sandbox and takes samples.
public struct WorkerReady: Sendable, Equatable {
    /// Landlock's version in this kernel; 0: none.
    public var landlockVersion: UInt8
    public var inspectors: UInt16
    public var signatures: UInt32
    /// Signatures that were left out, as they use what is not supported.
    public var signaturesLeftOut: UInt32

    public init(
        landlockVersion: UInt8, inspectors: UInt16, signatures: UInt32, signaturesLeftOut: UInt32
    ) {
        self.landlockVersion = landlockVersion
        self.inspectors = inspectors
        self.signatures = signatures
        self.signaturesLeftOut = signaturesLeftOut
    }
}

/// A worker's own counters; they begin anew with each worker.
public struct WorkerCounters: Sendable, Equatable {
    public var samples: UInt64 = 0
    /// Bytes of the samples' frames.
    public var sampledBytes: UInt64 = 0
    /// Samples that were not looked at: of a generation with other inspectors, or from before this worker.
    public var staleSamples: UInt64 = 0
    public var flows: UInt64 = 0
    public var alerts: UInt64 = 0
    public var findings: UInt64 = 0
    public var events: UInt64 = 0
    /// Events that found no room on their way to the controller, or were longer than a message.
    public var eventsLost: UInt64 = 0
    /// The most memory that it had, in bytes.
    public var memoryBytes: UInt64 = 0

    public init() {}

    /// In the order of the message.
    static let fields: [WritableKeyPath<WorkerCounters, UInt64> & Sendable] = [
        \.samples, \.sampledBytes, \.staleSamples, \.flows, \.alerts, \.findings, \.events, \.eventsLost,
        \.memoryBytes,
    ]
}

/// From the worker to the controller.
public enum WorkerMessage: Sendable, Equatable {
    case ready(WorkerReady)
    /// It cannot work, and ends: one line of text for people.
    case failed(String)
    case finding(ReportedFinding)
    /// Whole lines of EVE JSON, each with its end.
    case events([UInt8])
    /// It lives; sent every second, however much there is to do.
    case heartbeat(WorkerCounters)

    private enum Kind: UInt16 { case ready = 1, failed, finding, events, heartbeat }

    /// Bytes of lines that one message takes.
    public static let mostEventBytes = Wire.mostBytes - Wire.headerBytes - 4
    static let mostFailureBytes = 4096

    /// The message's bytes: at most 64 KiB.
    public func encoded() -> [UInt8] {
        var writer: WireWriter
        switch self {
        case .ready(let ready):
            writer = WireWriter(kind: Kind.ready.rawValue)
            writer.append(ready.landlockVersion)
            writer.append(ready.inspectors)
            writer.append(ready.signatures)
            writer.append(ready.signaturesLeftOut)
        case .failed(let text):
            writer = WireWriter(kind: Kind.failed.rawValue)
            writer.append(text.utf8, most: Self.mostFailureBytes)
        case .finding(let finding):
            writer = WireWriter(kind: Kind.finding.rawValue)
            writer.append(finding)
        case .events(let lines):
            writer = WireWriter(kind: Kind.events.rawValue)
            writer.append(lines, most: Self.mostEventBytes)
        case .heartbeat(let counters):
            writer = WireWriter(kind: Kind.heartbeat.rawValue)
            for field in WorkerCounters.fields { writer.append(counters[keyPath: field]) }
        }
        return writer.message()
    }

    /// Reads a message that nobody vouches for.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = try WireReader(bytes)
        guard let kind = Kind(rawValue: reader.kind) else { throw .kind(reader.kind) }
        switch kind {
        case .ready:
            self = .ready(
                WorkerReady(
                    landlockVersion: try reader.number(), inspectors: try reader.number(),
                    signatures: try reader.number(), signaturesLeftOut: try reader.number()))
        case .failed:
            self = .failed(String(decoding: try reader.block(most: Self.mostFailureBytes), as: UTF8.self))
        case .finding: self = .finding(try reader.finding())
        case .events:
            let lines = try reader.block(most: Self.mostEventBytes)
            guard areEventLines(lines) else { throw .field("event line") }
            self = .events(Array(lines))
        case .heartbeat:
            var counters = WorkerCounters()
            for field in WorkerCounters.fields { counters[keyPath: field] = try reader.number() }
            self = .heartbeat(counters)
        }
        try reader.finish()
    }
}

/// From the controller to the worker.
public enum ControllerMessage: UInt16, Sendable, CaseIterable {
    /// End all flows, tell their events, and exit.
    case stop = 1

    public func encoded() -> [UInt8] { WireWriter(kind: rawValue).message() }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        let reader = try WireReader(bytes)
        guard let message = Self(rawValue: reader.kind) else { throw .kind(reader.kind) }
        try reader.finish()
        self = message
    }
}
