// SPDX-License-Identifier: Apache-2.0
// `flood`: floods against the native datapath on virtual time, and what they must not do to others. A line
// for each claim; exit 1 where one does not hold.
import ArgumentParser
import Glibc
import TestSupport

@main
struct Flood: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood", abstract: "Flood the datapath on virtual time and look at who is hurt.")

    @Argument(help: "Only claims whose names hold one of these words, as in rates or bans.")
    var names: [String] = []

    @Flag(help: "A tenth of the packets; for each rate a quarter.")
    var quick = false

    @Flag(help: "A minute of virtual time for the first claim: four times its packets.")
    var minute = false

    @Option(help: "Chooses sources, sizes and times.")
    var seed: UInt64 = 5

    func run() throws {
        let size = FloodSize(seed: seed, isQuick: quick, isMinute: minute)
        print("flood: seed \(seed)\(quick ? ", a tenth of the packets" : "")")
        var failed = 0
        var watched: [(name: String, memory: MemoryWatch)] = []
        for (name, claim) in names.isEmpty ? claims() : claims() + inspectorClaims where isWanted(name) {
            let start = ContinuousClock.now
            let outcome = try claim(size)
            let seconds = fixed((ContinuousClock.now - start) / .seconds(1), 1)
            print("\(outcome.holds ? "holds" : "FAILS"): \(name): \(outcome.figures) [\(seconds) s]")
            fflush(nil)
            failed += outcome.holds ? 0 : 1
            watched.append((name, outcome.memory))
        }
        failed += reportMemory(watched) ? 0 : 1
        print(failed == 0 ? "all claims hold" : "\(failed) failed")
        if failed > 0 { throw ExitCode(1) }
    }

    private func isWanted(_ name: String) -> Bool {
        names.isEmpty || names.contains { name.contains($0) }
    }

    private func claims() -> [(String, (FloodSize) throws -> Outcome)] {
        ClientsFlood.all.map { flood in (flood.name, flood.run) } + [
            ("rates", RatesClaim.run), ("connections", ConnectionsClaim.run), ("marks", MarksClaim.run),
            ("bans", BansClaim.run),
        ]
    }

    /// Only by name: they take minutes.
    private var inspectorClaims: [(String, (FloodSize) throws -> Outcome)] {
        InspectionFlood.all.map { flood in (flood.name, flood.run) }
    }

    /// - Returns: whether memory was flat in each.
    private func reportMemory(_ watched: [(name: String, memory: MemoryWatch)]) -> Bool {
        let isFlat = watched.allSatisfy { $0.memory.isFlat }
        let figures = watched.map { name, memory in
            "\(name) \(grouped(memory.before)) and \(grouped(memory.after))"
        }
        print(
            "\(isFlat ? "holds" : "FAILS"): memory: resident KiB half-way and at the end: "
                + figures.joined(separator: ", "))
        return isFlat
    }
}
