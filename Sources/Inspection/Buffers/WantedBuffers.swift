// SPDX-License-Identifier: Apache-2.0
// Which buffers an engine's signatures look at: asked for each field of each transaction.
import SignatureMatching
import Signatures

struct WantedBuffers {
    private let engine: SignatureEngine

    init(_ engine: SignatureEngine) { self.engine = engine }

    func contains(_ buffer: Buffer) -> Bool { engine.wants(buffer) }
}
