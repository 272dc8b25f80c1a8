// SPDX-License-Identifier: Apache-2.0
// What one call of the inspector gave: EVE events in order, and findings to act upon. The caller keeps the
// value and empties it, so that its memory is used again.

/// Events and findings since it was last emptied.
public struct InspectionOutcome: Sendable {
    public var events: [InspectionEvent] = []
    public var findings: [Finding] = []

    public init() {}

    public var isEmpty: Bool { events.isEmpty && findings.isEmpty }

    public mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        findings.removeAll(keepingCapacity: true)
    }
}
