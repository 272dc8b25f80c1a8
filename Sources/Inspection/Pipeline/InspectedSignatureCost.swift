// SPDX-License-Identifier: Apache-2.0
// What one signature cost in a run: for `signatures profile`.
import SignatureMatching
import Signatures

/// The cost of one signature.
public struct InspectedSignatureCost: Sendable {
    /// The policy's inspector that looked for it.
    public var inspector: String
    public var id: SignatureID
    public var message: String
    /// How often it was tried, after the prefilter let it through.
    public var tries: UInt64
    public var matches: UInt64
    public var nanoseconds: UInt64

    init(inspector: String, signature: Signature, cost: SignatureCost) {
        self.inspector = inspector
        id = SignatureID(signature)
        message = signature.message
        tries = cost.count
        matches = cost.matches
        nanoseconds = cost.nanoseconds
    }
}
