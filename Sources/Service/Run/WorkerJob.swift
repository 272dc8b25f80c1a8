// SPDX-License-Identifier: Apache-2.0
// What the controller tells a worker on its command line, beside the descriptors that it gives it.
import Sandbox

/// The arguments of `inspector-worker`.
public struct WorkerJob: Sendable, Equatable {
    public var user: UInt32
    /// Of address space.
    public var memoryBytes: UInt64
    /// Of the ring of samples.
    public var ringBytes: Int
    /// Which inspectors samples count in: others' samples are stale.
    public var inspectorsSeed: UInt64

    /// Packets with wrong checksums are not inspected, as nobody takes them.
    public var verifiesChecksums = true
    /// It reads and compiles signatures for another worker, and ends.
    public var prepares = false
    /// Of some interface only what comes in is sampled: its egress program is gone.
    public var isOneSided = false

    public init(user: UInt32, memoryBytes: UInt64, ringBytes: Int, inspectorsSeed: UInt64) {
        self.user = user
        self.memoryBytes = memoryBytes
        self.ringBytes = ringBytes
        self.inspectorsSeed = inspectorsSeed
    }

    /// As the command reads them.
    var arguments: [String] {
        [
            "--user", String(user), "--memory", String(memoryBytes), "--ring", String(ringBytes), "--seed",
            String(inspectorsSeed),
        ] + (verifiesChecksums ? [] : ["--any-checksums"]) + (isOneSided ? ["--one-sided"] : [])
            + (prepares ? ["--prepare"] : [])
    }
}

/// What `run` is asked for.
public struct RunRequest: Sendable {
    /// Where events go: a path, or "-" for standard output; nil: nowhere.
    public var events: String?
    /// The user that the inspector's process becomes.
    public var user = SandboxRequest.nobody
    /// Bytes of address space that it may have.
    public var memoryBytes = RunRequest.usualMemoryBytes

    /// The ring is mapped twice, and 100,000 flows may have 8 KiB each, beside tens of thousands of
    /// signatures.
    public static let usualMemoryBytes: UInt64 = 3 << 30

    public init() {}
}
