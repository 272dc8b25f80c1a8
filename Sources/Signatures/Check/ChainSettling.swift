// SPDX-License-Identifier: Apache-2.0
// One group's inspections to a chain: what is relative to nothing made absolute, what has to be retried
// marked, contents for the prefilter alone put first.

/// A chain whose meaning is settled.
struct SettledChain {
    var inspections: [Inspection] = []
    /// For each inspection the item of the draft that it was.
    var origins: [Int] = []
    /// Bytes that the buffer must have at least.
    var requiredBytes: Int64 = 0
    /// Nothing here needs a byte.
    var needsNothing = true
}

struct ChainSettler {
    private let items: [DraftItem]
    private var chain = SettledChain()
    private var hasPosition = false
    /// Contents and expressions that the position comes from; places in `chain.inspections`.
    private var sources: [Int] = []
    /// The least that the position can be.
    private var leastPosition: Int64 = 0

    init(_ items: [DraftItem]) { self.items = items }

    static func settle(_ items: [DraftItem]) -> SettledChain {
        var settler = ChainSettler(items)
        // They move no position: before all others nothing can be relative to them.
        for index in items.indices where items[index].fastPattern == .only {
            settler.take(index, moves: false)
        }
        for index in items.indices where items[index].fastPattern != .only {
            settler.take(index, moves: true)
        }
        settler.noteNeeds()
        return settler.chain
    }

    private mutating func take(_ index: Int, moves: Bool) {
        var inspection = items[index].inspection
        let isRelative = inspection.isRelative && hasPosition
        if inspection.isRelative, !hasPosition { inspection.makeAbsolute() }
        if isRelative { for source in sources { chain.inspections[source].isRetried = true } }
        measure(inspection, isRelative)
        chain.inspections.append(inspection)
        chain.origins.append(index)
        guard moves, inspection.movesPosition else { return }
        if !isRelative { sources = [] }
        hasPosition = true
        if inspection.isSearch { sources.append(chain.inspections.count - 1) }
    }

    /// The least buffer that can hold a content where it must stand.
    private mutating func measure(_ inspection: Inspection, _ isRelative: Bool) {
        guard case .content(let content) = inspection, !content.isNegated else {
            // What an expression or a number moves is not known.
            if inspection.movesPosition { leastPosition = 0 }
            return
        }
        let count = Int64(content.bytes.count)
        var start = isRelative ? leastPosition : 0
        if case .literal(let from) = content.from { start += from } else { start = 0 }
        leastPosition = max(0, start) + count
        chain.requiredBytes = max(chain.requiredBytes, leastPosition)
    }

    private mutating func noteNeeds() {
        var isAbsent = false
        for inspection in chain.inspections {
            switch inspection {
            case .absent: isAbsent = true
            case .content(let content): chain.needsNothing = chain.needsNothing && content.isNegated
            case .pcre(let match): chain.needsNothing = chain.needsNothing && match.isNegated
            case .dataAt(let test): chain.needsNothing = chain.needsNothing && test.isNegated
            // One that a byte passes as well is of a buffer that is there, if an empty one.
            case .size(let test):
                chain.needsNothing = chain.needsNothing && test.holds(0) && !test.holds(1)
            default: chain.needsNothing = false
            }
        }
        chain.needsNothing = chain.needsNothing || isAbsent
    }
}

extension Inspection {
    var isRelative: Bool {
        switch self {
        case .content(let content): content.isRelative
        case .pcre(let match): match.isRelative
        case .byteTest(let test): test.field.isRelative
        case .byteJump(let jump): jump.field.isRelative
        case .byteExtract(let extract): extract.field.isRelative
        case .byteMath(let math): math.field.isRelative
        case .dataAt(let test): test.isRelative
        case .base64(let decode): decode.isRelative
        case .size, .absent: false
        }
    }

    /// Later inspections can be relative to it.
    var movesPosition: Bool {
        switch self {
        case .content(let content): !content.isNegated
        case .pcre(let match): !match.isNegated
        case .byteJump, .byteExtract, .byteMath: true
        case .byteTest, .dataAt, .size, .base64, .absent: false
        }
    }

    /// It can match at more than one place.
    var isSearch: Bool {
        switch self {
        case .content, .pcre: true
        default: false
        }
    }

    var isRetried: Bool {
        get {
            switch self {
            case .content(let content): content.isRetried
            case .pcre(let match): match.isRetried
            default: false
            }
        }
        set {
            switch self {
            case .content(var content):
                content.isRetried = newValue
                self = .content(content)
            case .pcre(var match):
                match.isRetried = newValue
                self = .pcre(match)
            default: break
            }
        }
    }

    /// Relative to position 0 is relative to the start.
    mutating func makeAbsolute() {
        switch self {
        case .content(let content): self = .content(content.madeAbsolute())
        case .pcre(var match):
            match.isRelative = false
            self = .pcre(match)
        case .byteTest(var test):
            test.field.isRelative = false
            self = .byteTest(test)
        case .byteJump(var jump):
            jump.field.isRelative = false
            self = .byteJump(jump)
        case .byteExtract(var extract):
            extract.field.isRelative = false
            self = .byteExtract(extract)
        case .byteMath(var math):
            math.field.isRelative = false
            self = .byteMath(math)
        case .dataAt(var test):
            test.isRelative = false
            self = .dataAt(test)
        case .base64(var decode):
            decode.isRelative = false
            self = .base64(decode)
        case .size, .absent: break
        }
    }
}

extension ContentMatch {
    /// What is before the start is not there: a negative distance shortens what `within` leaves.
    fileprivate func madeAbsolute() -> ContentMatch {
        var absolute = self
        absolute.isRelative = false
        guard case .literal(let from) = from, from < 0 else { return absolute }
        absolute.from = .literal(0)
        if case .literal(let reach)? = length { absolute.length = .literal(max(0, reach + from)) }
        return absolute
    }
}
