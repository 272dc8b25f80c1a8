// SPDX-License-Identifier: Apache-2.0
// How often a signature matched of late, and what its threshold or detection_filter makes of one match more.
// On packets' time.

import Signatures

/// What a rate says of one more match.
enum RateAnswer { case report, silent, none }

/// The matches of one signature that are counted together: those of a source, of a flow.
struct MatchRate: Expiring {
    private var start: Int64
    private var seconds: UInt32
    private var matches: UInt32 = 0
    /// With `backoff` the match that is reported next; 0: none was counted for one.
    private var next: UInt64 = 0
    /// Ports that were seen in the span, where only new ones count.
    private var ports: Set<UInt16> = []

    /// Ports that are told apart.
    private static let mostPorts = 256

    /// - Parameter seconds: how long it is needed.
    init(at now: Int64, seconds: UInt32) {
        start = now
        self.seconds = seconds
    }

    func isNeeded(at now: Int64) -> Bool {
        let (age, overflow) = now.subtractingReportingOverflow(start)
        return !overflow && age <= Int64(seconds) * 1_000_000_000
    }

    /// Whether a match counts: false up to the filter's count within its span.
    mutating func passes(_ filter: DetectionFilter, port: UInt16?, at now: Int64) -> Bool {
        count(seconds: filter.seconds, now, port: port) > filter.count
    }

    mutating func answer(_ threshold: Threshold, at now: Int64) -> RateAnswer {
        if threshold.kind == .backoff { return backOff(threshold) }
        let count = count(seconds: threshold.seconds, now)
        switch threshold.kind {
        case .limit: return count <= threshold.count ? .report : .silent
        case .both: return count == threshold.count ? .report : count > threshold.count ? .silent : .none
        case .threshold, .backoff:
            guard count >= threshold.count else { return .none }
            matches = 0
            return .report
        }
    }

    /// The count with this match within the span that is running.
    private mutating func count(seconds: UInt32, _ now: Int64, port: UInt16? = nil) -> UInt32 {
        let (age, overflow) = now.subtractingReportingOverflow(start)
        if overflow || age > Int64(seconds) * 1_000_000_000 {
            start = now
            matches = 0
            ports = []
        }
        if let port {
            if ports.contains(port) { return matches }
            if ports.count < MatchRate.mostPorts { ports.insert(port) }
        }
        matches = matches == .max ? .max : matches + 1
        return matches
    }

    private mutating func backOff(_ threshold: Threshold) -> RateAnswer {
        // What was counted for a threshold of another type, before a reload, does not count.
        if next == 0 { (next, matches) = (UInt64(max(1, threshold.count)), 0) }
        matches = matches == .max ? .max : matches + 1
        guard UInt64(matches) == next else { return .silent }
        let (further, overflow) = next.multipliedReportingOverflow(by: UInt64(max(1, threshold.multiplier)))
        next = overflow ? .max : max(further, next + 1)
        return .report
    }
}
