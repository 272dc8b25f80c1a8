// SPDX-License-Identifier: Apache-2.0
// The border of two chunks of a stream: which signatures may match across it. In: the bytes around it, and
// what the chunks by themselves held. Out: candidates, most often none, for which few bytes are scanned
// again.

import NetworkTypes
import Signatures

/// Bytes of a stream on both sides of a border between chunks.
public struct StreamBorder {
    /// The bytes before; valid for the call.
    public var before: UnsafeRawBufferPointer
    /// Those behind: the start of the chunk that was inspected last.
    public var after: UnsafeRawBufferPointer
    /// How many bytes of the stream stand before `after`.
    public var offset: UInt64

    public init(before: UnsafeRawBufferPointer, after: UnsafeRawBufferPointer, offset: UInt64) {
        self.before = before
        self.after = after
        self.offset = offset
    }

    /// How many bytes of the stream stand before `before`.
    var start: UInt64 { offset &- min(offset, UInt64(before.count)) }
}

extension SignatureMatcher {
    /// What `inspect` would find in the bytes around a border, whose chunks both were inspected before: the
    /// signatures that match, in order.
    public func inspectBorder(
        _ border: StreamBorder, _ header: PacketHeader, flow: FlowMatchState
    ) -> [SignatureMatch] {
        counters.inspections &+= 1
        if flow.isPassed || flow.isBypassed { return [] }
        candidates.removeAll(keepingCapacity: true)
        found.removeAll(keepingCapacity: true)
        beginRound()
        let application = header.application
        flow.meet(engine.number, header.direction, at: border.offset)
        flow.forgetLiterals(header.direction, before: border.start)
        flow.forEachLiteral(header.direction, from: border.start) {
            add($0, header, application, .stream)
        }
        for prefilter in plan.payloadPrefilters[MatchPlan.slot(.tcpStream, header.direction)] {
            search(border, prefilter, header, flow)
        }
        addListed(.tcpStream, header, application, .stream)
        guard !candidates.isEmpty else { return [] }
        join(border.before, border.after)
        var joined: [UInt8] = []
        swap(&joined, &borderBytes)
        defer { swap(&joined, &borderBytes) }
        return joined.withUnsafeBytes { bytes in
            var unit = InspectedPacket(header: header)
            unit.stream = StreamChunk(bytes: bytes, streamOffset: border.start)
            return answer(unit, flow)
        }
    }

    /// Where all that the chunks held is known, a literal that was in neither of them stands across.
    private func search(
        _ border: StreamBorder, _ prefilter: Prefilter, _ header: PacketHeader, _ flow: FlowMatchState
    ) {
        let transforms = plan.views[prefilter.view].transforms
        let isWhole =
            !transforms.isEmpty || !flow.hasNotedAll(header.direction, from: border.start)
            || border.offset < prefilter.fixed.reach
        let reach = isWhole ? Int.max : max(0, prefilter.longest - 1)
        let before = UnsafeRawBufferPointer(rebasing: border.before.suffix(reach))
        join(before, UnsafeRawBufferPointer(rebasing: border.after.prefix(reach)))
        let start = border.offset &- min(border.offset, UInt64(before.count))
        borderBytes.withUnsafeBytes { bytes in
            guard transforms.isEmpty else {
                apply(transforms, to: bytes).withUnsafeBytes {
                    search(prefilter, $0, from: start, header, flow)
                }
                return
            }
            search(prefilter, bytes, from: start, header, flow)
        }
    }

    private func join(_ before: UnsafeRawBufferPointer, _ after: UnsafeRawBufferPointer) {
        borderBytes.removeAll(keepingCapacity: true)
        borderBytes.append(contentsOf: before)
        borderBytes.append(contentsOf: after)
    }
}
