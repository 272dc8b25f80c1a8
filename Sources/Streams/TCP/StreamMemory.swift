// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what all connections together may hold. One of it for each tracker.

/// Counts bytes that wait or are kept for comparing.
final class StreamMemory {
    private(set) var used = 0
    let limit: Int
    /// What a piece costs beside its bytes: the array's header and its place in the queue.
    static let pieceCost = 64

    init(limit: Int) { self.limit = limit }

    /// - Returns: false where there is no room, and nothing was taken.
    func take(_ count: Int) -> Bool {
        guard used + count <= limit else { return false }
        used += count
        return true
    }

    func giveBack(_ count: Int) { used -= count }
}
