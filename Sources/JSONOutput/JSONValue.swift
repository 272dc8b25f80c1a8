// SPDX-License-Identifier: Apache-2.0
// JSON text with keys in the order that they were given: what every `--output json` prints.

/// A JSON value; objects keep their order.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case unsigned(UInt64)
    /// Finite numbers; others print as null, which JSON has instead.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([(String, JSONValue)])

    /// The value on one line, without blanks.
    public var text: String {
        var text: [UInt8] = []
        write(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the value's text in UTF-8: most of what a capture's events cost is their text.
    public func write(to text: inout [UInt8]) {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += (value ? "true" : "false").utf8
        case .integer(let value): text += String(value).utf8
        case .unsigned(let value): text += String(value).utf8
        case .number(let value): text += (value.isFinite ? String(value) : "null").utf8
        case .string(let value): Self.quote(value, to: &text)
        case .array(let values):
            text.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                value.write(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                Self.quote(member.0, to: &text)
                text.append(UInt8(ascii: ":"))
                member.1.write(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    private static func quote(_ value: String, to text: inout [UInt8]) {
        var value = value
        text.append(UInt8(ascii: "\""))
        value.withUTF8 { escape($0, to: &text) }
        text.append(UInt8(ascii: "\""))
    }

    /// RFC 8259 section 7: quotes, backslashes and control characters escaped; DEL, C1 controls, line
    /// separators and what turns the direction of text (UAX #9, 2) too, as terminals and readers obey them.
    private static func escape(_ bytes: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
        var written = 0
        var place = 0
        while place < bytes.count {
            guard !isPlain(bytes[place]), let found = special(bytes[place...]) else {
                place += 1
                continue
            }
            text += bytes[written..<place]
            text += escaped(found.scalar)
            place += found.count
            written = place
        }
        text += bytes[written...]
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// What must be escaped at the start of UTF-8, and its length there; nil where that is nothing.
    private static func special(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> (scalar: UInt32, count: Int)? {
        var rest = bytes.makeIterator()
        return switch (rest.next(), rest.next(), rest.next()) {
        case (let byte?, _, _) where byte < 0x80: (UInt32(byte), 1)
        case (0xc2, let next?, _) where next < 0xa0: (UInt32(next), 2)
        case (0xd8, 0x9c, _): (0x061c, 2)
        case (0xe2, 0x80, let last?) where last & ~1 == 0x8e || (0xa8...0xae).contains(last):
            (0x2000 | UInt32(last & 0x3f), 3)
        case (0xe2, 0x81, let last?) where (0xa6...0xa9).contains(last): (0x2040 | UInt32(last & 0x3f), 3)
        default: nil
        }
    }

    private static func escaped(_ scalar: UInt32) -> String.UTF8View {
        switch scalar {
        case 0x22: return "\\\"".utf8
        case 0x5c: return "\\\\".utf8
        case 0x0a: return "\\n".utf8
        case 0x0d: return "\\r".utf8
        case 0x09: return "\\t".utf8
        default:
            let digits = String(scalar, radix: 16)
            return ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
}

/// UTC text of a time: RFC 3339 with microseconds, as in "2026-01-02T03:04:05.678901Z".
/// - Parameter nanoseconds: since 1970-01-01T00:00Z; negative for times before.
public func timestamp(nanoseconds: Int64) -> String {
    let microseconds = floorDivide(nanoseconds, 1000)
    let seconds = floorDivide(microseconds, 1_000_000)
    let fraction = microseconds - seconds * 1_000_000
    let days = floorDivide(seconds, 86400)
    let second = seconds - days * 86400
    let date = civil(days: days)
    return String(unsafeUninitializedCapacity: 27) { text in
        var place = 0
        func put(_ value: Int64, _ width: Int, before mark: Unicode.Scalar) {
            var rest = value
            for digit in (place..<place + width).reversed() {
                text[digit] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            text[place + width] = UInt8(ascii: mark)
            place += width + 1
        }
        put(date.year, 4, before: "-")
        put(date.month, 2, before: "-")
        put(date.day, 2, before: "T")
        put(second / 3600, 2, before: ":")
        put(second / 60 % 60, 2, before: ":")
        put(second % 60, 2, before: ".")
        put(fraction, 6, before: "Z")
        return place
    }
}

private func floorDivide(_ a: Int64, _ b: Int64) -> Int64 { a % b < 0 ? a / b - 1 : a / b }

/// The proleptic Gregorian date of a day number since 1970-01-01 (Howard Hinnant, "chrono-compatible low-
/// level date algorithms").
private func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719468
    let era = floorDivide(shifted, 146097)
    let dayOfEra = shifted - era * 146097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
}
