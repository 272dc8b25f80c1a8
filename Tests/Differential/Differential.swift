// SPDX-License-Identifier: Apache-2.0
// `differential`: random situations through the evaluators, which must agree on every packet. Exit 1 where
// they do not, after the situation was made small and printed.
import ArgumentParser
import Glibc
import MapCompiler
import TestSupport

@main
struct Differential: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "differential",
        abstract: "Compare the evaluators on random packets under random policies.")

    @Option(help: "Repeats a run; each situation has the next seed.")
    var seed: UInt64 = .random(in: 0...UInt64.max)

    @Option(help: "Ends behind this many packets.")
    var packets: Int = 1_000_000

    @Option(help: "Runs for this time, whatever the number of packets.")
    var minutes: Double?

    @Option(help: "Engines to compare, with commas: model, native, kernel. The first one is the measure.")
    var engines = "model,native,kernel"

    @Option(help: "What searches the rules: automatic, bit-vectors, tuple-space or entries-alone.")
    var classifier = "automatic"

    @Option(help: "Packets under one policy.")
    var frames: Int?

    @Option(help: "Threads.")
    var jobs: Int = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    @Option(help: "A folder with captures whose frames come broken, beside random ones.")
    var captures = CapturedFrames.besideCheckout

    @Option(help: "Writes the small situation as a replay case into this folder.")
    var write: String?

    func validate() throws {
        if packets < 1 || frames ?? 1 < 1 || jobs < 1 || minutes ?? 1 <= 0 {
            throw ValidationError("--packets, --frames, --jobs and --minutes are above zero")
        }
        guard ClassifierChoice(rawValue: classifier) != nil else {
            let names = ClassifierChoice.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--classifier names '\(classifier)': write one of \(names)")
        }
    }

    func run() async throws {
        let plan = try plan()
        print(header(plan))
        // A crash must not take the seed with it.
        fflush(nil)
        let start = ContinuousClock.now
        let result = await Run(plan).run()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let packets = result.coverage.packets
        let rate = seconds > 0 ? Int(Double(packets) / seconds) : 0
        print(
            "\(packets) packets under \(result.situations) policies in \((seconds * 10).rounded() / 10) s: "
                + "\(rate) packets/s")
        print(result.coverage.text)
        let missing = result.coverage.missing
        if !missing.isEmpty { print("never met: " + missing.joined(separator: ", ")) }
        guard let failure = result.failure else { return print("no mismatch") }
        try report(failure, plan)
        throw ExitCode(1)
    }

    private func plan() throws -> RunPlan {
        let chosen = try chosenEngines()
        let hasKernel = chosen.contains(.kernel)
        let choice = ClassifierChoice(rawValue: classifier) ?? .automatic
        var plan = RunPlan(seed: seed, engines: chosen.map { $0.with(choice) })
        plan.classifier = choice
        // Compiling a policy takes milliseconds, loading its program some 100: worth it for many packets.
        plan.framesPerSituation = frames ?? (hasKernel ? 50_000 : 4000)
        if let minutes {
            plan.deadline = .now + .seconds(minutes * 60)
        } else {
            plan.packets = packets
        }
        plan.jobs = jobs
        plan.captured = CapturedFrames.read(below: captures)
        return plan
    }

    func chosenEngines() throws -> [EngineChoice] {
        var chosen: [EngineChoice] = []
        for name in engines.split(separator: ",") {
            switch name {
            case "model": chosen.append(.model)
            case "native": chosen.append(.native(linearBytes: nil))
            case "kernel" where KernelTests.areWanted: chosen.append(.kernel)
            case "kernel": print("kernel engine skipped: XDPGUARD_TEST_UNPRIVILEGED=1")
            default:
                throw ValidationError("--engines names '\(name)': write model, native or kernel, with commas")
            }
        }
        guard chosen.count > 1, Set(chosen).count == chosen.count else {
            throw ValidationError("--engines names one engine: two are needed to compare, as in model,native")
        }
        return chosen
    }

    private func header(_ plan: RunPlan) -> String {
        let names = plan.engines.map(\.name).joined(separator: ", ")
        let frames = "\(plan.framesPerSituation) packets a policy, \(plan.captured.count) captured frames"
        return "differential: seed \(plan.seed), engines \(names), \(frames), \(plan.jobs) threads"
    }
}

// A failure in words.
extension Differential {
    private func report(_ failure: Failure, _ plan: RunPlan) throws {
        print(
            "\nFAILED with seed \(failure.seed). To repeat it: differential --seed \(failure.seed)",
            terminator: "")
        print(" --packets 1 --frames \(plan.framesPerSituation) --engines \(engines)", terminator: "")
        print(" --classifier \(classifier) --captures \(captures)")
        guard let engines = failure.engines else {
            return print("\(failure.description)\nunder the policy:\n\(failure.situation.draft.text)")
        }
        let small = try Small(failure.situation, engines)
        print(small.text)
        guard let write else { return }
        try CaseFolder(small.situation, title: "Found by differential with seed \(failure.seed).").write(
            to: write)
        print("written to \(write)")
    }
}

/// A failing situation made small.
struct Small {
    let situation: RandomSituation
    let mismatch: Mismatch

    /// - Parameter engines: two that differ in this situation.
    init(_ situation: RandomSituation, _ engines: [EngineChoice]) throws {
        let hasKernel = engines.contains { $0.name.hasPrefix("kernel") }
        let allowed: Duration = hasKernel ? .seconds(180) : .seconds(60)
        let shrinker = Shrinker(situation, allowed: allowed) { candidate in
            guard let policy = try? candidate.draft.load() else { return nil }
            return try? candidate.firstMismatch(of: engines, policy)
        }
        guard var shrinker else {
            throw DifferentialError(
                description:
                    "the engines agree when asked again: an answer depends on more than the situation")
        }
        shrinker.shrink()
        self.situation = shrinker.best
        mismatch = shrinker.mismatch
    }

    /// The policy, the frames with their times, and what each engine says of the last one.
    var text: String {
        var lines = ["policy:"]
        lines += situation.draft.text.split(separator: "\n").map { "    \($0)" }
        if !situation.bans.isEmpty { lines.append("bans: \(situation.bans)") }
        lines.append("lines of buckets: \(situation.bucketLines)")
        if !situation.sampleScopes.isEmpty { lines.append("scopes: \(situation.sampleScopes)") }
        if !situation.ownAddresses.isEmpty { lines.append("own addresses: \(situation.ownAddresses)") }
        for (index, frame) in situation.frames.enumerated() {
            let interface = (frame.interface.map { " on \($0)" } ?? "") + (frame.isSent ? ", sent" : "")
            lines.append(
                "frame \(index + 1) at \(seconds(frame.timeNanoseconds)) s\(interface): \(hex(frame.bytes))")
        }
        for (engine, answer) in zip(mismatch.pair, mismatch.answers) {
            lines.append("\(engine.name) of frame \(mismatch.frame + 1): \(answer)")
        }
        return lines.joined(separator: "\n")
    }
}

/// What keeps a failure from being shown.
struct DifferentialError: Error, CustomStringConvertible {
    var description: String
}
