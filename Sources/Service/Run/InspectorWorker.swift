// SPDX-License-Identifier: Apache-2.0
// The inspector's process, from its start to its sandbox: it reads the policy that runs and its signatures
// with the privileges that it was started with, and gives them up before it looks at the first packet. In: a
// job, the ring of samples and the running policy's description as descriptors. Out: messages to the
// controller.
import Dataplane
import Glibc
import Inspection
import JSONOutput
import InspectorProcess
import MapCompiler
import PolicyLanguage
import Sandbox
import SignatureMatching

/// `inspector-worker`: what `run` starts.
public func runInspector(_ job: WorkerJob) -> ExitStatus {
    var channel = WorkerChannel()
    return tellingFailures(&channel) { channel in
        if job.prepares {
            channel.send(.ready(try prepareReload(job)))
            return
        }
        var inspector = try RingInspector.loaded(job)
        let status = try enterSandbox(
            SandboxRequest(
                user: geteuid() == 0 ? job.user : nil,
                descriptors: [
                    0, 1, 2, WorkerProgram.socket, WorkerProgram.firstGiven, WorkerProgram.mailbox,
                ],
                memoryBytes: job.memoryBytes))
        inspector.leaveOutWaiting()
        inspector.ready.landlockVersion = status.landlockVersion
        channel.send(.ready(inspector.ready))
        runWorker(&inspector, &channel)
    }
}

private func tellingFailures(
    _ channel: inout WorkerChannel, _ body: (inout WorkerChannel) throws -> Void
) -> ExitStatus {
    do {
        try body(&channel)
        return .done
    } catch let error as SandboxError {
        channel.send(.failed(error.description))
        return .unavailable
    } catch {
        let failure = ServiceError(wrapping: error)
        channel.send(.failed(failure.message))
        return failure.status
    }
}

/// With files: reads and compiles what the policy's inspectors name now, for the worker that has none.
private func prepareReload(_ job: WorkerJob) throws -> WorkerReady {
    let files = NotedFiles()
    let shelf = DatabaseShelf()
    var cache = signatureCache() ?? DatabaseCache(shelf: shelf, compiles: true)
    cache.shelf = shelf
    let info = try givenDescription()
    let policy = try runningPolicy(info, job, files)
    let loaded = try loadPlan(policy, files, cache: cache)
    var bundle = files.bundle(with: shelf)
    bundle.scopes = sampleScopes(policy, loaded.plan)
    bundle.description = try info.encoded()
    try fill(WorkerProgram.mailbox, with: bundle.encoded())
    return loaded.ready
}

/// The running policy, as the controller gave it.
private func givenDescription() throws -> GenerationInfo {
    guard let bytes = wholeFile(WorkerProgram.mailbox + 1, most: 1 << 30),
        let info = GenerationInfo.decoded(bytes)
    else { throw ServiceError(.internalError, "the running policy's description cannot be read") }
    return info
}

/// What a policy's inspectors name, read and compiled.
private func loadPlan(
    _ policy: CheckedPolicy, _ files: some PlanFiles, cache: DatabaseCache?,
    after former: InspectionPlan? = nil
) throws -> (plan: InspectionPlan, ready: WorkerReady) {
    var loader = PlanLoader(policy, after: former)
    loader.files = files
    loader.engineSettings.cache = cache
    let report = loader.load()
    guard let plan = report.plan else {
        let errors = report.diagnostics.filter { $0.severity == .error }
        let first = errors.first.map { "\($0.range.source.path):\($0.range.line): \($0.message)" }
        throw ServiceError(.wrongInput, first ?? "the policy's inspectors cannot be loaded")
    }
    return (plan, WorkerReady(report))
}

extension WorkerReady {
    fileprivate init(_ report: PlanReport) {
        let left = report.counts.map { $0.unsupported + $0.errors }.reduce(0, +)
        self.init(
            landlockVersion: 0, inspectors: UInt16(clamping: report.plan?.inspectors.count ?? 0),
            signatures: UInt32(clamping: report.counts.map(\.loaded).reduce(0, +)),
            signaturesLeftOut: UInt32(clamping: left))
    }
}

