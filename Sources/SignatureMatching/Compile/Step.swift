// SPDX-License-Identifier: Apache-2.0
// One inspection of a chain as the matcher runs it: literals and regular expressions made ready.

import CPCRE2
import Signatures

/// A step of a chain.
enum Step: Sendable {
    case content(ContentStep)
    case regex(RegexStep)
    case byteTest(ByteTest)
    case byteJump(ByteJump)
    case byteExtract(ByteExtract)
    case byteMath(ByteMath)
    case dataAt(DataAt)
    case size(NumberTest)
    case base64(Base64Step)
    /// The buffer must not be there; with `orElse` it may be, and the other steps hold.
    case absent(orElse: Bool)
}

/// A literal and its conditions.
final class ContentStep: Sendable {
    let literal: SearchedBytes
    let isNegated: Bool
    let isRelative: Bool
    let from: Operand
    let length: Operand?
    let isAtStart: Bool
    let isAtEnd: Bool
    let isRetried: Bool
    /// Its range depends on nothing that was found before it.
    let isFixed: Bool
    /// Where it is not found from one place, it is not found from later ones: set where all that its
    /// place comes from are contents, whose next occurrences are later ones.
    let isFinal: Bool
    /// Only contents stand before it: what follows it depends on its place alone.
    let followsContents: Bool

    init(_ content: ContentMatch, followsContents: Bool) {
        literal = SearchedBytes(content.bytes, isCaseless: content.isCaseInsensitive)
        isNegated = content.isNegated
        isRelative = content.isRelative
        from = content.from
        length = content.length
        isAtStart = content.isAtStart
        isAtEnd = content.isAtEnd
        isRetried = content.isRetried
        isFixed = !content.isRelative && content.from.isLiteral && content.length?.isLiteral != false
        self.followsContents = followsContents
        isFinal =
            followsContents && content.isRelative && !content.isNegated && content.length == nil
            && !content.isAtStart && content.from.isLiteral
    }
}

extension Inspection {
    /// From a later place it goes to the same or a later one.
    fileprivate var movesOnlyForward: Bool {
        switch self {
        case .content(let content): content.from.isLiteral && content.length?.isLiteral != false
        case .pcre(let pcre): pcre.isNegated
        case .byteJump, .byteExtract, .byteMath: false
        case .byteTest, .dataAt, .size, .base64, .absent: true
        }
    }
}

extension Operand {
    var isLiteral: Bool {
        if case .literal = self { return true }
        return false
    }
}

/// A regular expression and its conditions.
final class RegexStep: Sendable {
    let regex: Regex
    let isNegated: Bool
    let isRelative: Bool
    let isRetried: Bool

    init(_ pcre: PCREMatch) throws(RegexError) {
        regex = try Regex(pcre.pattern, options: pcre.compileOptions)
        isNegated = pcre.isNegated
        isRelative = pcre.isRelative
        isRetried = pcre.isRetried
    }
}

/// Base64 text to decode, and what its bytes must hold.
final class Base64Step: Sendable {
    let decode: Base64Decode
    let steps: [Step]

    init(_ decode: Base64Decode) throws(RegexError) {
        self.decode = decode
        steps = try Step.compile(decode.inspections)
    }
}

extension Step {
    static func compile(_ inspections: [Inspection]) throws(RegexError) -> [Step] {
        var steps: [Step] = []
        var followsContents = true
        for inspection in inspections {
            steps.append(try Step(inspection, followsContents: followsContents))
            followsContents = followsContents && inspection.movesOnlyForward
        }
        return steps
    }

    init(_ inspection: Inspection, followsContents: Bool) throws(RegexError) {
        switch inspection {
        case .content(let content): self = .content(ContentStep(content, followsContents: followsContents))
        case .pcre(let pcre): self = .regex(try RegexStep(pcre))
        case .byteTest(let test): self = .byteTest(test)
        case .byteJump(let jump): self = .byteJump(jump)
        case .byteExtract(let extract): self = .byteExtract(extract)
        case .byteMath(let math): self = .byteMath(math)
        case .dataAt(let dataAt): self = .dataAt(dataAt)
        case .size(let test): self = .size(test)
        case .base64(let decode): self = .base64(try Base64Step(decode))
        case .absent(let orElse): self = .absent(orElse: orElse)
        }
    }

    /// It says that something is not there, or how much there is: only a whole buffer can answer.
    var needsWholeBuffer: Bool {
        switch self {
        case .content(let content): content.isNegated || content.isAtEnd
        case .regex(let regex): regex.isNegated
        case .dataAt(let dataAt): dataAt.isNegated
        case .size: true
        case .byteJump(let jump): jump.origin == .bufferEnd
        case .base64(let step): step.steps.contains { $0.needsWholeBuffer }
        case .byteTest, .byteExtract, .byteMath, .absent: false
        }
    }
}
