// SPDX-License-Identifier: Apache-2.0
// `top`: live counters, or one report with --once.
import ArgumentParser
import Glibc
import JSONOutput
import Service

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch packets, bits and drops by reason, rule, source and CPU.",
        discussion:
            "Keys: q quits, s sorts (packets, bits, drops), space pauses, + and - change the interval."
    )

    @Flag(name: .long, help: "Print one report and end.") var once = false
    @Option(name: .long, help: "Seconds between readings.") var interval = 1.0
    @OptionGroup var format: OutputOption

    func validate() throws {
        guard interval >= 0.1, interval <= 3600 else {
            throw ValidationError("--interval is from 0.1 to 3600 seconds")
        }
    }

    func run() throws {
        try reporting { output in
            let reader = try CounterReader()
            if once { return try report(reader, &output) }
            if format.output == .json { return try stream(reader, &output) }
            guard StandardOutput.isTerminal, isatty(STDIN_FILENO) == 1 else {
                throw ServiceError(
                    .usage, "top needs a terminal; use --once, or --output json for a line each interval")
            }
            var screen = TopScreen(reader: reader, interval: interval)
            if let ending = try screen.run() { EndingSignals.end(by: ending) }
        }
    }

    private func report(_ reader: CounterReader, _ output: inout StandardOutput) throws {
        let before = try reader.read()
        usleep(UInt32(interval * 1e6))
        let report = TopReport(from: before, to: try reader.read(), sourceLimit: 10)
        switch format.output {
        case .json: try output.json(report.json)
        case .text: for line in report.lines(order: .packets, limit: .max) { try output.line(line) }
        }
    }

    /// A line each interval until the reader goes away.
    private func stream(_ reader: CounterReader, _ output: inout StandardOutput) throws {
        var before = try reader.read()
        while true {
            usleep(UInt32(interval * 1e6))
            let now = try reader.read()
            try output.json(TopReport(from: before, to: now, sourceLimit: 10).json)
            try output.flush()
            before = now
        }
    }
}
