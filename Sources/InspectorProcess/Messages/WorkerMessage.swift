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
    /// It takes over other signatures, and says nothing until it has.
    case reloading
    case reloaded(WorkerReady)
    /// It goes on with those that it has: one line of text for people.
    case notReloaded(String)

    private enum Kind: UInt16 {
        case ready = 1, failed, finding, events, heartbeat, reloading, reloaded, notReloaded
    }

    /// Bytes of lines that one message takes.
    public static let mostEventBytes = Wire.mostBytes - Wire.headerBytes - 4
    static let mostFailureBytes = 4096

    /// The message's bytes: at most 64 KiB.
    public func encoded() -> [UInt8] {
        var writer: WireWriter
        switch self {
        case .ready(let ready): writer = ready.message(Kind.ready.rawValue)
        case .reloaded(let ready): writer = ready.message(Kind.reloaded.rawValue)
        case .failed(let text): writer = Self.message(Kind.failed, text)
        case .notReloaded(let text): writer = Self.message(Kind.notReloaded, text)
        case .reloading: writer = WireWriter(kind: Kind.reloading.rawValue)
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

    private static func message(_ kind: Kind, _ text: String) -> WireWriter {
        var writer = WireWriter(kind: kind.rawValue)
        writer.append(text.utf8, most: mostFailureBytes)
        return writer
    }

    /// Reads a message that nobody vouches for.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = try WireReader(bytes)
        guard let kind = Kind(rawValue: reader.kind) else { throw .kind(reader.kind) }
        switch kind {
        case .ready: self = .ready(try reader.ready())
        case .reloaded: self = .reloaded(try reader.ready())
        case .reloading: self = .reloading
        case .failed: self = .failed(try reader.text(most: Self.mostFailureBytes))
        case .notReloaded: self = .notReloaded(try reader.text(most: Self.mostFailureBytes))
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

extension WorkerReady {
    fileprivate func message(_ kind: UInt16) -> WireWriter {
        var writer = WireWriter(kind: kind)
        writer.append(landlockVersion)
        writer.append(inspectors)
        writer.append(signatures)
        writer.append(signaturesLeftOut)
        return writer
    }
}

extension WireReader {
    fileprivate mutating func ready() throws(WireError) -> WorkerReady {
        WorkerReady(
            landlockVersion: try number(), inspectors: try number(), signatures: try number(),
            signaturesLeftOut: try number())
    }

    fileprivate mutating func text(most: Int) throws(WireError) -> String {
        String(decoding: try block(most: most), as: UTF8.self)
    }
}

/// From the controller to the worker.
public enum ControllerMessage: UInt16, Sendable, CaseIterable {
    /// End all flows, tell their events, and exit.
    case stop = 1
    /// Take over the signatures that stand in the file for them (`WorkerProgram.mailbox`).
    case reload

    public func encoded() -> [UInt8] { WireWriter(kind: rawValue).message() }

    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        let reader = try WireReader(bytes)
        guard let message = Self(rawValue: reader.kind) else { throw .kind(reader.kind) }
        try reader.finish()
        self = message
    }
}
