// SPDX-License-Identifier: Apache-2.0
// `replay POLICY PCAP...`: captures through an evaluator.
import ArgumentParser
import Capture
import Diagnostics
import Inspection
import JSONOutput
import NetworkTypes
import PolicyLanguage
import Replay
import Service
import SignatureMatching

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Run captures through a policy, on the captures' own clock.")

    enum Checksums: String, ExpressibleByArgument, CaseIterable { case verify, ignore }
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
    @Flag(name: .long, help: "Inspect the payload of what rules with 'inspect' let in.") var inspect = false
    @Option(
        name: .long,
        help: """
            With --inspect: TCP segments with a wrong checksum are in no stream, as their receiver leaves \
            them out, or taken, as for captures of a host whose network card computes them.
            """)
    var checksums: Checksums = .verify
    @Flag(name: .long, help: "Only the sums: neither packets nor events.") var quiet = false
    @Option(
        name: .long,
        help: """
            With --inspect: the folder where compiled signatures are kept from one replay to the next, in \
            place of the usual one.
            """)
    var signatureCache: String?
    @Option(name: .long, help: .hidden) var write: String?
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            if write != nil { throw ServiceError(.unavailable, "--write is not supported by this version") }
            let hosts = try host.map(parsePrefix)
            let bans = try ban.map(parsePrefix)
            let (checked, inspection, options) = try load()
            for ban in bans where checked.neverBan.touches(ban) {
                StandardError.write(
                    "xdpguard: warning: '\(ban)' touches addresses of 'never-ban', where no ban holds\n")
            }
            switch engine {
            case .native:
                let engine = try NativeReplayEngine(policy: checked, bans: bans, options: options)
                try replay(
                    ReplayRun(engine: engine, hosts: hosts, device: dev, inspection: inspection), &output)
            case .model:
                let engine = ModelReplayEngine(policy: checked, bans: bans, options: options)
                try replay(
                    ReplayRun(engine: engine, hosts: hosts, device: dev, inspection: inspection), &output)
            case .kernel:
                try requirePrivileges(for: "replay --engine kernel (--engine native needs none)")
                let engine = try KernelReplayEngine(policy: checked, bans: bans, options: options)
                try replay(
                    ReplayRun(engine: engine, hosts: hosts, device: dev, inspection: inspection), &output)
            }
        }
    }

    /// Signature files are read once: compiled where they are inspected with, else only checked.
    private func load() throws -> (
        policy: CheckedPolicy, inspection: ReplayInspection?, engine: EngineOptions
    ) {
        var engine = EngineOptions()
        guard inspect else {
            return (try loadReplayedPolicy(policy) { StandardError.write($0) }, nil, engine)
        }
        var settings = SignatureEngine.Settings()
        settings.cache = signatureCache.map(namedCache) ?? Service.signatureCache()
        let (checked, plan) = try loadReplayedPolicy(policy, settings) { StandardError.write($0) }
        tellOfCache(plan)
        engine.sampleScopes = plan.sampleScopes(of: checked)
        do throws(InspectionError) {
            var options = InspectionOptions()
            options.verifyChecksums = checksums == .verify
            // What nobody reads is not made.
            options.writesProtocolEvents = !quiet
            options.writesFlowEvents = !quiet
            return (checked, ReplayInspection(try PayloadInspector(plan: plan, options: options)), engine)
        } catch {
            throw ServiceError(.unavailable, error.description)
        }
    }

    /// Without it the replay goes on: compiling takes longer, that is all.
    private func namedCache(_ folder: String) -> DatabaseCache? {
        do throws(UnusableSignatureCache) {
            return try Service.signatureCache(in: folder)
        } catch {
            warnOfCache(error.reason)
            return nil
        }
    }

    private func tellOfCache(_ plan: InspectionPlan) {
        for inspector in plan.inspectors {
            guard case .notWritten(let reason)? = inspector.signatures?.engine.cacheOutcome else { continue }
            return warnOfCache(reason)
        }
    }

    /// Only of a folder that was asked for.
    private func warnOfCache(_ reason: String) {
        guard let signatureCache else { return }
        StandardError.write(
            "xdpguard: warning: compiled signatures are not kept in '\(printable(signatureCache))': "
                + "\(printable(reason))\n")
    }

    /// Judges what can be read; the sums come last, also where a capture is broken.
    private func replay<E: ReplayEngine>(_ run: ReplayRun<E>, _ output: inout StandardOutput) throws {
        var run = run
        run.describes = !quiet
        var failure: CaptureError?
        for path in captures {
            if captures.count > 1 { run.begin(capture: path == "-" ? "standard input" : path) }
            failure = try judgeAll(path, &run, &output)
            if failure != nil { break }
        }
        if let failure, case .missing = failure, run.summary.packets == 0 { throw ServiceError(failure) }
        var unwritten: (any Error)?
        run.finish { events in
            guard unwritten == nil else { return }
            do { try tell(events, &output) } catch { unwritten = error }
        }
        if let unwritten { throw unwritten }
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
        // An option's own getter costs more than reading a packet.
        let (isQuiet, form) = (quiet, format.output)
        do {
            var reader = try CaptureReader(path: path)
            while let frame = try reader.next() {
                guard !isQuiet else {
                    try run.take(frame)
                    continue
                }
                let packet = try run.judge(frame)
                switch form {
                case .json: try output.json(packet.json)
                case .text: try output.line(packet.text)
                }
                try tell(run.takeEvents(), &output)
            }
            return nil
        } catch let error as CaptureError {
            return error
        }
    }
}

extension ReplayCommand {
    /// The inspector's events: EVE lines, or for people what is worth a line.
    private func tell(_ events: [InspectionEvent], _ output: inout StandardOutput) throws {
        guard !quiet else { return }
        for event in events {
            switch format.output {
            case .json: try output.json(event.json)
            case .text: try output.line(event.text)
            }
        }
    }
}

extension ServiceError {
    init(_ error: CaptureError) {
        let text = error.message + (error.help.map { "; \($0)" } ?? "")
        self.init(ExitStatus(rawValue: error.exitCode) ?? .wrongInput, printable(text))
    }
}
