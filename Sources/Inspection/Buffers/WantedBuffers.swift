// SPDX-License-Identifier: Apache-2.0
// Which buffers an engine's signatures look at: asked for each field of each transaction, so it is a bit set.
import SignatureMatching
import Signatures

struct WantedBuffers {
    private var bits: [Bool]

    init(_ engine: SignatureEngine) {
        bits = Buffer.allCases.map { engine.wants($0) }
    }

    func contains(_ buffer: Buffer) -> Bool {
        guard let index = Self.places[buffer] else { return false }
        return bits[index]
    }

    private static let places = Dictionary(
        uniqueKeysWithValues: Buffer.allCases.enumerated().map { ($1, $0) })
}
