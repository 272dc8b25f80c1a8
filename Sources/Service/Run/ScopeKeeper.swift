// SPDX-License-Identifier: Apache-2.0
// Which flows the kernel samples while a worker changes over to other signatures: all of them for that time,
// then those that the new signatures need, or the same as before where nothing came of it. In: the steps of a
// reload. Out: header conditions in the kernel, a remark where these cannot be told.
import Dataplane
import InspectorProcess
import MapCompiler

/// Header conditions over one reload.
final class ScopeKeeper {
    /// The tables that run now; nil: nothing runs.
    private let state: () throws -> SharedState?
    /// Where the new signatures' conditions stand.
    private let mailbox: Int32
    private let tell: (String) -> Void
    /// What held before all flows were needed, of the inspectors with this seed; nil: nothing is wider now.
    private var former: (scopes: [[UInt8]], seed: UInt64)?

    init(_ state: @escaping () throws -> SharedState?, mailbox: Int32, tell: @escaping (String) -> Void) {
        (self.state, self.mailbox, self.tell) = (state, mailbox, tell)
    }

    /// Before the worker is asked: packets that only the new signatures need may come before its answer.
    func widen(_ generation: RunningGeneration) {
        telling {
            guard let seed = generation.inspectorsSeed, let state = try state() else { return }
            let count = generation.info.header.inspectorBounds?.count ?? 0
            let held = try state.sampleScopes(seed: seed, inspectors: count)
            former = (held, seed)
            let all = SampleScope(nil, inspectorsSeed: seed).bytes
            try state.setSampleScopes(held.map { _ in all }, seed: seed)
        }
    }

    /// The worker looks for the new signatures.
    func changeOver() {
        guard let seed = former?.seed else { return }
        former = nil
        telling {
            guard let state = try state(),
                let bytes = writtenBytes(mailbox, most: InspectionBundle.mostBytes)
            else { return }
            try state.setSampleScopes(InspectionBundle.scopes(of: bytes), seed: seed)
        }
    }

    /// The worker goes on with the signatures that it has.
    func goBack() {
        guard let (scopes, seed) = former else { return }
        former = nil
        telling {
            // Inspectors of another apply have theirs.
            guard let state = try state(),
                try !state.sampleScopes(seed: seed, inspectors: scopes.count).isEmpty
            else { return }
            try state.setSampleScopes(scopes, seed: seed)
        }
    }

    /// What the worker looks for is not known, or another one says it: all flows are sampled until then.
    func leaveWide() { former = nil }

    private func telling(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            tell("all flows are sampled: \(ServiceError(wrapping: error).message)")
        }
    }
}
