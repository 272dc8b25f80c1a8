// SPDX-License-Identifier: Apache-2.0
// `events`: packets that rules with `log:` logged.
import ArgumentParser
import Diagnostics
import JSONOutput
import Service

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the packets that rules with 'log' logged, as text or as Suricata EVE JSON lines.",
        discussion: "Each logged packet is printed once, by whoever reads first.")

    @Flag(name: .long, help: "Go on until interrupted.") var follow = false
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            var log = try PacketLog()
            repeat {
                for event in try log.next(milliseconds: follow ? 500 : 0) {
                    switch format.output {
                    case .json: try output.json(event.eve)
                    case .text: try output.line(event.text)
                    }
                }
                try output.flush()
            } while follow
        }
    }
}
