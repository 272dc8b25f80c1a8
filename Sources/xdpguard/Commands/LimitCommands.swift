// SPDX-License-Identifier: Apache-2.0
// `limits`, `limits top`, `limits show`: who is being limited.
import ArgumentParser
import Diagnostics
import JSONOutput
import NetworkTypes
import Service

struct LimitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits", abstract: "Show the running policy's rate limits and who is limited.",
        discussion: """
            Without a subcommand: every limit with what it passed and dropped; '--output json' prints it as \
            JSON ('--output text' is the default).
            """,
        subcommands: [LimitsList.self, LimitsTop.self, LimitsShow.self], defaultSubcommand: LimitsList.self)
}

struct LimitsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the limits: rate, burst, what they passed and dropped.",
        shouldDisplay: false)
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let report = try LimitService(for: "limits").report()
            switch format.output {
            case .json: try output.json(report.json)
            case .text: for line in report.lines { try output.line(line) }
            }
        }
    }
}

struct LimitsTop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "List clients that are limited now, most dropped packets first.")
    @Option(name: .long, help: "At most so many clients.") var count = 20
    @OptionGroup var format: OutputOption

    func validate() throws {
        guard count >= 1, count <= 100_000 else { throw ValidationError("--count is from 1 to 100000") }
    }

    func run() throws {
        try reporting { output in
            let found = try LimitService(for: "limits top").top(count: count)
            switch format.output {
            case .json:
                try output.json(
                    .object([
                        ("clients", .array(found.clients.map(\.json))),
                        ("limited", .integer(Int64(found.total))),
                    ]))
            case .text:
                for line in limitedLines(found.clients) { try output.line(line) }
                let rest = found.total - found.clients.count
                if rest > 0 { try output.line("and \(rest) more: --count \(found.total) shows all") }
            }
        }
    }
}

struct LimitsShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say how an address stands with each limit: tokens left, drops, bans.")
    @Argument(help: "The address, as in 203.0.113.7 or 2001:db8::7.") var address: String
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            guard let asked = IPAddress(address) else {
                throw ServiceError(
                    .usage,
                    "'\(printable(address))' is no address; write one, as in 203.0.113.7 or 2001:db8::7")
            }
            let report = try LimitService(for: "limits show").show(asked)
            switch format.output {
            case .json: try output.json(report.json)
            case .text: for line in report.lines { try output.line(line) }
            }
        }
    }
}
