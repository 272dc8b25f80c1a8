// SPDX-License-Identifier: Apache-2.0
// What a direction's newest stream bytes were worth a look for: where a chunk follows another, the signatures
// that may stand across the border are known without a second scan of both.

import Signatures

/// Signatures whose literals stand in the last `reach` bytes of one direction, or a little before.
struct RecentCandidates {
    /// Bytes that a border looks back at, at most.
    private static let reach = 2048
    /// Signatures remembered of as many bytes; with more, borders are scanned whole.
    static let most = 64

    private var older: [UInt32] = []
    private var newer: [UInt32] = []
    private var newerBytes = 0
    private var isOverfull = (older: false, newer: false)
    /// What the bytes were known to be; where that changes, other signatures are meant than before.
    private var application: ApplicationProtocol?
    private var isUnused = true

    /// A chunk was looked at, and these were worth it.
    mutating func note(
        _ candidates: some Sequence<UInt32>, bytes: Int, _ application: ApplicationProtocol?
    ) {
        if newerBytes >= Self.reach {
            swap(&older, &newer)
            newer.removeAll(keepingCapacity: true)
            isOverfull = (isOverfull.newer, false)
            newerBytes = 0
        }
        newerBytes &+= bytes
        if application != self.application, !isUnused { isOverfull.newer = true }
        self.application = application
        isUnused = false
        for signature in candidates where !newer.contains(signature) {
            guard newer.count < Self.most else { return isOverfull.newer = true }
            newer.append(signature)
        }
    }

    /// Those of the newest chunk and the bytes before it; nil: not all of them are known.
    var known: (older: [UInt32], newer: [UInt32])? {
        isOverfull.older || isOverfull.newer ? nil : (older, newer)
    }
}
