// SPDX-License-Identifier: Apache-2.0
// `detection`: the protocol detector against ndpiReader. `agree [WORD...]` compares with the answers under
// ../shared/data, `walk FILE...` reads captures as `agree` does and says how fast, `speed FILE...` measures
// both programs in one run, `mutate SEED` bends every capture. Exit 1 where less than 99 % of the flows agree
// or the speed is below 0.9.

import Glibc
import ProtocolDetection
import TestSupport

@main
enum Detection {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "agree": try agree(Array(arguments.dropFirst()))
            case "walk" where arguments.count > 1: try walk(Array(arguments.dropFirst()))
            case "speed" where arguments.count > 1: try speed(Array(arguments.dropFirst()))
            case "mutate" where arguments.count == 2:
                let total = try Mutation.run(seed: UInt64(arguments[1]) ?? 1)
                print("\(total.packets) packets of \(total.flows) flows")
            default: fail("use 'agree [WORD...]', 'walk FILE...', 'speed FILE...' or 'mutate SEED'", 64)
            }
        } catch {
            fail("\(error)", 65)
        }
    }

    /// Words choose captures by path; `payload-only` shows the detector no empty TCP packets.
    private static func agree(_ words: [String]) throws {
        let feeding = words.compactMap { Feeding(rawValue: $0) }.first ?? .all
        let names = words.filter { Feeding(rawValue: $0) == nil }
        var agreement = Agreement()
        for (path, rows) in try ExpectedFlows.read() where isWanted(path, names) {
            try agreement.compare(path, rows, feeding: feeding)
        }
        for line in agreement.report(classes: 200) { print(line) }
        if agreement.share < 0.99 { exit(1) }
    }

    private static func isWanted(_ path: String, _ names: [String]) -> Bool {
        names.isEmpty || names.contains { path.contains($0) }
    }

    private static func walk(_ paths: [String]) throws {
        for path in paths {
            let start = Seconds.now
            let (packets, flows) = try Walk.run(path)
            let seconds = Seconds.now - start
            print(
                "\(path): \(packets) packets, \(flows) flows, \(seconds) s, \(Double(packets) / seconds) pps")
        }
    }

    private static func speed(_ paths: [String]) throws {
        var isSlow = false
        for path in paths {
            let comparison = try SpeedComparison(path, runs: 7)
            print(comparison.text)
            isSlow = isSlow || comparison.ratio < 0.9
        }
        if isSlow { exit(1) }
    }

    private static func fail(_ text: String, _ code: Int32) -> Never {
        let line = Array("detection: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(code)
    }
}
