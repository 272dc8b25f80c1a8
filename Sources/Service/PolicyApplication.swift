// SPDX-License-Identifier: Apache-2.0
// `apply`: a policy file becomes the running generation, or nothing changes.
import Dataplane
import Diagnostics
import Inspection
import Foundation
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyAnalysis
import PolicyLanguage
import SignatureMatching

/// What to apply and how.
public struct ApplyRequest: Sendable {
    public var policyPath: String
    public var devices: [String] = []
    public var attach = AttachRequest.auto
    public var dryRun = false
    /// Apply even a policy that would cut the SSH session it is applied from.
    public var force = false
    /// Room for so many bans; nil: as many as there are, or 65,536.
    public var maxBans: UInt32?
    /// Places for answered connections, where the tables are made now, rounded up to a power of two; nil: as
    /// many as usual.
    public var flowCount: UInt32?
    /// Token buckets, a power of two; nil: `GUARD_BUCKET_LINES` times `GUARD_BUCKET_WAYS`.
    public var bucketCount: UInt32?
    /// Bytes of the samples' ring, where it is made now: a power of two; nil: 64 MiB.
    public var sampleBytes: UInt32?
    /// Consent to set net.ipv4.tcp_syncookies (and tcp_timestamps) to 2 where the policy needs it.
    public var setTCPSyncookies = false
    /// SSH_CONNECTION's text; nil outside of an SSH session.
    public var sshConnection: String?
    public init(policyPath: String) { self.policyPath = policyPath }
}

/// What came of it.
public struct ApplyOutcome: Sendable {
    public var policy: String
    public var ruleCount: Int
    public var attachments: [Attachment]
    public var detached: [String]
    public var remarks: [String]
    public var tableBytes: Int
    /// Of a dry run: what all its tables would take where none is there yet.
    public var memory: TableMemory?
    public var isDryRun: Bool
}

/// A checked policy for a replay: whether a rule has ended is a question of the capture's time, not of now.
/// - Parameter warn: takes rendered warnings and notes.
public func loadReplayedPolicy(_ path: String, warn: (String) -> Void) throws -> CheckedPolicy {
    let report = loadPolicy(path: path, now: .min).checkingInspectors()
    return try RunnablePolicy(report, warn: warn).policy
}

/// A policy that can run, and the texts that it was read from.
private struct RunnablePolicy {
    var policy: CheckedPolicy
    let sources: [SourceText]

    init(_ report: PolicyReport, warn: (String) -> Void) throws {
        guard let policy = report.policy else {
            throw ServiceError(
                ExitStatus(rawValue: report.exitCode) ?? .wrongInput, report.rendered(), isDiagnostics: true)
        }
        warn(report.rendered())
        (self.policy, sources) = (policy, report.sources)
    }
}

/// The same with what the policy's inspectors look for, compiled.
public func loadReplayedPolicy(
    _ path: String, _ settings: SignatureEngine.Settings, warn: (String) -> Void
) throws -> (policy: CheckedPolicy, plan: InspectionPlan) {
    let (report, plan) = loadPolicy(path: path, now: .min).loadingInspectors(settings)
    guard let policy = report.policy, let plan else {
        throw ServiceError(
            ExitStatus(rawValue: report.exitCode) ?? .wrongInput, report.rendered(), isDiagnostics: true)
    }
    warn(report.rendered())
    return (policy, plan)
}

/// Runs the policy's own tests.
/// - Throws: `ServiceError` with exit 1 and every failed test.
public func requireTests(_ policy: CheckedPolicy, nowNanoseconds: Int64) throws {
    let failed = runPolicyTests(policy, now: nowNanoseconds).compactMap(\.failure)
    guard failed.isEmpty else {
        throw ServiceError(.failed, failed.map { $0.rendered() }.joined(), isDiagnostics: true)
    }
}

/// Applies a policy.
/// - Parameter warn: takes rendered warnings and notes.
public func apply(_ request: ApplyRequest, warn: (String) -> Void) throws -> ApplyOutcome {
    let report = loadPolicy(path: request.policyPath).checkingInspectors()
    let runnable = try RunnablePolicy(report, warn: warn)
    let policy = runnable.policy
    try requireTests(policy, nowNanoseconds: wallClock())
    try requirePrivileges(for: "apply")
    let interfaces = try selectInterfaces(
        policy, devices: request.devices, available: try NetworkInterface.all())
    try guardSession(policy, request, interfaces)
    for warning in hiddenTagWarnings(policy, try interfaces.map { try TagView($0, request.attach) }) {
        warn("xdpguard: warning: \(warning)\n")
    }
    var datapath = try Datapath()
    datapath.maxBans = request.maxBans
    let consent = try SynCookieConsent(policy, isGiven: request.setTCPSyncookies)
    let build = { (slots: CounterSlots) throws -> GenerationImage in
        var image = try generation(runnable, request, slots, interfaces)
        image.maxBans = request.maxBans
        return image
    }
    let names = CountedNames(
        rules: policy.rules.map(\.name), sets: policy.sets.map(\.name), limits: policy.limits.map(\.name))
    if request.dryRun {
        try datapath.preflight(interfaces, attach: request.attach)
        let image = try build(CounterSlots(first: names))
        let memory = try Datapath.verify(image)
        return ApplyOutcome(
            policy: policy.name, ruleCount: names.rules.count, attachments: [], detached: [], remarks: [],
            tableBytes: image.tables.count + image.addresses.count, memory: memory, isDryRun: true)
    }
    let applied: AppliedGeneration
    do {
        applied = try withoutActuallyEscaping(warn) { warn in
            var datapath = datapath
            datapath.beforeFirstPacket = { state in
                restoreBans(
                    state, note: { warn("xdpguard: note: \($0)\n") },
                    warn: { warn("xdpguard: warning: \($0)\n") })
            }
            datapath.beforeChange = consent.change
            return try datapath.apply(
                to: interfaces, attach: request.attach, names: names,
                runningNames: { GenerationInfo.decoded($0)?.rules.map(\.name) ?? [] }, build: build)
        }
    } catch {
        told("net.ipv4.tcp_syncookies or tcp_timestamps is not as before", warn) {
            try consent.undo(datapath.pins)
        }
        throw error
    }
    told("net.ipv4.tcp_syncookies or tcp_timestamps is not as before", warn) {
        try consent.settle(policy, datapath.pins)
    }
    return ApplyOutcome(
        policy: policy.name, ruleCount: names.rules.count, attachments: applied.attachments,
        detached: applied.detached,
        remarks: applied.remarks + sizeRemarks(request, applied) + consent.remarks,
        tableBytes: applied.tableBytes, isDryRun: false)
}

