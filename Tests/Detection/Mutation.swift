// SPDX-License-Identifier: Apache-2.0
// Captures as an attacker would bend them: changed bytes, cut packets, other ports. In: every capture of the
// answers, a seed. Out: how many packets nDPI looked at without harm; a crash ends the program, and the line
// before it names the capture and the seed.

import Capture
import ProtocolDetection
import TestSupport

struct Mutation {
    private var generator: SeededGenerator
    /// Ports whose guess makes nDPI free TLS's texts, and ports that start its larger dissectors.
    private static let ports: [UInt16] = [53, 88, 443, 465, 853, 993, 995, 5060, 5222, 6881]

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// Every capture once.
    static func run(seed: UInt64) throws -> (packets: UInt64, flows: UInt64) {
        var mutation = Mutation(seed: seed)
        var total: (packets: UInt64, flows: UInt64) = (0, 0)
        for (path, _) in try ExpectedFlows.read() {
            print("seed \(seed): \(path)")
            var reader = try ReaderFlows()
            do throws(CaptureError) {
                try reader.read("\(SharedData.folder ?? "")/\(path)") { mutation.change(&$0) }
            } catch { continue }
            for flow in reader.flows { _ = flow.detection?.finish() }
            total.packets += reader.detector.counters.packets
            total.flows += reader.detector.counters.flows
        }
        return total
    }

    /// Changes every other frame, mostly in its payload; lengths that lie would end at the gate, so an IPv4
    /// packet that is cut says so.
    private mutating func change(_ frame: inout [UInt8]) {
        guard frame.count > 42, generator.chance(50) else { return }
        if generator.chance(20) {
            let port = Self.ports[generator.below(Self.ports.count)]
            let offset = generator.chance(50) ? 34 : 36
            frame[offset] = UInt8(port >> 8)
            frame[offset + 1] = UInt8(truncatingIfNeeded: port)
        }
        for _ in 0..<generator.below(8) {
            let offset = 42 + generator.below(frame.count - 42)
            let special: [UInt8] = [0, 0x7f, 0x80, 0xff]
            frame[offset] = generator.chance(50) ? special[generator.below(4)] : UInt8(generator.below(256))
        }
        if generator.chance(30), frame[12] == 8, frame[13] == 0 {
            let length = 28 + generator.below(frame.count - 41)
            frame[16] = UInt8(truncatingIfNeeded: length >> 8)
            frame[17] = UInt8(truncatingIfNeeded: length)
        }
    }
}
