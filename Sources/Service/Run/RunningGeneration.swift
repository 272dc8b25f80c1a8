// SPDX-License-Identifier: Apache-2.0
// What `run` knows of the policy that runs: when it is another one, and what its worker is started with. In:
// pins. Out: a setup, and descriptors that live as long as it is in use.
import Dataplane
import Glibc
import InspectorProcess
import NetworkTypes

/// One generation, for as long as it runs.
final class RunningGeneration {
    let info: GenerationInfo
    /// Of the program that runs it; a refresh that makes the tables larger brings another.
    private(set) var programID: UInt32
    /// Nil: nothing is inspected.
    let setup: WorkerSetup?
    private let sampled: SampledFlows?
    private let given: [Int32]

    init(
        _ datapath: Datapath, _ info: GenerationInfo, programID: UInt32, request: RunRequest
    ) throws {
        self.info = info
        self.programID = programID
        let attachments = try datapath.attachments()
        guard info.inspects, let state = try SharedState.open(datapath.pins),
            let ring = try state.sampleRing(), let sampled = try datapath.sampledFlows()
        else {
            (setup, self.sampled, given) = (nil, nil, [])
            return
        }
        let description: Int32
        do {
            description = try memoryFile(try info.encoded())
        } catch {
            close(ring.descriptor)
            throw error
        }
        self.sampled = sampled
        given = [ring.descriptor, description]
        var job = WorkerJob(
            user: request.user, memoryBytes: request.memoryBytes, ringBytes: ring.bytes,
            inspectorsSeed: sampled.inspectorsSeed)
        job.verifiesChecksums = !attachments.contains { $0.interface.leavesChecksums }
        job.isOneSided = attachments.contains { $0.egress == nil }
        setup = WorkerSetup(
            program: WorkerProgram(
                path: "/proc/self/exe", arguments: ["inspector-worker"] + job.arguments), given: given,
            inspectors: (info.header.inspectorBounds ?? []).map(\.bounds))
    }

    deinit { for descriptor in given { close(descriptor) } }

    /// What the kernel knows of a flow.
    func sampling(of flow: InspectedFlow) -> FlowSampling? {
        sampled?.owner(of: FlowEnds(flow)).map {
            FlowSampling(ruleSlot: $0.ruleSlot, inspector: $0.inspector)
        }
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
