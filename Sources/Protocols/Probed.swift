// SPDX-License-Identifier: Apache-2.0
// One direction of a flow while its protocol is not known. In: its bytes. Out: whether they are HTTP, where
// they come behind a hole; StreamParser asks the protocols about those of a direction's start.
import NetworkTypes

/// One direction while the protocol is not known.
struct Probed {
    var held: [UInt8] = []
    /// Protocols that the held bytes can still be.
    var candidates: [ApplicationProtocol] = [.http, .tls, .dns, .ssh]
    /// More bytes came than are held: the direction cannot be read from its start.
    var isOverLimit = false
    /// DNS messages that are none were let go: nothing but DNS can be read of the direction.
    var isCut = false
    /// Bytes were missed in front of the first: what came may be a beginning all the same.
    var isBehindGap = false
    /// Bytes were missed: what is held is a line, as far as it has come.
    var isBehindHole = false
    /// More bytes came than are held, and what is held is a line likewise.
    var isPastLimit = false
    /// Bytes behind a hole, or past the limit, that were looked at.
    var searched = 0

    /// Lets go of DNS messages that are none: servers read on behind any number of them.
    mutating func passOver(_ direction: FlowDirection) {
        let count = held.withUnsafeBytes { DNSParser.passOver($0, direction).count }
        held.removeFirst(count)
        if count > 0 { isCut = true }
    }

    /// Takes more of a line behind a hole; a body's last line may end in a request's. Of a long line its end
    /// is judged, however it comes.
    /// - Returns: whether a message begins in it; it is held then.
    mutating func takes(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ limits: ProtocolLimits
    ) -> Bool {
        held.append(contentsOf: bytes)
        let most = limits.lineBehindHole
        let isWhole = bytes.last == 0x0a
        if held.count > (isWhole ? most : 2 * most) { held.removeFirst(held.count - most) }
        guard isWhole else { return false }
        let finder = HTTPMessageFinder(direction, limit: most)
        if held.withUnsafeBytes({ finder.hasStart($0) }) { return true }
        held.removeAll(keepingCapacity: true)
        return false
    }
}
