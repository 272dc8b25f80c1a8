// SPDX-License-Identifier: Apache-2.0
// Compiles xdp/*.bpf.c with the toolchain's clang and embeds the objects: `swift build` gives one binary.
import PackagePlugin

@main
struct BPFBuild: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let xdp = context.package.directoryURL.appending(path: "xdp")
        let output = context.pluginWorkDirectoryURL.appending(path: "BPFImages.swift")
        let clang = try context.tool(named: "clang").url
        let names = [
            "abi/guard_abi.h", "abi/guard_addresses.h", "abi/guard_answers.h", "abi/guard_bans.h",
            "abi/guard_buckets.h", "abi/guard_classifier.h", "abi/guard_flows.h", "abi/guard_limited.h",
            "abi/guard_limits.h", "abi/guard_samples.h", "abi/guard_scopes.h", "abi/guard_words.h",
            "client_maps.bpf.h",
            "clock.bpf.c",
            "config.bpf.h", "dispatcher.bpf.c", "egress.bpf.c",
            "entry.bpf.c", "guard.bpf.c", "maps.bpf.h", "sample_maps.bpf.h", "stages/addresses.bpf.h",
            "stages/answer_frame.bpf.h", "stages/answered.bpf.h", "stages/answers.bpf.h", "stages/bans.bpf.h",
            "stages/buckets.bpf.h", "stages/classify.bpf.h", "stages/cookies.bpf.h", "stages/count.bpf.h",
            "stages/essential.bpf.h", "stages/fragments.bpf.h", "stages/limited.bpf.h",
            "stages/limits.bpf.h", "stages/syn_ack.bpf.h",
            "stages/packet.bpf.h", "stages/parse.bpf.h", "stages/payload.bpf.h", "stages/rows.bpf.h",
            "stages/rules.bpf.h", "stages/listeners.bpf.h", "stages/sockets.bpf.h",
            "stages/flow_drops.bpf.h", "stages/inspect.bpf.h", "stages/sample.bpf.h",
            "stages/sample_frame.bpf.h", "stages/scopes.bpf.h", "stages/search.bpf.h", "stages/spoofed.bpf.h",
            "stages/tables.bpf.h",
            "stages/flows.bpf.h", "stages/inbound.bpf.h", "stages/let_in.bpf.h", "stages/outbound.bpf.h",
            "stages/transport.bpf.h", "stages/tunnel.bpf.h", "stages/tuples.bpf.h",
        ]
        return [
            .buildCommand(
                displayName: "Compiling the XDP programs",
                executable: try context.tool(named: "bpfembed").url,
                arguments: [clang.path(), xdp.path(), output.path()],
                inputFiles: names.map { xdp.appending(path: $0) },
                outputFiles: [output])
        ]
    }
}
