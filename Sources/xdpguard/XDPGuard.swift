// SPDX-License-Identifier: Apache-2.0
// The command: one subcommand a file in Commands/. Words and exit codes are the contract of
// docs/operations.md.
import ArgumentParser
import Diagnostics
import Service

@main
struct XDPGuard: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "xdpguard",
        abstract:
            "An XDP packet-inspection firewall: one policy file, enforced before the kernel's network stack.",
        version: xdpguardVersion,
        subcommands: [
            Check.self, Apply.self, Detach.self, StatusCommand.self, Top.self, Events.self,
            ReplayCommand.self,
            BanCommand.self, Unban.self, Bans.self, SetCommand.self, Refresh.self, LimitsCommand.self,
            FlowsCommand.self, SignaturesCommand.self, RunCommand.self, InspectorWorker.self,
            VersionCommand.self,
        ])

    static func main() {
        let words = CommandLine.arguments.dropFirst()
        if words.first == "help", let unknown = unknownCommand(words.dropFirst()) {
            exit(withError: ValidationError("there is no command '\(printable(unknown))'"))
        }
        main(nil)
    }

    /// What ArgumentParser's own `help` would answer with the help of what it knows.
    private static func unknownCommand(_ words: ArraySlice<String>) -> String? {
        var command: any ParsableCommand.Type = Self.self
        for word in words where !word.hasPrefix("-") {
            let found = command.configuration.subcommands.first { $0._commandName == word }
            guard let found else { return command == Self.self && word == "help" ? nil : word }
            command = found
        }
        return nil
    }

    func run() throws { throw ValidationError("name a command") }
}

/// How a command prints its results.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

struct OutputOption: ParsableArguments {
    @Option(name: .long, help: "Print results as text or as JSON.")
    var output: OutputFormat = .text
}

extension ParsableCommand {
    /// Runs a command's work; what it throws is told on standard error and becomes the exit code.
    func reporting(_ work: (inout StandardOutput) throws -> Void) throws {
        var output = StandardOutput()
        do {
            do {
                try work(&output)
                try output.flush()
            } catch {
                // What was printed before stays printed; its own failure is told below.
                try output.flush()
                throw error
            }
        } catch let exit as ExitCode {
            throw exit
        } catch {
            let failure = ServiceError(wrapping: error)
            StandardError.write(
                failure.isDiagnostics ? failure.message : "xdpguard: error: \(failure.message)\n")
            throw ExitCode(failure.status.rawValue)
        }
    }
}