/// Takes samples out of the kernel's ring to the inspector.
private struct RingInspector: SampleInspector {
    let descriptor = WorkerProgram.firstGiven
    var ready: WorkerReady
    private let job: WorkerJob
    private let ring: SampleRing
    private let inspector: PayloadInspector
    private let info: RulePositions
    private var outcome = InspectionOutcome()
    private var stale: UInt64 = 0
    /// When the next `stats` event is due, by a clock that is never set.
    private var nextStatistics: UInt64 = 0
    private static let statisticsSpan: UInt64 = 10_000_000_000

    /// Reads everything that takes files.
    static func loaded(_ job: WorkerJob) throws -> RingInspector {
        let info = try givenDescription()
        let policy = try runningPolicy(info, job, DiskFiles())
        // Until the signatures are known, every flow is needed.
        try tellScopes(policy, nil)
        let (plan, ready) = try loadPlan(policy, DiskFiles(), cache: signatureCache())
        try tellScopes(policy, plan)
        var options = InspectionOptions()
        options.verifyChecksums = job.verifiesChecksums
        options.isOneSided = job.isOneSided
        options.seed = UInt64.random(in: 1...UInt64.max)
        return RingInspector(
            job, ring: try SampleRing(descriptor: WorkerProgram.firstGiven, bytes: job.ringBytes),
            inspector: try PayloadInspector(plan: plan, options: options),
            RunningPolicy(info: info, ready: ready))
    }

    private struct RunningPolicy {
        var info: GenerationInfo
        var ready: WorkerReady
    }

    private init(
        _ job: WorkerJob, ring: SampleRing, inspector: PayloadInspector, _ policy: RunningPolicy
    ) {
        (self.job, self.ring, self.inspector) = (job, ring, inspector)
        inspector.followWall()
        ready = policy.ready
        info = RulePositions(policy.info)
    }

    mutating func reload() throws(ReloadError) -> WorkerReady {
        do {
            guard let bytes = writtenBytes(WorkerProgram.mailbox, most: InspectionBundle.mostBytes),
                let bundle = InspectionBundle.decoded(bytes),
                let description = GenerationInfo.decoded(bundle.description)
            else { throw ServiceError(.internalError, "the new signatures came incomplete") }
            let cache = DatabaseCache(shelf: DatabaseShelf(bundle.databases), compiles: false)
            let policy = try runningPolicy(description, job, bundle)
            var (plan, next) = try loadPlan(policy, bundle, cache: cache, after: inspector.plan)
            try inspector.use(plan)
            next.landlockVersion = ready.landlockVersion
            ready = next
            return next
        } catch {
            throw ReloadError(ServiceError(wrapping: error).message)
        }
    }

    /// What a worker before this one left in the ring: the packet that it fell over may be the first of it.
    mutating func leaveOutWaiting() {
        // No sample is shorter than its head; more than the ring holds have come since.
        let most = job.ringBytes / MemoryLayout<UInt64>.size / 8
        stale &+= UInt64(ring.read(limit: most) { _ in })
        // Where a worker that was taken over left a place within a record, nothing can be read from there.
        ring.skipAll()
    }

    var counters: WorkerCounters {
        let inner = inspector.counters
        var counters = WorkerCounters()
        counters.samples = inner.samples
        counters.sampledBytes = inner.sampledBytes
        counters.staleSamples = stale
        counters.flows = inner.flows
        counters.alerts = inner.alerts
        return counters
    }

    mutating func inspect(atMost most: Int, into report: inout SampleReport) -> Int {
        let count = ring.read(limit: most) { sample in
            // Taken for a policy whose inspectors are others.
            guard sample.inspectorsSeed == job.inspectorsSeed, let rule = info.positions[sample.ruleSlot]
            else { return stale &+= 1 }
            var taken = InspectionSample(
                frame: sample.bytes, timeNanoseconds: Int64(clamping: sample.nanoseconds), rule: rule,
                inspector: UInt32(clamping: sample.inspector), isOutbound: sample.isSent)
            taken.isCutShort = sample.frameLength > sample.bytes.count
            inspector.feed(taken, into: &outcome)
        }
        deliver(into: &report)
        return count
    }

    mutating func advance(into report: inout SampleReport) {
        let now = programClock()
        // The wall's clock may have been set: events tell its time, and certificates are held
        // against it; nothing else goes by it.
        inspector.followWall()
        inspector.advance(to: Int64(clamping: now), into: &outcome)
        if now >= nextStatistics {
            nextStatistics = now &+ Self.statisticsSpan
            outcome.events.append(inspector.stats(at: Int64(clamping: now)))
        }
        deliver(into: &report)
    }

