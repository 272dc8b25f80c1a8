// SPDX-License-Identifier: Apache-2.0
// Recognises HTTP/1 by the first bytes of a direction. In: bytes from the flow's first on. Out: a match.
import NetworkTypes

extension HTTPParser {
    /// A request begins with a known method and a blank, or has a line that ends in a version; a response
    /// with its version.
    public static func probe(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) -> ProtocolMatch {
        // Servers and libhtp pass over empty lines and blanks before a message, however many; nothing but
        // HTTP begins with more than a few.
        let skipped = bytes.prefix { $0 == 0x0d || $0 == 0x0a || $0 == 0x20 || $0 == 0x09 }
        let text = UnsafeRawBufferPointer(rebasing: bytes[skipped.count...])
        if text.isEmpty { return skipped.count >= mostEmpty ? .match : .needMore }
        return direction == .toServer ? probeRequest(text) : probeResponse(text)
    }

    /// Together below what is held until a protocol is recognised.
    private static let mostEmpty = 512
    private static let longPath = 500
    private static let longWord = 32

    private static func probeResponse(_ text: UnsafeRawBufferPointer) -> ProtocolMatch {
        let start: StaticString = "HTTP/"
        let expected = UnsafeBufferPointer(start: start.utf8Start, count: start.utf8CodeUnitCount)
        guard zip(text, expected).allSatisfy({ $0 == $1 }) else { return .no }
        guard text.count > expected.count else { return .needMore }
        // HTTP/2 has no such line; what follows must be a version's digit.
        return text[expected.count] == 0x31 || text[expected.count] == 0x30 ? .match : .no
    }

    private static func probeRequest(_ text: UnsafeRawBufferPointer) -> ProtocolMatch {
        // Servers answer a method of any length with an error, and read on.
        let method = text.prefix { isToken($0) }
        guard !method.isEmpty else { return .no }
        guard method.count < text.count else { return .needMore }
        let delimiter = text[method.count]
        guard delimiter == 0x20 || delimiter == 0x09 else { return .no }
        if methods.contains(where: { $0.elementsEqual(method) }) { return .match }
        // An unknown method needs a version at the line's end; a path as long as this is nothing else's.
        guard let lineEnd = text.firstIndex(of: 0x0a) else {
            return text.count >= longPath && isTarget(text, behind: method.count) ? .match : .needMore
        }
        return hasVersion(UnsafeRawBufferPointer(rebasing: text[..<lineEnd])) ? .match : .no
    }

    /// Whether what stands behind a method, in more bytes than other protocols' commands have, is a path or a
    /// URI, or still nothing but blanks, as it may be behind a method that is no longer than a word.
    private static func isTarget(_ text: UnsafeRawBufferPointer, behind method: Int) -> Bool {
        let target = text[method...].drop { $0 == 0x20 || $0 == 0x09 }
        guard let first = target.first else { return method <= longWord }
        return first == 0x2f || target.drop(while: isScheme).starts(with: "://".utf8)
    }

    /// RFC 3986 section 3.1.
    private static func isScheme(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2b, 0x2d, 0x2e: true
        default: false
        }
    }

    /// Whether a line ends in a version, as request lines do; servers pass over blanks behind it, and take
    /// minor versions of up to three digits.
    static func hasVersion(_ line: UnsafeRawBufferPointer) -> Bool {
        let last = line.lastIndex { $0 != 0x0d && $0 != 0x20 && $0 != 0x09 }
        let end = last.map { $0 &+ 1 } ?? 0
        return (0...2).contains { more in
            guard end >= 9 &+ more, line[(end &- more)..<end].allSatisfy({ (0x30...0x39).contains($0) })
            else { return false }
            let version = end &- more &- 9
            return line[version..<version &+ 7].elementsEqual(" HTTP/1".utf8)
        }
    }

    /// RFC 9110 section 5.6.2.
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e: true
        default: false
        }
    }

    /// Methods that also name HTTP without a version; SIP's and RTSP's OPTIONS is not among them.
    static let methods: [[UInt8]] = [
        "GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL",
        "SEARCH", "MKACTIVITY", "CHECKOUT",
    ].map { Array($0.utf8) }
}
