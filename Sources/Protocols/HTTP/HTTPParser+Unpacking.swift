// SPDX-License-Identifier: Apache-2.0
// Which bodies are unpacked, and how far. In: a message's headers, its body as sent. Out: its body's bytes.
import CHTP
import NetworkTypes

extension HTTPParser {
    /// Makes ready for the message's body.
    func beginUnpacking(_ transaction: HTTPTransaction, _ headers: HTTPHeaders, _ direction: FlowDirection) {
        unpackers[direction] = nil
        // Zeros in its name are nothing to libhtp, nor to lenient receivers.
        let field = headers.fields.first { field in
            let name: StaticString = "content-encoding"
            let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
            return field.name.equalsIgnoringCase(wanted)
                || field.name.contains(0) && field.name.filter { $0 != 0 }.equalsIgnoringCase(wanted)
        }
        guard let value = field?.value else { return }
        let codings = ContentCodings(value)
        if codings.areAbnormal { report("abnormal_ce_header", direction) }
        if codings.areTooMany { report("too_many_encoding_layers", direction) }
        guard !codings.outermostFirst.isEmpty else { return }
        unpackers[direction] = HTTPUnpacker(codings.outermostFirst, of: transaction, direction, self)
    }

    /// A piece of a body as sent; false where nothing unpacks it.
    func unpack(
        _ piece: UnsafeRawBufferPointer, of transaction: HTTPTransaction, _ handle: LibraryTransaction,
        _ direction: FlowDirection
    ) -> Bool {
        guard let unpacker = unpackers[direction], unpacker.transaction === transaction else { return false }
        unpacking = unpacker
        unpacker.feed(piece, handle)
        unpacking = nil
        if unpacker.isStopped { unpackers[direction] = nil }
        return true
    }

    /// The body has ended, or misses bytes: what comes of it behind them is taken as sent.
    func finishUnpacking(_ handle: LibraryTransaction, _ direction: FlowDirection) {
        guard let unpacker = unpackers[direction] else { return }
        unpackers[direction] = nil
        unpacking = unpacker
        unpacker.finish(handle)
        unpacking = nil
    }

    /// No more is to come of the body that is read, though it was said to be longer.
    func finishUnpacking(_ direction: FlowDirection) {
        guard let unpacker = unpackers[direction],
            let entry = open.first(where: { $0.transaction === unpacker.transaction })
        else { return }
        finishUnpacking(entry.handle, direction)
    }

    /// Whether so many bytes that nobody keeps are no longer worth being unpacked.
    func isWasted(_ count: Int, _ direction: FlowDirection) -> Bool {
        let limit = configuration.limits.httpWastedDecompression
        if wasted <= limit, wasted &+ count > limit { report("compression_bomb", direction) }
        wasted &+= count
        return wasted > limit
    }

    /// Whether the decompressors that a body needs have no room; it is taken as sent then.
    func isShortOfMemory(forUnpacking cost: Int) -> Bool {
        guard tally.memory.isFull(with: cost) else { return false }
        tally.memory.givenUp &+= 1
        report("memory_over_limit", current)
        return true
    }
}

/// What a Content-Encoding header says of a body.
struct ContentCodings {
    /// Those that are undone, the one that was applied last first (RFC 9110 section 8.4).
    private(set) var outermostFirst: [htp_content_encoding_t] = []
    /// It names one that is not known, or is written as none is.
    private(set) var areAbnormal = false
    /// It names more than are undone.
    private(set) var areTooMany = false

    /// Layers cost memory by the sender's choice.
    private static let most = 2

    init(_ value: [UInt8]) {
        let words = value.filter { $0 != 0 }.map(\.asciiLowercase).split { $0 == 0x2c || $0 == 0x20 }
        for word in words.reversed() { add(String(decoding: word, as: UTF8.self)) }
        areTooMany = outermostFirst.count > Self.most
        outermostFirst = Array(outermostFirst.prefix(Self.most))
    }

    private mutating func add(_ word: String) {
        switch word {
        case "gzip", "x-gzip": outermostFirst.append(HTP_COMPRESSION_GZIP)
        case "deflate", "x-deflate": outermostFirst.append(HTP_COMPRESSION_DEFLATE)
        case "lzma": outermostFirst.append(HTP_COMPRESSION_LZMA)
        case "inflate": break
        default:
            areAbnormal = true
            // Some receivers look no closer than that.
            if word.contains("gzip") {
                outermostFirst.append(HTP_COMPRESSION_GZIP)
            } else if word.contains("deflate") {
                outermostFirst.append(HTP_COMPRESSION_DEFLATE)
            }
        }
    }
}
