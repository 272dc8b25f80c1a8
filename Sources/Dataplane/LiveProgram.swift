// SPDX-License-Identifier: Apache-2.0
// The very XDP program run on single frames by BPF_PROG_TEST_RUN as on a live interface: what it does with a
// frame and what it makes of it. No interface is touched. In: an image that is not a replay's.
import CBPF
import Glibc
import GuardABI

/// enum xdp_action.
package enum LiveAction: UInt32, Sendable { case aborted, drop, pass, send, redirect }

/// What a live program did with a frame.
package struct LiveAnswer: Sendable {
    /// Nil: none that the kernel knows.
    package var action: LiveAction?
    /// The frame as the program left it.
    package var frame: [UInt8]
}

/// A generation with state of its own, for tests and benchmarks.
package final class LiveProgram {
    private let object: GuardObject
    /// Nil where the policy needs none.
    private let egress: EgressObject?
    package let state: SharedState

    package init(_ image: GenerationImage) throws(KernelError) {
        object = try GuardObject(image, reusing: [:])
        egress = try EgressObject.beside(object)
        var maps: [SharedMap: FileDescriptor] = [:]
        for map in SharedMap.allCases where map.isNeeded(by: object.config) {
            maps[map] = FileDescriptor(owning: dup(try object.descriptor(map.rawValue)))
        }
        state = SharedState(maps: maps)
    }

    /// Lets the egress program see a frame that this host sends.
    /// - Returns: whether it goes out.
    package func send(_ frame: [UInt8]) throws(KernelError) -> Bool {
        guard let egress else { return true }
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.repeat)
        options.repeat = 1
        let result = frame.withUnsafeBytes { frame in
            options.data_in = frame.baseAddress
            options.data_size_in = UInt32(frame.count)
            return bpf_prog_test_run_opts(egress.program, &options)
        }
        try check(result, "run a frame of \(frame.count) bytes")
        // TC_ACT_SHOT of linux/pkt_cls.h.
        return options.retval != 2
    }

    /// - Parameters:
    ///   - frame: at least 14 bytes.
    ///   - times: how often the same frame comes; the answer is the last one's.
    package func run(_ frame: [UInt8], times: UInt32 = 1) throws(KernelError) -> LiveAnswer {
        var room = [UInt8](repeating: 0, count: frame.count + 4096)
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.repeat)
        options.repeat = Int32(clamping: times)
        let result = frame.withUnsafeBytes { frame in
            room.withUnsafeMutableBytes { room in
                options.data_in = frame.baseAddress
                options.data_size_in = UInt32(frame.count)
                options.data_out = room.baseAddress
                options.data_size_out = UInt32(room.count)
                return bpf_prog_test_run_opts(object.program, &options)
            }
        }
        try check(result, "run a frame of \(frame.count) bytes")
        return LiveAnswer(
            action: LiveAction(rawValue: options.retval),
            frame: Array(room.prefix(Int(options.data_size_out))))
    }
}
