// SPDX-License-Identifier: Apache-2.0
// `replay POLICY PCAP...`: captures through an evaluator.
import ArgumentParser
import Capture
import Diagnostics
import JSONOutput
import NetworkTypes
import PolicyLanguage
import Replay
import Service

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Run captures through a policy, on the captures' own clock.")

    enum Engine: String, ExpressibleByArgument, CaseIterable { case kernel, native, model }

    @Argument(help: "The policy file.") var policy: String
    @Argument(help: "Captures: pcap or pcapng; - is standard input.") var captures: [String]
    @Option(
        name: .long,
        help: """
            The evaluator: the XDP program's code compiled for this host, the program in the kernel (needs \
            privileges), or the reference model.
            """)
    var engine: Engine = .native
    @Option(name: .long, help: "Address or prefix of this host (repeatable): packets from it are outbound.")
    var host: [String] = []
    @Option(name: .long, help: "Banned from the start (repeatable).") var ban: [String] = []
    @Option(name: .long, help: "The interface that packets come in on.") var dev: String?
    @Flag(name: .long, help: .hidden) var inspect = false
    @Option(name: .long, help: .hidden) var write: String?
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            if inspect { throw ServiceError(.unavailable, "--inspect is not supported by this version") }
            if write != nil { throw ServiceError(.unavailable, "--write is not supported by this version") }
            let hosts = try host.map(parsePrefix)
            let bans = try ban.map(parsePrefix)
            let checked = try loadRunnablePolicy(policy) { StandardError.write($0) }
            for ban in bans where checked.neverBan.touches(ban) {
                StandardError.write(
                    "xdpguard: warning: '\(ban)' touches addresses of 'never-ban', where no ban holds\n")
            }
            switch engine {
            case .native:
                let engine = try NativeReplayEngine(policy: checked, bans: bans)
                try replay(ReplayRun(engine: engine, hosts: hosts, device: dev), &output)
            case .model:
                let engine = ModelReplayEngine(policy: checked, bans: bans)
                try replay(ReplayRun(engine: engine, hosts: hosts, device: dev), &output)
            case .kernel:
                try requirePrivileges(for: "replay --engine kernel (--engine native needs none)")
                let engine = try KernelReplayEngine(policy: checked, bans: bans)
                try replay(ReplayRun(engine: engine, hosts: hosts, device: dev), &output)
            }
        }
    }

    /// Judges what can be read; the sums come last, also where a capture is broken.
    private func replay<E: ReplayEngine>(_ run: ReplayRun<E>, _ output: inout StandardOutput) throws {
        var run = run
        var failure: CaptureError?
        for path in captures {
            failure = try judgeAll(path, &run, &output)
            if failure != nil { break }
        }
        if let failure, case .missing = failure, run.summary.packets == 0 { throw ServiceError(failure) }
        switch format.output {
        case .json: try output.json(run.summary.json)
        case .text: try output.line(run.summary.text)
        }
        if let failure { throw ServiceError(failure) }
    }
}

extension ReplayCommand {
    /// - Returns: why the capture could not be read to its end; nil where it could.
    private func judgeAll<E: ReplayEngine>(
        _ path: String, _ run: inout ReplayRun<E>, _ output: inout StandardOutput
    ) throws -> CaptureError? {
        do {
            var reader = try CaptureReader(path: path)
            while let frame = try reader.next() {
                let packet = try run.judge(frame)
                switch format.output {
                case .json: try output.json(packet.json)
                case .text: try output.line(packet.text)
                }
            }
            return nil
        } catch let error as CaptureError {
            return error
        }
    }
}

extension ServiceError {
    init(_ error: CaptureError) {
        let text = error.message + (error.help.map { "; \($0)" } ?? "")
        self.init(ExitStatus(rawValue: error.exitCode) ?? .wrongInput, printable(text))
    }
}
