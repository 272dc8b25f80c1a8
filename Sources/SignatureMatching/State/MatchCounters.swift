// SPDX-License-Identifier: Apache-2.0
// What matching cost and what it bounded: sums of one worker, and cost by signature.

/// Sums since the matcher was made.
public struct MatchCounters: Sendable, Hashable {
    /// Calls of `inspect`.
    public var inspections: UInt64 = 0
    /// Bytes that were searched for literals.
    public var scannedBytes: UInt64 = 0
    /// Signatures whose literal was there, or that have none, and whose ports and directions fit.
    public var candidates: UInt64 = 0
    public var matches: UInt64 = 0
    /// Matches beyond `SignatureMatcher.mostMatches` of one call.
    public var matchesRefused: UInt64 = 0
    /// Candidates beyond a transaction's or a call's bound.
    public var candidatesRefused: UInt64 = 0
    /// Bits and counters of flows that were refused, rates and reports that were forgotten: their flow has
    /// too many.
    public var flowStateRefused: UInt64 = 0
    /// Regular expressions that reached a limit; by index into `SignatureEngine.signatures`.
    public var regexLimits: [Int: UInt64] = [:]
    /// Chains that reached the limit of steps; by index into `SignatureEngine.signatures`.
    public var stepLimits: [Int: UInt64] = [:]

    public init() {}
}

/// What one signature cost.
public struct SignatureCost: Sendable, Hashable {
    /// Index into `SignatureEngine.signatures`.
    public var signature: Int
    /// How often it was tried as a candidate.
    public var count: UInt64 = 0
    public var matches: UInt64 = 0
    public var nanoseconds: UInt64 = 0
}
