// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams: everything that was left out, and why. Nothing is dropped without a count.

/// Counts since the tracker began.
public struct StreamCounters: Equatable, Sendable {
    public internal(set) var packets: UInt64 = 0
    /// Packets whose headers could not be read.
    public internal(set) var unreadable: UInt64 = 0
    public internal(set) var wrongChecksums: UInt64 = 0
    /// Packets that their host discards for their IP options or extension headers.
    public internal(set) var discardedHeaders: UInt64 = 0

    public internal(set) var fragments: UInt64 = 0
    public internal(set) var datagrams: UInt64 = 0
    /// Fragments that are in no datagram: no room, a length that cannot be.
    public internal(set) var fragmentsRefused: UInt64 = 0
    /// Datagrams given up: too old, pushed out, discarded for what their fragments were like.
    public internal(set) var datagramsTimedOut: UInt64 = 0
    public internal(set) var datagramsEvicted: UInt64 = 0
    public internal(set) var datagramsDiscarded: UInt64 = 0

    public internal(set) var flows: UInt64 = 0
    public internal(set) var flowsTimedOut: UInt64 = 0
    public internal(set) var flowsEvicted: UInt64 = 0
    public internal(set) var flowsReplaced: UInt64 = 0

    public internal(set) var tcpSessions: UInt64 = 0
    public internal(set) var tcpMidstream: UInt64 = 0
    /// Segments with payload, and what became of them (SegmentUse).
    public internal(set) var segments: UInt64 = 0
    public internal(set) var segmentsQueued: UInt64 = 0
    public internal(set) var segmentsRepeated: UInt64 = 0
    public internal(set) var segmentsDiffering: UInt64 = 0
    public internal(set) var segmentsRefused: UInt64 = 0
    /// Of the refused ones: those for which maximumStreamBytes had no room.
    public internal(set) var segmentsWithoutRoom: UInt64 = 0
    public internal(set) var resetsRefused: UInt64 = 0
    public internal(set) var streamBytes: UInt64 = 0
    public internal(set) var gaps: UInt64 = 0
    public internal(set) var gapBytes: UInt64 = 0
    /// Bytes given that could not be kept for comparing, since maximumStreamBytes was used up.
    public internal(set) var uncomparedBytes: UInt64 = 0
}
