// SPDX-License-Identifier: Apache-2.0
// A body's content codings, undone by libhtp's decompressors, which know what browsers take for gzip and
// deflate. libhtp itself would unpack no more than a gzip body's first member (RFC 1952 section 2.2), and
// requests once. In: the body as sent, piece by piece. Out: the body's bytes.
import CHTP
import NetworkTypes

/// Unpacks the body of one message.
final class HTTPUnpacker {
    let transaction: HTTPTransaction
    private let direction: FlowDirection
    private unowned let parser: HTTPParser
    /// The outermost first; none before the body's first byte.
    private var layers: [Layer] = []
    private let codings: [htp_content_encoding_t]
    /// The layer whose decompressor is at work.
    private var working = 0
    /// Bytes of the body as sent, and unpacked.
    private var sent = 0
    private var unpacked = 0
    /// It is not worth going on: what is still to come of the body is taken as sent.
    private(set) var isStopped = false

    private struct Layer {
        let decompressor: UnsafeMutablePointer<htp_decompressor_gzip_t>
        /// The stream's first bytes, until there are enough; nil from then on.
        var start: [UInt8]? = []
        /// The last piece ended with what may be a member's first byte.
        var awaitsMember = false
    }

    /// libhtp tells by its first piece how a body is packed, whatever its coding says: so much is enough.
    private static let startSize = 32
    /// What a decompressor holds: libhtp's buffer, and zlib's window and tables.
    private static let perLayer = 48 << 10
    /// What a further member costs, in bytes that are unpacked in that time.
    private static let memberCost = 1024
    /// A body that unpacks to more, and to so many times itself, is given up (libhtp's limits).
    private static let bombSize = 1 << 20
    private static let bombRatio = 2048

    init(
        _ codings: [htp_content_encoding_t], of transaction: HTTPTransaction, _ direction: FlowDirection,
        _ parser: HTTPParser
    ) {
        (self.codings, self.transaction, self.direction) = (codings, transaction, direction)
        self.parser = parser
    }

    deinit {
        for layer in layers { htp_gzip_decompressor_destroy(Self.base(layer.decompressor)) }
    }

    /// What it holds, estimated.
    var cost: Int { layers.count &* Self.perLayer }

    private static func base(
        _ decompressor: UnsafeMutablePointer<htp_decompressor_gzip_t>
    ) -> UnsafeMutablePointer<htp_decompressor_t> {
        UnsafeMutableRawPointer(decompressor).assumingMemoryBound(to: htp_decompressor_t.self)
    }

    /// The next bytes of the body.
    func feed(_ piece: UnsafeRawBufferPointer, _ handle: LibraryTransaction) {
        sent &+= piece.count
        if layers.isEmpty, !begin(handle) {
            isStopped = true
            return deliver(piece)
        }
        unpack(piece, 0, handle)
    }

    /// The body has ended, or misses bytes behind which nothing can be unpacked.
    func finish(_ handle: LibraryTransaction) {
        for place in layers.indices where !isStopped {
            if let start = layers[place].start {
                layers[place].start = nil
                start.withUnsafeBytes { run($0, place, handle) }
            }
            working = place
            var nothing = htp_tx_data_t()
            nothing.tx = handle
            if !isStopped {
                htp_gzip_decompressor_decompress(Self.base(layers[place].decompressor), &nothing)
            }
        }
    }

    private func begin(_ handle: LibraryTransaction) -> Bool {
        guard !parser.isShortOfMemory(forUnpacking: codings.count &* Self.perLayer) else { return false }
        for coding in codings {
            guard let made = htp_gzip_decompressor_create(handle.pointee.connp, coding) else { return false }
            made.pointee.callback = { HTTPCallbacks.unpacked($0) }
            let whole = UnsafeMutableRawPointer(made).assumingMemoryBound(to: htp_decompressor_gzip_t.self)
            layers.append(Layer(decompressor: whole))
        }
        return true
    }

    /// What the decompressor at work has unpacked: the bytes of the next layer, or of the body.
    func take(_ data: htp_tx_data_t) -> CInt {
        guard let start = data.data, data.len > 0, let handle = data.tx else { return HTP_OK }
        guard !isStopped else { return HTP_ERROR }
        let piece = UnsafeRawBufferPointer(start: start, count: data.len)
        let place = working
        if place &+ 1 < layers.count {
            count(piece.count)
            if !isStopped { unpack(piece, place &+ 1, handle) }
        } else {
            deliver(piece)
        }
        working = place
        return isStopped ? HTP_ERROR : HTP_OK
    }

    private func deliver(_ piece: UnsafeRawBufferPointer) {
        if !parser.keep(piece, of: transaction, direction), parser.isWasted(piece.count, direction) {
            isStopped = true
        }
        count(piece.count)
    }

    /// Takes note of what was unpacked, by any layer: a member costs its reading, though it be empty.
    private func count(_ bytes: Int) {
        unpacked &+= bytes
        if unpacked > Self.bombSize, unpacked > sent &* Self.bombRatio, !isStopped {
            parser.report("compression_bomb", direction)
            isStopped = true
        }
    }
}

// MARK: - A layer

extension HTTPUnpacker {
    private func unpack(_ piece: UnsafeRawBufferPointer, _ place: Int, _ handle: LibraryTransaction) {
        guard var start = layers[place].start else { return run(piece, place, handle) }
        start += piece
        guard start.count >= Self.startSize else { return layers[place].start = start }
        layers[place].start = nil
        start.withUnsafeBytes { run($0, place, handle) }
    }

    /// Through the layer's decompressor, one member behind the other.
    private func run(_ piece: UnsafeRawBufferPointer, _ place: Int, _ handle: LibraryTransaction) {
        if layers[place].awaitsMember {
            layers[place].awaitsMember = false
            if piece.first == 0x8b {
                count(Self.memberCost)
                htp_shim_begin_member(layers[place].decompressor)
                let first: [UInt8] = [0x1f]
                _ = first.withUnsafeBytes { rest(of: $0, place, handle) }
            }
        }
        var piece = piece
        while let rest = rest(of: piece, place, handle), beginsMember(rest, place) { piece = rest }
    }

    /// What stands in the piece behind the end of the member; nil where the member goes on.
    private func rest(
        of piece: UnsafeRawBufferPointer, _ place: Int, _ handle: LibraryTransaction
    ) -> UnsafeRawBufferPointer? {
        let decompressor = layers[place].decompressor
        working = place
        var data = htp_tx_data_t()
        data.tx = handle
        data.data = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
        data.len = piece.count
        guard data.data != nil, data.len > 0,
            htp_gzip_decompressor_decompress(Self.base(decompressor), &data) == HTP_OK, !isStopped
        else { return nil }
        // It reads all bytes but those behind a stream's end, and hands on as they are those that are none.
        let left = Int(decompressor.pointee.stream.avail_in)
        guard decompressor.pointee.super.passthrough == 0, decompressor.pointee.zlib_initialized != 0,
            left > 0, left <= piece.count
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: piece.suffix(left))
    }

    /// What is no member behind one is left out, as browsers do.
    private func beginsMember(_ rest: UnsafeRawBufferPointer, _ place: Int) -> Bool {
        guard rest[0] == 0x1f else { return false }
        guard rest.count > 1 else {
            layers[place].awaitsMember = true
            return false
        }
        guard rest[1] == 0x8b else { return false }
        count(Self.memberCost)
        guard !isStopped else { return false }
        htp_shim_begin_member(layers[place].decompressor)
        return true
    }
}
