// SPDX-License-Identifier: Apache-2.0
// `top` on a terminal: however it ends, the terminal is as it was.
import Foundation
import Testing

extension LiveTests {
    @Suite struct TopTests {
        @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
        func `a signal ends top behind the screen that it had`(signal: Int32) throws {
            let net = try TwoHosts()
            try net.apply(Policies.plain + "default: pass\n")
            // Script gives it a terminal; the shell's number stays top's.
            let top = try Child(
                Command(
                    net.server.entering([
                        "script", "-qec", "echo $$; exec \(Product.path) top", "/dev/null",
                    ])))
            let isShown = eventually(within: 30) {
                top.outputLines(atLeast: 1_000, within: 0.1).contains { $0.contains("sorted by") }
            }
            let lines = top.outputLines(atLeast: 1)
            let process = try #require(lines.first.flatMap { pid_t($0.prefix(while: \.isNumber)) })
            #expect(isShown)
            kill(process, signal)
            let outcome = try top.finish()
            #expect(outcome.output.contains("\u{1b}[?1049h\u{1b}[?25l"))
            #expect(outcome.output.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"))
            #expect(outcome.exit == 128 + signal)
        }
    }
}
