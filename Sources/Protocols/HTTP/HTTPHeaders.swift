// SPDX-License-Identifier: Apache-2.0
// A message's headers: as sent and as libhtp reads them. Out: the texts that signatures look at.

/// One header; where a name came several times, its values are one, joined with `, `.
public struct HTTPHeader: Hashable, Sendable {
    /// As sent, without the colon.
    public let name: [UInt8]
    /// Without the white space around it; folded lines are joined.
    public let value: [UInt8]
}

/// A message's headers.
public struct HTTPHeaders: Sendable {
    /// The block as sent, its last empty line and the trailers included, at most `ProtocolLimits.httpHeader`
    /// bytes.
    public internal(set) var raw: [UInt8] = []
    /// As libhtp reads them, in the order of first appearance.
    public internal(set) var fields: [HTTPHeader] = []

    /// The value of the first header with that name, which is given in lower case.
    public func value(of name: StaticString) -> [UInt8]? {
        let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return fields.first { $0.name.equalsIgnoringCase(wanted) }?.value
    }

    /// `Name: value` and a line end for each header but those of one name (in lower case): what
    /// `http.header` looks at, which has no cookies. Built anew at each call.
    public func normalized(leavingOut excluded: StaticString) -> [UInt8] {
        let name = UnsafeBufferPointer(start: excluded.utf8Start, count: excluded.utf8CodeUnitCount)
        var text: [UInt8] = []
        text.reserveCapacity(raw.count)
        for field in fields where !field.name.equalsIgnoringCase(name) {
            text += field.name
            text += [0x3a, 0x20]
            text += field.value
            text += [0x0d, 0x0a]
        }
        return text
    }

    /// The names as sent, each with a line end, one before the first and one behind the last: what
    /// `http.header_names` looks at. Built anew at each call.
    public var names: [UInt8] {
        var text: [UInt8] = [0x0d, 0x0a]
        for field in fields { text += field.name + [0x0d, 0x0a] }
        return text + [0x0d, 0x0a]
    }
}

extension HTTPRequest {
    /// What `http.header` looks at: all but the cookie.
    public var normalizedHeaders: [UInt8] { headers.normalized(leavingOut: "cookie") }

    /// What `http.start` looks at: the request line and the headers as sent.
    public var start: [UInt8] { line + [0x0d, 0x0a] + headers.raw }
}

extension HTTPResponse {
    /// What `http.header` looks at: all but the cookies.
    public var normalizedHeaders: [UInt8] { headers.normalized(leavingOut: "set-cookie") }

    /// What `http.start` looks at: the status line and the headers as sent.
    public var start: [UInt8] { line + [0x0d, 0x0a] + headers.raw }
}

extension Array<UInt8> {
    /// Whether it is the same text as one in lower case, ASCII letters in either case.
    func equalsIgnoringCase(_ lowercase: UnsafeBufferPointer<UInt8>) -> Bool {
        count == lowercase.count && zip(self, lowercase).allSatisfy { $0.asciiLowercase == $1 }
    }
}

extension UInt8 {
    /// An ASCII letter in lower case, any other byte as it is.
    var asciiLowercase: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }
}
