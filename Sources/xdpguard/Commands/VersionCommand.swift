// SPDX-License-Identifier: Apache-2.0
// `version`.
import ArgumentParser
import JSONOutput
import Service

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            switch format.output {
            case .json: try output.json(.object([("version", .string(xdpguardVersion))]))
            case .text: try output.line("xdpguard \(xdpguardVersion)")
            }
        }
    }
}
