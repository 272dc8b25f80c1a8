// SPDX-License-Identifier: Apache-2.0
// Counters by reason and verdict, by rule, and the sources lately seen, read from the shared maps.
import CBPF
import Glibc
import GuardABI
import NetworkTypes

/// Packets and bytes.
public struct Count: Sendable, Hashable {
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0

    public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
        self.packets = packets
        self.bytes = bytes
    }

    public static func + (a: Count, b: Count) -> Count {
        Count(packets: a.packets &+ b.packets, bytes: a.bytes &+ b.bytes)
    }

    /// The growth since an earlier reading; zero where the counter began anew.
    public func since(_ earlier: Count) -> Count {
        Count(
            packets: packets >= earlier.packets ? packets - earlier.packets : 0,
            bytes: bytes >= earlier.bytes ? bytes - earlier.bytes : 0)
    }
}

/// One reason's packets by verdict, on one CPU or summed.
public struct ReasonCount: Sendable, Hashable {
    public var pass = Count()
    public var drop = Count()
    public var reject = Count()
    /// Of those that passed, the ones that monitor mode let through.
    public var wouldDrop = Count()

    public init() {}

    init(pass: Count, drop: Count, reject: Count, wouldDrop: Count) {
        self.pass = pass
        self.drop = drop
        self.reject = reject
        self.wouldDrop = wouldDrop
    }

    public static func + (a: ReasonCount, b: ReasonCount) -> ReasonCount {
        ReasonCount(
            pass: a.pass + b.pass, drop: a.drop + b.drop, reject: a.reject + b.reject,
            wouldDrop: a.wouldDrop + b.wouldDrop)
    }

    public func since(_ earlier: ReasonCount) -> ReasonCount {
        ReasonCount(
            pass: pass.since(earlier.pass), drop: drop.since(earlier.drop),
            reject: reject.since(earlier.reject),
            wouldDrop: wouldDrop.since(earlier.wouldDrop))
    }

    public var total: Count { pass + drop + reject }
}

/// A source that was noted: one of every GUARD_TALKER_EVERY packets is.
public struct NotedPacket: Sendable, Hashable {
    public var source: IPAddress?
    public var bytes: UInt32
    public var dropped: Bool

    public init(source: IPAddress?, bytes: UInt32, dropped: Bool) {
        self.source = source
        self.bytes = bytes
        self.dropped = dropped
    }
}

extension SharedState {
    /// Printable reason names to counts, for each CPU.
    public func reasonCounts() throws(KernelError) -> [[String: ReasonCount]] {
        let map = try descriptor(.reasons)
        var cpus = [[String: ReasonCount]](repeating: [:], count: try possibleCPUs())
        for reason in 0..<UInt32(GUARD_REASON_NON_IP.rawValue + 1) {
            let name = String(cString: guard_reason_name(guard_reason(rawValue: reason)))
            let base = reason * UInt32(GUARD_VERDICTS.rawValue)
            var columns: [[guard_counter]] = []
            for verdict in 0..<UInt32(GUARD_VERDICTS.rawValue) {
                columns.append(try perCPUValues(map, key: base + verdict, of: guard_counter()))
            }
            for cpu in cpus.indices {
                let count = ReasonCount(
                    pass: Count(columns[0][cpu]), drop: Count(columns[1][cpu]),
                    reject: Count(columns[2][cpu]),
                    wouldDrop: Count(columns[3][cpu]))
                if count.total.packets > 0 { cpus[cpu][name] = count }
            }
        }
        return cpus
    }

    /// How many sources each CPU has noted so far, and the last of them, oldest first.
    public func notedPackets() throws(KernelError) -> [(cursor: UInt64, packets: [NotedPacket])] {
        let stride = MemoryLayout<guard_talkers>.stride
        let cpus = try possibleCPUs()
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: stride * cpus, alignment: 8)
        defer { buffer.deallocate() }
        var key: UInt32 = 0
        try check(bpf_map_lookup_elem(descriptor(.talkers), &key, buffer), "read the noted sources")
        return (0..<cpus).map { cpu in
            let cursor = buffer.load(fromByteOffset: cpu * stride, as: UInt64.self)
            let size = UInt64(GUARD_TALKERS)
            let ring = buffer + cpu * stride + 8
            let packets = (cursor - min(cursor, size)..<cursor).map { number in
                NotedPacket(
                    (ring + Int(number % size) * MemoryLayout<guard_talker>.stride).load(
                        as: guard_talker.self))
            }
            return (cursor, packets)
        }
    }

    /// Logged packets that found the ring buffer full.
    public func lostEvents() throws(KernelError) -> UInt64 {
        try perCPUValues(descriptor(.lost), key: 0, of: UInt64(0)).reduce(0, &+)
    }
}

extension Count {
    init(_ counter: guard_counter) { self.init(packets: counter.packets, bytes: counter.bytes) }
}

extension NotedPacket {
    init(_ talker: guard_talker) {
        self.init(
            source: IPAddress(family: talker.family, high: talker.high, low: talker.low), bytes: talker.bytes,
            dropped: talker.verdict != UInt8(GUARD_PASS.rawValue))
    }
}

extension IPAddress {
    /// From the ABI's halves; nil for a family other than 4 and 6.
    init?(family: UInt8, high: UInt64, low: UInt64) {
        switch family {
        case 4: self.init(v4: UInt32(truncatingIfNeeded: low))
        case 6: self.init(v6: UInt128(high) << 64 | UInt128(low))
        default: return nil
        }
    }
}
