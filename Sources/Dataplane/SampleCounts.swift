// SPDX-License-Identifier: Apache-2.0
// What became of samples: read from guard_sample_counts, and how full the tables of inspection are.
import CBPF
import Glibc
import GuardABI

/// Samples and dropped flows since the pins were made, by what became of them.
public struct SampleCounts: Sendable, Hashable {
    /// Given to the ring: packets that came in, this host's replies, and the bytes of both.
    public var received: UInt64 = 0
    public var sent: UInt64 = 0
    public var bytes: UInt64 = 0
    /// Lost: the ring was full, or the frame could not be read.
    public var lostFull: UInt64 = 0
    public var lostCopy: UInt64 = 0
    /// Not given, as nobody inspected, and `on-overload` is `drop`.
    public var lostUnread: UInt64 = 0
    /// Their flow had no place among those with budgets: other CPUs took each one that was tried, or, of a
    /// later fragment, other flows took that of its first.
    public var lostPlace: UInt64 = 0
    /// Packets that came in, dropped by `on-overload`.
    public var overloaded: UInt64 = 0
    /// Given, but cut, as the frame was longer than a sample can be.
    public var cut: UInt64 = 0
    /// Not samples: packets of flows beyond their budget, and of flows that `every` leaves out.
    public var beyondBudget: UInt64 = 0
    public var notChosen: UInt64 = 0
    /// Likewise: of flows that no signature of their inspector could match.
    public var notNeeded: UInt64 = 0
    /// Budgets begun, and those that gave way to others before their flow was over.
    public var flows: UInt64 = 0
    public var forgotten: UInt64 = 0
    /// Packets of dropped flows: that came in, and that this host sent.
    public var droppedReceived: UInt64 = 0
    public var droppedSent: UInt64 = 0

    public init() {}

    /// Samples that nobody can see.
    public var lost: UInt64 { lostFull &+ lostCopy &+ lostUnread &+ lostPlace }
}

extension SharedState {
    /// Nil where the running policy inspects nothing.
    public func sampleCounts() throws(KernelError) -> SampleCounts? {
        guard maps[.sampleCounts] != nil else { return nil }
        let map = try descriptor(.sampleCounts)
        func count(_ kind: guard_sample_count) throws(KernelError) -> UInt64 {
            try perCPUValues(map, key: kind.rawValue, of: UInt64(0)).reduce(0, &+)
        }
        var counts = SampleCounts()
        counts.received = try count(GUARD_SAMPLES_RECEIVED)
        counts.sent = try count(GUARD_SAMPLES_SENT)
        counts.bytes = try count(GUARD_SAMPLES_BYTES)
        counts.lostFull = try count(GUARD_SAMPLES_LOST_FULL)
        counts.lostCopy = try count(GUARD_SAMPLES_LOST_COPY)
        counts.lostUnread = try count(GUARD_SAMPLES_LOST_UNREAD)
        counts.lostPlace = try count(GUARD_SAMPLES_LOST_PLACE)
        counts.overloaded = try count(GUARD_SAMPLES_OVERLOADED)
        counts.cut = try count(GUARD_SAMPLES_CUT)
        counts.beyondBudget = try count(GUARD_SAMPLES_BEYOND_BUDGET)
        counts.notChosen = try count(GUARD_SAMPLES_NOT_CHOSEN)
        counts.notNeeded = try count(GUARD_SAMPLES_NOT_NEEDED)
        counts.flows = try count(GUARD_SAMPLES_FLOWS)
        counts.forgotten = try count(GUARD_SAMPLES_FORGOTTEN)
        counts.droppedReceived = try count(GUARD_FLOWS_DROPPED)
        counts.droppedSent = try count(GUARD_FLOWS_DROPPED_SENT)
        return counts
    }

    /// Tells the programs until when somebody inspects, in CLOCK_MONOTONIC nanoseconds: from then on
    /// inspectors with `on-overload: drop` have what they cannot inspect dropped. 0: nobody does any more.
    public func setInspected(until nanoseconds: UInt64) throws(KernelError) {
        guard maps[.sampleWake] != nil else { return }
        var key = GUARD_READER_UNTIL.rawValue
        var until = nanoseconds
        try check(bpf_map_update_elem(descriptor(.sampleWake), &key, &until, 0), "say who inspects")
    }

    /// The kernel's number of the ring: another ring has another one. Nil where the policy inspects nothing.
    public func sampleRingNumber() throws(KernelError) -> UInt32? {
        guard maps[.samples] != nil else { return nil }
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(bpf_obj_get_info_by_fd(descriptor(.samples), &info, &size), "ask about a map")
        return info.id
    }

    /// The ring that samples go to, for `SampleRing`: a descriptor of its own, which whoever gets it may hand
    /// on to another process. Nil where the running policy inspects nothing.
    public func sampleRing() throws(KernelError) -> (descriptor: Int32, bytes: Int)? {
        guard maps[.samples] != nil else { return nil }
        let map = try descriptor(.samples)
        let copy = try check(fcntl(map, F_DUPFD_CLOEXEC, 0), "copy the descriptor of the samples' ring")
        return (copy, Int(try entries(ofMap: map)))
    }
}
