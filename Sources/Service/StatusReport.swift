// SPDX-License-Identifier: Apache-2.0
// `status`: what is attached where, in which mode, since when, which policy, how full the maps are, what a
// packet costs.
import Dataplane
import GuardABI

public struct StatusReport: Sendable {
    public struct Interface: Sendable {
        public var name: String
        public var index: UInt32
        public var mode: AttachMode
        public var programID: UInt32
        /// How the program that learns connections is attached to the interface's egress; nil where there is
        /// none.
        public var egress: EgressMode?
        /// Of the program, over the measuring time; nil where no packet came.
        public var nanosecondsPerPacket: Double?
    }

    /// Entries and room of a table.
    public struct Fill: Sendable {
        public var name: String
        public var used: Int
        public var capacity: Int
    }

    /// Nil where nothing runs.
    public var policy: GenerationInfo?
    public var interfaces: [Interface]
    public var tableBytes: UInt64
    public var fills: [Fill]
    /// The buckets of limits; nil where no policy had any.
    public var buckets: BucketFill?
    public var lostEvents: UInt64
    /// Bans that found no room.
    public var lostBans: UInt64 = 0
    /// Total packets since the pins were made: passed, dropped, rejected.
    public var totals: ReasonCount
    /// What the program sent by itself, and what it withheld.
    public var answers = AnswerCounts()
    /// What `run` says; nil: none serves this network namespace.
    public var run: RunReport?
    /// What became of samples; nil where the policy inspects nothing.
    public var samples: SampleCounts?
    /// What the header conditions of signatures saved, by inspector; empty where none were told.
    public var unneeded: [(inspector: String, saved: UnneededSamples)] = []
}

/// - Parameter measureMilliseconds: how long program run time is measured; 0: not at all.
public func status(measureMilliseconds: UInt32) throws -> StatusReport {
    try requirePrivileges(for: "status")
    let datapath = try Datapath()
    let attachments = try datapath.attachments()
    var report = StatusReport(
        policy: try runningInfo(datapath), interfaces: [], tableBytes: 0, fills: [], lostEvents: 0,
        totals: ReasonCount())
    if attachments.isEmpty { try requireNoStrangers(datapath) }
    var cost: Double?
    if measureMilliseconds > 0, !attachments.isEmpty, let program = try datapath.runningProgram(),
        let runs = try measureRuns(of: program, milliseconds: measureMilliseconds), runs.count > 0
    {
        cost = Double(runs.nanoseconds) / Double(runs.count)
    }
    report.interfaces = attachments.map { attachment in
        .init(
            name: attachment.interface.name, index: attachment.interface.index, mode: attachment.mode,
            programID: attachment.programID, egress: attachment.egress, nanosecondsPerPacket: cost)
    }
    report.tableBytes = report.policy?.header.tableBytes ?? 0
    report.run = try runReport()
    guard let state = try SharedState.open(datapath.pins) else { return report }
    let bans = try state.banRoom(now: programClock())
    report.lostBans = bans.lost
    report.fills = [
        .init(name: "bans", used: bans.held, capacity: bans.capacity),
        .init(name: "rule counters", used: try state.slots().count, capacity: Int(GUARD_SLOTS)),
    ]
    report.fills += try connectionFills(state)
    report.samples = try state.sampleCounts()
    if let header = report.policy?.header, let names = header.inspectors, let seed = header.inspectorsSeed {
        let saved = try state.unneededSamples(seed: seed, inspectors: names.count)
        report.unneeded = zip(names, saved).map { ($0, $1) }
    }
    if state.inspects {
        report.fills.append(
            .init(
                name: "dropped flows", used: try state.droppedFlows().count { $0.holds(at: programClock()) },
                capacity: Int(GUARD_DROPPED_FLOWS)))
    }
    report.buckets = try state.bucketFill(now: programClock())
    report.lostEvents = try state.lostEvents()
    report.answers = try state.answerCounts()
    report.totals = try state.reasonCounts().flatMap(\.values).reduce(ReasonCount(), +)
    return report
}

/// Empty where the running policy follows no connections.
private func connectionFills(_ state: SharedState) throws -> [StatusReport.Fill] {
    let now = programClock()
    let tables = [
        ("connections", try state.answeredFill(now: now)),
        ("unanswered connections", try state.unansweredFill(now: now)),
        ("half-open connections", try state.halfOpenFill(now: now)),
    ]
    return tables.compactMap { name, fill in
        fill.map { .init(name: name, used: $0.used, capacity: $0.capacity) }
    }
}

/// Removes our programs from the named interfaces, or from all, and with the last one everything that was
/// pinned.
/// - Parameters:
///   - names: names or globs.
///   - warn: takes what could not be put back beside that.
/// - Throws: `ServiceError` naming an interface that has none of our programs.
/// - Returns: the interfaces that were detached.
public func detach(_ names: [String], warn: (String) -> Void) throws -> [String] {
    try requirePrivileges(for: "detach")
    let datapath = try Datapath()
    let attached = try datapath.attachments().map(\.interface.name)
    if attached.isEmpty { try requireNoStrangers(datapath) }
    let chosen = try selectAttached(names, of: attached)
    var kept = KeptSettings()
    told("settings that an apply changed stay as they are", warn) {
        kept = try SharedState.open(datapath.pins)?.keptSettings() ?? kept
    }
    let detached = try datapath.detach(names.isEmpty ? nil : chosen)
    if !datapath.pins.exists {
        // Bans go with the last interface, and do not come back with the next apply.
        told("bans that were kept hold again with the next apply", warn) { try BanStore.kept()?.remove() }
        told("net.ipv4.tcp_syncookies or tcp_timestamps is not as before", warn) { try restore(kept) }
    }
    return detached
}