    mutating func finish(into report: inout SampleReport) {
        inspector.followWall()
        inspector.finish(into: &outcome)
        outcome.events.append(inspector.stats(at: Int64(clamping: programClock())))
        deliver(into: &report)
    }

    private mutating func deliver(into report: inout SampleReport) {
        guard !outcome.isEmpty else { return }
        for finding in outcome.findings {
            if let reported = info.reported(finding) { report.findings.append(reported) }
        }
        for event in outcome.events {
            event.json.write(to: &report.lines)
            report.lines.append(UInt8(ascii: "\n"))
        }
        outcome.removeAll()
    }
}

/// The policy that runs, as it was applied.
private func runningPolicy(
    _ info: GenerationInfo, _ job: WorkerJob, _ files: some PlanFiles
) throws -> CheckedPolicy {
    let policy = try appliedPolicy(info, files)
    let slots = Dictionary(
        info.rules.map { ($0.name, $0.slot) }, uniquingKeysWith: { first, _ in first })
    let bounds = GenerationInfo.InspectorInfo.all(of: policy, slots: slots)
    guard bounds == info.header.inspectorBounds, policy.rules.map(\.name) == info.rules.map(\.name),
        policy.inspectorsSeed == job.inspectorsSeed
    else { throw hasChanged(info.header.file) }
    return policy
}

extension PayloadInspector {
    /// Tells times by the wall's clock from here on, where somebody has set that: two clocks are not read at
    /// one moment, and events of one flow are to say the same of when it began.
    fileprivate func followWall() {
        let offset = wallClock() &- Int64(clamping: programClock())
        if (offset &- wallOffset).magnitude > 10_000_000 { wallOffset = offset }
    }
}

/// Tells the kernel which flows the signatures need: those of this very process, whatever files said before.
/// - Parameter plan: nil: every flow.
private func tellScopes(_ policy: CheckedPolicy, _ plan: InspectionPlan?) throws {
    guard let state = try SharedState.open(Datapath().pins) else { return }
    try state.setSampleScopes(sampleScopes(policy, plan), seed: policy.inspectorsSeed)
}

/// By the inspectors' positions, each a struct guard_sample_scope.
private func sampleScopes(_ policy: CheckedPolicy, _ plan: InspectionPlan?) -> [[UInt8]] {
    let scopes = plan?.sampleScopes(of: policy) ?? policy.inspectors.map { _ in nil }
    return scopes.map { SampleScope($0, inspectorsSeed: policy.inspectorsSeed).bytes }
}

/// Rules by their counters' slots, as the kernel names them, and by position, as the inspector does.
private struct RulePositions {
    let positions: [UInt32: UInt32]
    private let slots: [UInt32]

    init(_ info: GenerationInfo) {
        slots = info.rules.map(\.slot)
        positions = Dictionary(
            info.rules.enumerated().map { ($0.element.slot, UInt32(clamping: $0.offset)) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Nil: an alert, for which the event is all; or a match outside of any flow, which nothing can be done
    /// for.
    func reported(_ finding: Finding) -> ReportedFinding? {
        guard let flow = finding.flow, slots.indices.contains(Int(finding.rule)) else { return nil }
        let response: ReportedFinding.Response
        let nanoseconds: Int64
        switch finding.response {
        case .alert: return nil
        case .dropFlow(_, let lifetime): (response, nanoseconds) = (.dropFlow, lifetime)
        case .ban(let address, let lifetime): (response, nanoseconds) = (.ban(address), lifetime)
        }
        let cause: ReportedFinding.Cause =
            switch finding.cause {
            case .signature(let id): .signature(id.sid)
            case .protocolName(let name): .protocolName(name)
            }
        return ReportedFinding(
            response, cause: cause,
            flow: InspectedFlow(
                proto: flow.proto, source: flow.source, sourcePort: flow.sourcePort,
                destination: flow.destination, destinationPort: flow.destinationPort),
            ruleSlot: slots[Int(finding.rule)], inspector: UInt16(clamping: finding.inspector),
            nanoseconds: UInt64(max(0, nanoseconds)))
    }
}
