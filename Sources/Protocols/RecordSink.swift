// SPDX-License-Identifier: Apache-2.0
// The way out of a parser, and its bounded count of anomalies.
import NetworkTypes

/// What takes the records; it must not call the parser that hands them on.
public typealias RecordSink = (ProtocolRecord) -> Void

/// How many anomaly records a flow has had.
struct AnomalyReporter {
    /// Records that may still be handed on.
    private var left: Int
    /// Anomalies that were not handed on.
    private(set) var suppressed = 0

    init(limit: Int) { left = limit }

    /// Whether one more may be handed on; counts it either way.
    mutating func admits() -> Bool {
        if left > 0 { left &-= 1 } else { suppressed &+= 1 }
        return suppressed == 0
    }
}
