// SPDX-License-Identifier: Apache-2.0
// The signatures of one inspector, ready to run: engine, matcher, and the rates of threshold.config.
import SignatureMatching
import Signatures

/// What a worker runs for one inspector of the policy.
final class InspectorSignatures {
    let matcher: SignatureMatcher
    let wanted: WantedBuffers
    var rates: AlertRates
    /// Some signature asks how long a stream is.
    let testsStreamSizes: Bool

    var engine: SignatureEngine { matcher.engine }
    /// Counts and bits of hosts that gave way to others.
    var forgotten: UInt64 { matcher.memory.forgotten &+ rates.forgotten }

    /// - Parameter former: what it remembers of hosts and has counted goes on.
    init(
        _ engine: SignatureEngine, thresholds: [ThresholdFile], after former: InspectorSignatures?
    ) throws(SignatureEngineError) {
        matcher = try SignatureMatcher(engine, after: former?.matcher)
        wanted = WantedBuffers(engine)
        rates = AlertRates(
            thresholds, rated: Set(engine.signatures.filter(\.hasRate).map { SignatureID($0) }))
        testsStreamSizes = engine.signatures.contains { signature in
            signature.protocolTests.contains { if case .streamSize = $0 { true } else { false } }
        }
    }
}
