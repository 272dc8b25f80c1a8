// SPDX-License-Identifier: Apache-2.0
// `detach`: removes what was attached and pinned.
import ArgumentParser
import JSONOutput
import Service

struct Detach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Remove the policy from interfaces; with the last one, everything that was attached and pinned.")

    @Option(name: .long, help: "Interface or glob (repeatable); without it all.")
    var dev: [String] = []
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let names = try Service.detach(dev) { StandardError.write($0) }
            switch format.output {
            case .json: try output.json(.object([("detached", .array(names.map(JSONValue.string)))]))
            case .text:
                try output.line(
                    names.isEmpty ? "nothing was attached" : "detached from \(names.joined(separator: ", "))")
            }
        }
    }
}
