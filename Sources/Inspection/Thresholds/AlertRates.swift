// SPDX-License-Identifier: Apache-2.0
// Step "rate": what threshold.config makes of a match. In: a signature, who sent what to whom, when. Out:
// whether it is told, and which action it has now. The table of counts is bounded.
import NetworkTypes
import SignatureMatching

/// A match as rates look at it.
struct RatedMatch {
    var signature: SignatureID
    var source: IPAddress
    var destination: IPAddress
    var flowID: UInt64
    /// Nanoseconds since 1970-01-01T00:00Z.
    var timeNanoseconds: Int64
}

/// What becomes of a match.
struct RateAnswer: Equatable {
    /// An alert is written.
    var isTold = true
    /// The signature's action holds; without it the match is none.
    var isActedOn = true
    /// In place of the signature's own action.
    var newAction: ActionRate.NewAction?
}

/// The entries of threshold files, and what they have counted.
struct AlertRates {
    private let entries: [ThresholdEntry]
    /// Signatures with a rate of their own, which an entry for all of them leaves to that.
    private let rated: Set<SignatureID>
    /// Entries by signature, so that most matches look at none; those for all signatures stand under 0.
    private var index: [UInt32: [Int]] = [:]
    private var counts = RecentTable<RateKey, RateCount>(most: 65_536)
    /// Counts that were forgotten for want of room.
    var forgotten: UInt64 { counts.forgotten }

    init(_ files: [ThresholdFile] = [], rated: Set<SignatureID> = []) {
        entries = files.flatMap(\.entries)
        self.rated = rated
        for (number, entry) in entries.enumerated() { index[entry.selector.sid, default: []].append(number) }
    }

    mutating func judge(_ match: RatedMatch) -> RateAnswer {
        var answer = RateAnswer()
        guard !entries.isEmpty else { return answer }
        for number in (index[match.signature.sid] ?? []) + (index[0] ?? []) {
            guard entries[number].selector.selects(match.signature) else { continue }
            switch entries[number] {
            case .suppress(_, let tracking, let addresses):
                if isSuppressed(match, tracking, addresses) { answer.isTold = false }
            case .rate(let selector, let rate):
                if selector.sid == 0, rated.contains(match.signature) { continue }
                let key = RateKey(number, rate.tracking, match)
                update(key, match) { $0.count(rate, at: match.timeNanoseconds, &answer) }
            case .action(_, let rate):
                let key = RateKey(number, rate.tracking, match)
                update(key, match) { $0.count(rate, at: match.timeNanoseconds, &answer) }
            }
        }
        return answer
    }

    private func isSuppressed(
        _ match: RatedMatch, _ tracking: ThresholdTracking, _ addresses: AddressSet?
    ) -> Bool {
        guard let addresses else { return true }
        switch tracking {
        case .bySource: return addresses.contains(match.source)
        case .byDestination: return addresses.contains(match.destination)
        default: return addresses.contains(match.source) || addresses.contains(match.destination)
        }
    }

    private mutating func update(_ key: RateKey, _ match: RatedMatch, _ change: (inout RateCount) -> Void) {
        var count = counts.use(key, at: match.timeNanoseconds) ?? RateCount()
        change(&count)
        counts.set(count, for: key, at: match.timeNanoseconds)
    }
}

extension ThresholdFile {
    /// Whether an entry names the signature alone and says how often it is told: its own rate gives way, as
    /// in Suricata (user guide, "Global thresholds vs rule thresholds").
    func setsRate(of signature: SignatureID) -> Bool {
        entries.contains { entry in
            guard case .rate(let selector, _) = entry, selector.sid != 0 else { return false }
            return selector.selects(signature)
        }
    }
}

extension ThresholdEntry {
    fileprivate var selector: SignatureSelector {
        switch self {
        case .suppress(let selector, _, _), .rate(let selector, _), .action(let selector, _): selector
        }
    }
}

/// Whose matches are counted together, for one entry.
private struct RateKey: Hashable {
    private let entry: Int
    private var signature = SignatureID(generator: 0, sid: 0, revision: 0)
    private var first: IPAddress?
    private var second: IPAddress?
    private var flowID: UInt64 = 0

    init(_ entry: Int, _ tracking: ThresholdTracking, _ match: RatedMatch) {
        self.entry = entry
        signature = match.signature
        switch tracking {
        case .bySource: first = match.source
        case .byDestination: first = match.destination
        case .byBoth, .byEither:
            first = min(match.source, match.destination)
            second = max(match.source, match.destination)
        case .byFlow: flowID = match.flowID
        case .byRule: break
        }
    }
}

/// Matches within the running span.
private struct RateCount: Expiring {
    private var isStarted = false
    private var start: Int64 = 0
    private var length: Int64 = 0
    private var matches: UInt64 = 0
    /// Until when a new action holds.
    private var actionEnd: Int64?

    /// The span's last nanosecond belongs to it, as with a signature's own rate. Time that goes back counts
    /// as none.
    private mutating func begin(at now: Int64, seconds: UInt32) {
        length = Int64(seconds) * 1_000_000_000
        let (elapsed, isBeyond) = now.subtractingReportingOverflow(start)
        if isStarted, elapsed <= length, !isBeyond { return matches &+= 1 }
        (isStarted, start, matches) = (true, now, 1)
    }

    mutating func count(_ rate: EventRate, at now: Int64, _ answer: inout RateAnswer) {
        begin(at: now, seconds: rate.seconds)
        let most = UInt64(rate.count)
        switch rate.kind {
        case .limit: if matches > most { answer.isTold = false }
        case .threshold:
            if matches < most { (answer.isTold, answer.isActedOn) = (false, false) } else { matches = 0 }
        case .both:
            if matches < most { (answer.isTold, answer.isActedOn) = (false, false) }
            if matches > most { answer.isTold = false }
        }
    }

    mutating func count(_ rate: ActionRate, at now: Int64, _ answer: inout RateAnswer) {
        if let end = actionEnd {
            if now <= end { return answer.newAction = rate.newAction }
            actionEnd = nil
        }
        begin(at: now, seconds: rate.seconds)
        guard matches > UInt64(rate.count) else { return }
        answer.newAction = rate.newAction
        actionEnd = now.addingReportingOverflow(Int64(rate.timeout) * 1_000_000_000).partialValue
    }

    func isNeeded(at now: Int64) -> Bool {
        let elapsed = now.subtractingReportingOverflow(start)
        return !elapsed.overflow && elapsed.partialValue <= length || actionEnd.map { now <= $0 } ?? false
    }
}
