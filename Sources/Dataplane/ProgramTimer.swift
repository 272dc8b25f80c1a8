// SPDX-License-Identifier: Apache-2.0
// For benchmarks: another build of the XDP program, loaded like the embedded one, timed by BPF_PROG_TEST_RUN.
import CBPF
import Foundation

/// A program that runs on the slots of its frame in turn and fills them from templates
/// (xdp/bench/stages.bpf.c).
package final class ProgramTimer {
    private let slots = 27
    private let object: GuardObject
    private let frameBytes: Int

    /// - Parameters:
    ///   - elf: the compiled program, with a map `bench_frames`.
    ///   - templates: as many as the map holds, each of the same length.
    package init(_ image: GenerationImage, elf: Data, templates: [[UInt8]]) throws(KernelError) {
        object = try GuardObject(image, reusing: [:], elf: elf)
        frameBytes = slots * (templates.first?.count ?? 0)
        let map = try object.descriptor("bench_frames")
        for (number, template) in templates.enumerated() {
            var key = UInt32(number)
            try check(bpf_map_update_elem(map, &key, template, 0), "store a template")
        }
    }

    /// - Returns: nanoseconds of one run, the kernel's own average over `repeats` runs.
    package func nanoseconds(repeats: Int32) throws(KernelError) -> Double {
        let frame = [UInt8](repeating: 0, count: frameBytes)
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.duration)
        options.repeat = repeats
        let result = frame.withUnsafeBytes { bytes in
            options.data_in = bytes.baseAddress
            options.data_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(object.program, &options)
        }
        try check(result, "time the program")
        return Double(options.duration)
    }
}
