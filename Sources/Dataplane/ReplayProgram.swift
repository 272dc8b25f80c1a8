// SPDX-License-Identifier: Apache-2.0
// The very XDP program run on single frames by BPF_PROG_TEST_RUN: no interface is touched.
import CBPF
import Glibc
import GuardABI

/// A frame's fate as the program tells it.
public struct ProgramAnswer: Hashable, Sendable {
    public var verdict: guard_verdict
    public var reason: guard_reason
    public var detail: guard_detail
    /// Rule slots; nil where there is none.
    public var ruleSlot: UInt32?
    public var wouldDropSlot: UInt32?
    /// A limit's slot: of the one that dropped it, and of one in monitor mode that would have.
    public var limitSlot: UInt32?
    public var wouldDropLimit: UInt32?
    public var wouldDrop: Bool
    /// Nil where the packet is not sampled.
    public var sample: ProgramSample?

    /// The answer as the program left it.
    public init(_ trace: guard_trace) {
        verdict = guard_verdict(rawValue: UInt32(trace.verdict))
        reason = guard_reason(rawValue: UInt32(trace.reason))
        detail = guard_detail(rawValue: UInt32(trace.detail))
        ruleSlot = trace.rule_slot == GUARD_NO_SLOT ? nil : trace.rule_slot
        (wouldDropSlot, wouldDropLimit) = slots(ofWouldDrop: trace.would_drop_slot)
        limitSlot = trace.limit_slot == GUARD_NO_SLOT ? nil : trace.limit_slot
        wouldDrop = trace.would_drop != 0
        sample = ProgramSample(trace)
    }
}

/// Whose sample the program says that a packet is.
public struct ProgramSample: Sendable, Hashable {
    /// Of the rule that asked.
    public var ruleSlot: UInt32
    /// Position of the inspector in the policy.
    public var inspector: UInt32

    /// Nil where the packet is not sampled.
    public init?(_ trace: guard_trace) {
        guard trace.sample_inspector != UInt32(GUARD_NO_INSPECTOR) else { return nil }
        ruleSlot = trace.sample_slot
        inspector = trace.sample_inspector
    }
}

/// The slot of a rule, or of a limit, that would have dropped a packet.
func slots(ofWouldDrop slot: UInt32) -> (rule: UInt32?, limit: UInt32?) {
    if slot == GUARD_NO_SLOT { return (nil, nil) }
    if slot & GUARD_SLOT_OF_LIMIT != 0 { return (nil, slot & ~GUARD_SLOT_OF_LIMIT) }
    return (slot, nil)
}

/// A generation loaded for replay, with state of its own.
public final class ReplayProgram {
    private let object: GuardObject
    /// Nil where the policy follows no connections.
    private let egress: EgressObject?
    private let trace: MapMemory
    public let state: SharedState

    /// - Parameters:
    ///   - image: compiled for a replay target.
    ///   - earlier: the state of the program that this one follows; nil: new state.
    public convenience init(
        _ image: GenerationImage, continuing earlier: SharedState? = nil
    ) throws(KernelError) {
        try self.init(GuardObject(image, reusing: earlier?.maps ?? [:]), continuing: earlier)
    }

    /// - Parameter object: loaded for a replay target, with the shared maps of `earlier` or else its own.
    init(_ object: GuardObject, continuing earlier: SharedState? = nil) throws(KernelError) {
        self.object = object
        egress = try EgressObject.beside(object)
        trace = try MapMemory(map: object.descriptor("guard_trace"), length: MemoryLayout<guard_trace>.size)
        if let earlier {
            state = earlier
            return
        }
        var maps: [SharedMap: FileDescriptor] = [:]
        for map in SharedMap.allCases where map.isNeeded(by: object.config) {
            maps[map] = FileDescriptor(owning: dup(try object.descriptor(map.rawValue)))
        }
        state = SharedState(maps: maps)
    }

    /// - Parameters:
    ///   - frame: at least 14 bytes; what is behind the first 65,597 cannot matter and is not run.
    ///   - date: nanoseconds on the clock of what ends at a date.
    ///   - clock: nanoseconds on the clock of rates and timeouts, which must not go back.
    ///   - interface: the index given to the frame's interface; 0: none.
    public func run(
        _ frame: UnsafeRawBufferPointer, date: UInt64, clock: UInt64, interface: UInt32
    ) throws(KernelError) -> ProgramAnswer {
        let question = trace.base.assumingMemoryBound(to: guard_trace.self)
        question.pointee = guard_trace()
        question.pointee.now_ns = date
        question.pointee.clock_ns = clock
        question.pointee.ifindex = interface
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.repeat)
        options.data_in = frame.baseAddress
        options.data_size_in = UInt32(min(frame.count, 14 + 8 + 40 + 65535))
        options.repeat = 1
        try check(bpf_prog_test_run_opts(object.program, &options), "run a frame of \(frame.count) bytes")
        return ProgramAnswer(question.pointee)
    }

    /// Lets the egress program see a frame that this host sends. Headers behind the first 2048 bytes are not
    /// read: the kernel runs such programs on no more than a page.
    /// - Returns: whose sample it is; nil: nobody's.
    public func send(_ frame: UnsafeRawBufferPointer, clock: UInt64) throws(KernelError) -> ProgramSample? {
        // From a packet without a whole IP header nothing can be learnt, and the kernel refuses to run on it.
        guard let egress, frame.count >= 34 else { return nil }
        if frame.count < 54, frame[12] == 0x86, frame[13] == 0xdd { return nil }
        let question = trace.base.assumingMemoryBound(to: guard_trace.self)
        question.pointee = guard_trace()
        question.pointee.clock_ns = clock
        question.pointee.sample_inspector = UInt32(GUARD_NO_INSPECTOR)
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.repeat)
        options.data_in = frame.baseAddress
        options.data_size_in = UInt32(min(frame.count, 2048))
        options.repeat = 1
        try check(bpf_prog_test_run_opts(egress.program, &options), "run a frame of \(frame.count) bytes")
        return ProgramSample(question.pointee)
    }
}
