// SPDX-License-Identifier: Apache-2.0
// What is looked for in one buffer: a chain of inspections that share a position.

/// A number that stands in the text, or one that was read from the buffer before.
public enum Operand: Hashable, Sendable {
    case literal(Int64)
    /// A slot that an earlier `byte_extract` or `byte_math` of the signature filled, from 0.
    case variable(Int)
}

/// The inspections of one buffer, in order.
///
/// The position starts at 0. Content, pcre, `byte_jump`, `byte_extract` and `byte_math` that hold move it
/// behind what they matched; relative ones start from it. When a later relative one fails, the nearest
/// earlier positive content or pcre that `isRetried` is tried at its next occurrence. Relative inspections
/// without an earlier position have been made absolute.
public struct BufferMatches: Hashable, Sendable {
    public internal(set) var buffer: Buffer
    /// Applied one after the other to the buffer before it is inspected.
    public internal(set) var transforms: [Transform] = []
    /// Never empty.
    public internal(set) var inspections: [Inspection] = []
    /// Nothing here needs a byte (negated inspections, `bsize:0`): it also holds where the buffer is not
    /// there.
    public internal(set) var holdsWithoutBuffer = false

    init(_ buffer: Buffer) { self.buffer = buffer }
}

/// One step of a chain.
public enum Inspection: Hashable, Sendable {
    case content(ContentMatch)
    case pcre(PCREMatch)
    case byteTest(ByteTest)
    case byteJump(ByteJump)
    case byteExtract(ByteExtract)
    case byteMath(ByteMath)
    case dataAt(DataAt)
    /// The whole buffer's length (`bsize`, `urilen`).
    case size(NumberTest)
    case base64(Base64Decode)
    /// `absent`: the buffer is not there; with `orElse`, or the other inspections hold.
    case absent(orElse: Bool)
}

/// Literal bytes.
public struct ContentMatch: Hashable, Sendable {
    /// 1 to `SignatureLimits.contentBytes`; with `nocase` in lower case (ASCII).
    public internal(set) var bytes: [UInt8]
    public internal(set) var isCaseInsensitive = false
    /// It must not be found in the range.
    public internal(set) var isNegated = false
    /// `from` and `length` count from the position; else from the buffer's start.
    public internal(set) var isRelative = false
    /// `offset` or `distance`: bytes skipped before the first possible match; a relative one may be negative.
    public internal(set) var from = Operand.literal(0)
    /// `depth` or `within`: the match ends at most this many bytes behind the start of the search (behind
    /// `from` for `depth`; behind position + `from` for `within`); nil: anywhere.
    public internal(set) var length: Operand?
    /// It matches only at the first byte of its range (`startswith`).
    public internal(set) var isAtStart = false
    /// Its end is the buffer's end (`endswith`).
    public internal(set) var isAtEnd = false
    /// A later relative inspection starts from where this one ended: when that fails, try the next
    /// occurrence.
    public internal(set) var isRetried = false
    /// Payload as it came on the wire, where a decoder changed it.
    public internal(set) var isRaw = false

    init(bytes: [UInt8]) { self.bytes = bytes }
}

/// A regular expression in PCRE syntax, not compiled: the matcher does, with match limits.
public struct PCREMatch: Hashable, Sendable {
    /// Compile flags by their letters: i s m x A(nchored) E(nd only) G(reedy inverted).
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let caseless = Flags(rawValue: 1)
        public static let dotAll = Flags(rawValue: 2)
        public static let multiline = Flags(rawValue: 4)
        public static let extended = Flags(rawValue: 8)
        public static let anchored = Flags(rawValue: 16)
        public static let dollarEndOnly = Flags(rawValue: 32)
        public static let ungreedy = Flags(rawValue: 64)
    }

    /// A named result: the group's text is kept as a flow or packet variable, for output.
    public struct Capture: Hashable, Sendable {
        public enum Scope: String, Sendable { case flow, packet = "pkt", alert }
        public let scope: Scope
        public let name: String
    }

    /// Without delimiters.
    public internal(set) var pattern: [UInt8]
    public internal(set) var flags: Flags = []
    public internal(set) var isNegated = false
    /// It is matched from the position on (`R`).
    public internal(set) var isRelative = false
    /// As a content's.
    public internal(set) var isRetried = false
    /// One for each capturing group, from group 1, at most 8.
    public internal(set) var captures: [Capture] = []

    init(pattern: [UInt8]) { self.pattern = pattern }
}

/// `isdataat`: at least `distance` bytes (or not so many) from the start, or from the position.
public struct DataAt: Hashable, Sendable {
    public internal(set) var distance: Operand
    public internal(set) var isNegated = false
    public internal(set) var isRelative = false
}

/// Base64 text decoded, and inspected as a buffer of its own.
public struct Base64Decode: Hashable, Sendable {
    /// Bytes of base64 text to decode; nil: all that there are.
    public internal(set) var bytes: Int?
    public internal(set) var offset = 0
    public internal(set) var isRelative = false
    /// What stands behind `base64_data`; a chain of its own, from position 0; may be empty.
    public internal(set) var inspections: [Inspection] = []
}

/// A comparison of an unsigned number.
public enum NumberTest: Hashable, Sendable {
    case equal(UInt64)
    case notEqual(UInt64)
    case less(UInt64)
    case lessOrEqual(UInt64)
    case greater(UInt64)
    case greaterOrEqual(UInt64)
    /// Both bounds are in it.
    case within(ClosedRange<UInt64>)
    /// Both bounds are in what is excluded.
    case outside(ClosedRange<UInt64>)
    /// `value & mask` is `pattern`, or is not.
    case masked(mask: UInt64, pattern: UInt64, isNegated: Bool)

    /// Whether the number passes.
    @inlinable public func holds(_ number: UInt64) -> Bool {
        switch self {
        case .equal(let bound): number == bound
        case .notEqual(let bound): number != bound
        case .less(let bound): number < bound
        case .lessOrEqual(let bound): number <= bound
        case .greater(let bound): number > bound
        case .greaterOrEqual(let bound): number >= bound
        case .within(let range): range.contains(number)
        case .outside(let range): !range.contains(number)
        case .masked(let mask, let pattern, let isNegated): (number & mask == pattern) != isNegated
        }
    }
}

/// Which content the prefilter looks for. It is positive, at least one byte, and in a buffer of `matches`.
public struct FastPattern: Hashable, Sendable {
    /// Index into `Signature.matches`.
    public internal(set) var group: Int
    /// Index into that group's `inspections`; always a content.
    public internal(set) var inspection: Int
    /// The part of its bytes that is looked for (`fast_pattern:OFFSET,LENGTH`), else all of them.
    public internal(set) var bytes: [UInt8]
    public internal(set) var isCaseInsensitive: Bool
    /// Finding `bytes` anywhere in the buffer settles that content: it needs no further look.
    public internal(set) var settlesContent: Bool
}
