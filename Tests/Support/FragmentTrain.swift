// SPDX-License-Identifier: Apache-2.0
// Fragments of one random packet: cut anew for each train, in order, reversed, mixed, repeated, overlapping
// or without the first; by IPv4's header or IPv6's, on the wire or in a tunnel.
import NetworkTypes

/// How a train's fragments differ from the plain ones in order.
private enum TrainFault: CaseIterable {
    case none, sameAgain, reversed, mixed, overlapping, missingFirst, otherID
}

private struct Piece {
    /// From the start of what is fragmented; a multiple of 8 bytes.
    var offset: Int
    var bytes: ArraySlice<UInt8>
    var isLast: Bool
    var id: UInt32
}

/// The headers that all fragments of a train have.
private struct TrainHeaders {
    var isV4: Bool
    var proto: UInt8
    var addresses4: (source: UInt32, destination: UInt32)
    var addresses6: (source: UInt128, destination: UInt128)
    /// The protocol of an IPv4 header around each fragment; nil: none.
    var tunnel: UInt8?
}

extension HeaderWriter {
    /// The frames of a train, in the order in which they come.
    mutating func fragmentTrain() -> [[UInt8]] {
        let headers = trainHeaders()
        var pieces = pieces(of: fragmentedBytes(headers), id: trainID())
        disturb(&pieces, random.pick(TrainFault.allCases))
        return pieces.map { frame($0, headers) }
    }

    /// One fragment of a train that has no others: many of them fill the table of those that are tracked.
    mutating func loneFragment() -> [UInt8] {
        let headers = trainHeaders()
        let whole = fragmentedBytes(headers)
        let isFirst = random.chance(70)
        let id = UInt32(truncatingIfNeeded: random.next()) & 0xffff
        return frame(
            Piece(offset: isFirst ? 0 : 64, bytes: whole.prefix(64), isLast: !isFirst, id: id), headers)
    }

    private mutating func trainHeaders() -> TrainHeaders {
        let isV4 = random.chance(60)
        let protos: [UInt8] = isV4 ? [6, 6, 17, 17, 1, 132, 47, 4, 99] : [6, 6, 17, 17, 58, 132, 47, 41, 60]
        return TrainHeaders(
            isV4: isV4, proto: random.pick(protos),
            addresses4: (random.pick(World.v4), random.pick(World.v4)),
            addresses6: (random.pick(World.v6), random.pick(World.v6)),
            tunnel: random.chance(12) ? (isV4 ? 4 : 41) : nil)
    }

    /// Few ids, so that trains get into each other's way.
    private mutating func trainID() -> UInt32 {
        random.chance(70) ? random.pick([7, 9]) : UInt32(truncatingIfNeeded: random.next()) & 0xffff
    }

    /// What is fragmented: an L4 header, or a tunnel's, and some payload.
    private mutating func fragmentedBytes(_ headers: TrainHeaders) -> [UInt8] {
        clear()
        let isTunnel = [4, 41, 47].contains(headers.proto) || random.chance(10)
        transport(headers.proto, tunnels: isTunnel ? 1 : 0)
        payload(random.pick([8, 24, 60, 100]))
        return bytes
    }

    private mutating func pieces(of whole: [UInt8], id: UInt32) -> [Piece] {
        let size = max(random.pick([8, 16, 24, 24, 40, 64]), (whole.count / 6 + 7) / 8 * 8)
        return stride(from: 0, to: whole.count, by: size).map { offset in
            let end = min(whole.count, offset + size)
            return Piece(offset: offset, bytes: whole[offset..<end], isLast: end == whole.count, id: id)
        }
    }

    private mutating func disturb(_ pieces: inout [Piece], _ fault: TrainFault) {
        switch fault {
        case .none: break
        case .sameAgain: pieces += pieces
        case .reversed: pieces.reverse()
        case .mixed: pieces.shuffle(using: &random)
        case .missingFirst: pieces.removeFirst()
        case .otherID: pieces[random.below(pieces.count)].id ^= random.pick([1, 0x1_0000, 0x8000])
        case .overlapping:
            let index = random.below(pieces.count)
            pieces[index].offset = max(0, pieces[index].offset - random.pick([8, 8, 16, 32]))
        }
    }

    private mutating func frame(_ piece: Piece, _ headers: TrainHeaders) -> [UInt8] {
        startFrame()
        if random.chance(10) { tags() }
        number(UInt16(headers.tunnel != nil || headers.isV4 ? 0x0800 : 0x86dd))
        let outer = headers.tunnel.map { openIPv4((World.v4[3], World.v4[0]), $0) }
        let start: Int
        let units = UInt16(truncatingIfNeeded: piece.offset / 8)
        if headers.isV4 {
            start = openIPv4(headers.addresses4, headers.proto)
            set(UInt16(truncatingIfNeeded: piece.id), at: start + 4)
            set(units & 0x1fff | (piece.isLast ? 0 : 0x2000), at: start + 6)
        } else {
            start = openIPv6(headers.addresses6, 44)
            append([headers.proto, 0])
            number(units << 3 | (piece.isLast ? 0 : 1))
            number(piece.id)
        }
        append(piece.bytes)
        closeIP(start)
        if let outer { closeIP(outer) }
        return bytes
    }
}
