// SPDX-License-Identifier: Apache-2.0
// Which buffers signatures look at: asked for each field of each transaction.
import SignatureMatching
import Signatures

struct WantedBuffers {
    private let engine: SignatureEngine
    /// Engines of a flow's other inspectors: hardly ever any.
    private var others: [SignatureEngine] = []

    init(_ engine: SignatureEngine) { self.engine = engine }

    func contains(_ buffer: Buffer) -> Bool {
        engine.wants(buffer) || !others.isEmpty && others.contains { $0.wants(buffer) }
    }

    func union(_ more: WantedBuffers) -> WantedBuffers {
        var union = self
        union.others.append(more.engine)
        union.others += more.others
        return union
    }
}
