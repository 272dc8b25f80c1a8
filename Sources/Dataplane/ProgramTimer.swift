// SPDX-License-Identifier: Apache-2.0
// For benchmarks: another build of the XDP program, loaded like the embedded one, timed by BPF_PROG_TEST_RUN.
import CBPF
import Foundation
import Glibc
import GuardABI
import NetworkTypes

/// A program that runs on the slots of its frame in turn and fills them from templates
/// (xdp/bench/stages.bpf.c).
package final class ProgramTimer {
    private let object: GuardObject
    private let state: SharedState
    private let frameBytes: Int
    /// How many runs judge every template once.
    package let templates: Int

    /// - Parameters:
    ///   - elf: the compiled program, with a map `bench_frames`.
    ///   - frames: repeated until the map is full; what is behind them up to its elements' size is padding.
    ///   - slots: how many counter slots the image's rules have; each gets its counter.
    package init(
        _ image: GenerationImage, elf: Data, frames: [[UInt8]], slots: Int
    ) throws(KernelError) {
        var (image, host) = (image, guard_host())
        try host.setClock()
        host.seed = image.config.seed
        image.config.adopt(host)
        object = try GuardObject(image, reusing: [:], elf: elf)
        var maps: [SharedMap: FileDescriptor] = [:]
        let used: [SharedMap] = [.reasons, .rules, .rulePages, .samples, .sampleScopes, .scopeCounts]
        for map in used where map.isNeeded(by: object.config) {
            maps[map] = FileDescriptor(owning: dup(try object.descriptor(map.rawValue)))
        }
        state = SharedState(maps: maps)
        try state.makeCounterPages(forSlots: UInt32(slots))
        let map = try object.descriptor("bench_frames")
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try check(bpf_obj_get_info_by_fd(map, &info, &size), "ask about the templates")
        templates = Int(info.max_entries)
        // As BENCH_SLOTS has it.
        frameBytes = 3456 / Int(info.value_size) * Int(info.value_size)
        for number in 0..<info.max_entries where !frames.isEmpty {
            let frame = frames[Int(number) % frames.count]
            let padding = Int(info.value_size) - frame.count
            guard padding >= 0 else {
                throw KernelError("store a frame of \(frame.count) bytes as a template", code: EMSGSIZE)
            }
            var key = number
            let template = frame + [UInt8](repeating: 0, count: padding)
            try check(bpf_map_update_elem(map, &key, template, 0), "store a template")
        }
    }

    /// Stores connections that this host opened, as if their handshakes had been seen.
    /// - Parameter packets: TCP, as the other side sends them.
    package func open(_ packets: [PacketDescription]) throws(KernelError) {
        // Programs that follow no connections have no room for them.
        guard !packets.isEmpty else { return }
        let seeding = try FlowSeeding(object)
        for packet in packets {
            let socket = ConnectedSocket(
                proto: .tcp, local: packet.destination, remote: packet.source,
                localPort: packet.destinationPort ?? 0, remotePort: packet.sourcePort ?? 0,
                isAccepted: false)
            guard try seeding.seed(socket, now: programClock()) else {
                throw KernelError("store connection \(packet.source)", code: ENOSPC)
            }
        }
    }

    /// Of the image.
    package var inspectorsSeed: UInt64 { object.config.inspectors_seed }

    /// Tells which flows the inspectors need.
    /// - Parameter scopes: compiled for the image, each a struct guard_sample_scope.
    package func tell(_ scopes: [[UInt8]]) throws(KernelError) {
        try state.setSampleScopes(scopes, seed: object.config.inspectors_seed)
    }

    /// Takes what is in the ring of samples, so that there is room again.
    package func drain() throws(KernelError) {
        guard let (descriptor, bytes) = try state.sampleRing() else { return }
        _ = try SampleRing(descriptor: descriptor, bytes: bytes, fromNow: true)
    }

    /// Packets so far by the reason that decided.
    package func packetsByReason() throws(KernelError) -> [String: UInt64] {
        try state.reasonCounts().reduce(into: [:]) { sums, cpu in
            for (name, count) in cpu { sums[name, default: 0] += count.total.packets }
        }
    }

    /// - Returns: nanoseconds of this thread's CPU time for one run, the average over `repeats` runs: unlike
    ///   the kernel's own figure it leaves out when something else had the CPU.
    package func nanoseconds(repeats: Int32) throws(KernelError) -> Double {
        let frame = [UInt8](repeating: 0, count: frameBytes)
        var options = bpf_test_run_opts()
        options.sz = optionsSize(upTo: \bpf_test_run_opts.duration)
        options.repeat = repeats
        let begin = threadNanoseconds()
        let result = frame.withUnsafeBytes { bytes in
            options.data_in = bytes.baseAddress
            options.data_size_in = UInt32(bytes.count)
            return bpf_prog_test_run_opts(object.program, &options)
        }
        let end = threadNanoseconds()
        try check(result, "time the program")
        return (end - begin) / Double(repeats)
    }
}

private func threadNanoseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}