/// Sizes that were asked for and are not had: a table keeps its size for as long as anything is attached.
private func sizeRemarks(
    _ request: ApplyRequest, _ applied: AppliedGeneration
) -> [String] {
    func remark(_ option: String, _ asked: UInt32?, _ had: UInt32) -> String? {
        guard let asked, had != 0, asked != had else { return nil }
        return "\(option) \(asked) had no effect: the table that is there has \(had) places and keeps them; "
            + "for another size run 'xdpguard detach' first"
    }
    return [
        remark("--flows", request.flowCount.map(guard_flow_count), applied.flowCount),
        remark("--buckets", request.bucketCount, applied.bucketLines * UInt32(GUARD_BUCKET_WAYS)),
    ].compactMap { $0 }
}

private func guardSession(_ policy: CheckedPolicy, _ request: ApplyRequest, _ interfaces: [NetworkInterface])
    throws
{
    guard !request.force, let text = request.sshConnection, let session = SSHSession(text) else { return }
    guard let reason = try lockoutReason(policy, session, on: interfaces, nowNanoseconds: wallClock()) else {
        return
    }
    throw ServiceError(
        .failed,
        "policy '\(policy.name)' would cut this SSH session: \(reason); "
            + "let it pass by a rule or 'failsafe:', or use --force"
    )
}

private func generation(
    _ runnable: RunnablePolicy, _ request: ApplyRequest, _ slots: CounterSlots,
    _ interfaces: [NetworkInterface]
) throws -> GenerationImage {
    var target = CompileTarget()
    if let count = request.flowCount { target.flowCount = count }
    if let count = request.bucketCount { target.bucketLines = max(1, count / UInt32(GUARD_BUCKET_WAYS)) }
    if let bytes = request.sampleBytes { target.sampleBytes = bytes }
    target.interfaces = interfaces.map { .init(name: $0.name, index: $0.index) }
    target.ownAddresses = try hostAddresses()
    target.ownBroadcasts = try hostBroadcasts()
    target.slots = slots.rules
    target.setSlots = slots.sets
    target.limitSlots = slots.limits
    target.cookies = synCookieOffer(isConsented: request.setTCPSyncookies)
    let now = wallClock()
    target.clockOffsetNanoseconds = now - Int64(clamping: programClock())
    var policy = runnable.policy
    // `refresh` reads them from any folder.
    for set in policy.sets.indices { policy.sets[set].file = policy.sets[set].file.map(absolutePath) }
    let image = try compile(policy, for: target)
    var header = GenerationInfo.Header(
        policy: policy.name, file: absolutePath(request.policyPath), mode: policy.mode.rawValue,
        appliedNanoseconds: now, user: UInt32(getuid()), version: xdpguardVersion,
        tableBytes: UInt64(image.tables.count + image.addresses.count))
    header.limits = zip(policy.limits, image.limits).map(GenerationInfo.LimitInfo.init)
    let naming = Dictionary(grouping: policy.rules.lazy.filter { $0.limit != nil }) { $0.limit ?? "" }
    for index in header.limits.indices {
        let rules = naming[header.limits[index].name] ?? []
        header.limits[index].onlyRule = rules.count == 1 ? rules.first?.name : nil
    }
    if policy.inspects {
        header.inspectors = policy.inspectors.map(\.name)
        header.inspectorsSeed = policy.inspectorsSeed
    }
    header.classifiers = image.classifiers.map(GenerationInfo.Classifier.init)
    header.failsafe = zip(failsafeSourceBits(policy), policy.failsafe).map { bit, entry in
        .init(bit: bit, place: "\(entry.range.source.path):\(entry.range.line)")
    }
    header.inspectorBounds = GenerationInfo.InspectorInfo.all(of: policy, slots: slots.rules)
    header.signaturePaths = GenerationInfo.SignaturePath.all(of: policy)
    header.refreshes = policy.sets.compactMap { set in
        set.refresh.map { SetRefresh(name: set.name, everyNanoseconds: $0) }
    }
    var info = GenerationInfo(
        header: header,
        rules: policy.rules.map { rule in
            .init(
                name: rule.name, slot: slots.rules[rule.name] ?? 0,
                drops: rule.action == .drop || rule.action == .reject)
        })
    if policy.inspects { info.keep(runnable.sources) }
    return GenerationImage(
        config: image.config, tables: image.tables, addresses: image.addresses, info: try info.encoded())
}

extension GenerationInfo.Classifier {
    init(_ summary: ClassifierSummary) {
        self.init(
            family: summary.family == .ipv4 ? "ipv4" : "ipv6", engine: summary.engine.rawValue,
            rules: summary.rules, bitRules: summary.bitRules, entries: summary.entries,
            tuples: summary.tuples, longestList: summary.longestList, bytes: summary.bytes)
    }
}

func absolutePath(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
}
