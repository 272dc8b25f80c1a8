// SPDX-License-Identifier: Apache-2.0
// What `run` knows of the policy that runs: when it is another one, and what its worker is started with. In:
// pins. Out: a setup, and descriptors that live as long as it is in use.
import Dataplane
import Glibc
import InspectorProcess
import NetworkTypes

/// What all of a controller's workers have alike.
struct WorkerContext {
    var request: RunRequest
    /// A file in memory, through which signatures come to a worker that has no files.
    var mailbox: Int32
}

extension WorkerJob {
    fileprivate var program: WorkerProgram {
        WorkerProgram(path: "/proc/self/exe", arguments: ["inspector-worker"] + arguments)
    }
}

/// One generation, for as long as it runs.
final class RunningGeneration {
    let info: GenerationInfo
    /// Of the program that runs it; a refresh that makes the tables larger brings another.
    private(set) var programID: UInt32
    /// Nil: nothing is inspected.
    let setup: WorkerSetup?
    /// What reads and compiles signatures anew for the worker; nil: nothing is inspected.
    let preparation: WorkerSetup?
    /// Whose packets' checksums nobody has verified yet.
    let uncheckedInterfaces: [String]
    private let ringNumber: UInt32?
    private let sampled: SampledFlows?
    private let given: [Int32]

    init(
        _ datapath: Datapath, _ info: GenerationInfo, programID: UInt32, _ context: WorkerContext
    ) throws {
        self.info = info
        self.programID = programID
        let attachments = try datapath.attachments()
        // The ring last: its descriptor is this one's to close.
        guard info.inspects, let state = try SharedState.open(datapath.pins),
            let sampled = try datapath.sampledFlows(), let ring = try state.sampleRing()
        else {
            (setup, preparation, ringNumber) = (nil, nil, nil)
            (self.sampled, given, uncheckedInterfaces) = (nil, [], [])
            return
        }
        var given = [ring.descriptor]
        do {
            given.append(try readOnly(context.mailbox))
            given.append(try memoryFile(try info.encoded()))
            ringNumber = try state.sampleRingNumber()
        } catch {
            for descriptor in given { close(descriptor) }
            throw error
        }
        self.sampled = sampled
        self.given = given
        let bounds = (info.header.inspectorBounds ?? []).map(\.bounds)
        var job = WorkerJob(
            user: context.request.user, memoryBytes: context.request.memoryBytes, ringBytes: ring.bytes,
            inspectorsSeed: sampled.inspectorsSeed)
        uncheckedInterfaces = attachments.map(\.interface).filter(\.leavesChecksums).map(\.name)
        job.verifiesChecksums = uncheckedInterfaces.isEmpty
        job.isOneSided = attachments.contains { $0.egress == nil }
        setup = WorkerSetup(program: job.program, given: given, inspectors: bounds)
        job.prepares = true
        preparation = WorkerSetup(
            program: job.program, given: [given[2], context.mailbox, given[2]], inspectors: bounds)
    }

    deinit { for descriptor in given { close(descriptor) } }

    /// What the kernel knows of a flow.
    func sampling(of flow: InspectedFlow) -> FlowSampling? {
        sampled?.owner(of: FlowEnds(flow), now: programClock()).map {
            FlowSampling(ruleSlot: $0.ruleSlot, inspector: $0.inspector)
        }
    }

    /// Which inspectors header conditions hold for; nil: nothing is inspected.
    var inspectorsSeed: UInt64? { sampled?.inspectorsSeed }

    /// Whether the worker of the generation before can go on with this one's signatures: samples, rules and
    /// what findings may ask for are alike.
    func takesOver(_ former: RunningGeneration) -> Bool {
        guard let setup, let before = former.setup, ringNumber == former.ringNumber else { return false }
        return info.rules == former.info.rules && info.header.file == former.info.header.file
            && info.header.inspectorBounds == former.info.header.inspectorBounds
            && setup.program.arguments == before.program.arguments
    }

    /// Whether a program that is new runs the same policy, as applied the same time: then workers go on.
    func goesOn(as info: GenerationInfo, programID: UInt32) -> Bool {
        guard self.info.header.appliedNanoseconds == info.header.appliedNanoseconds,
            self.info.header.file == info.header.file,
            self.info.header.inspectorBounds == info.header.inspectorBounds
        else { return false }
        self.programID = programID
        return true
    }
}
