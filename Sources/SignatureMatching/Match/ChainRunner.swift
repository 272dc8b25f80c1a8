// SPDX-License-Identifier: Apache-2.0
// the steps of one buffer's chain + its bytes -> whether they all hold, trying later occurrences of a
// literal where what follows it depends on its place.

import Signatures

/// How a chain, or the rest of one, went.
enum ChainVerdict {
    case holds
    /// It may hold from another place of an earlier literal.
    case failsHere
    /// No other place can help.
    case fails
}

/// A worker's state while it runs one signature's chains.
final class ChainRunner {
    private let searcher: RegexSearcher
    private let mostSteps: Int
    private var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private var chain = UnsafeBufferPointer<Step>(start: nil, count: 0)
    private var streamOffset: UInt64 = 0
    private var steps = 0
    private let variables: UnsafeMutablePointer<UInt64>
    /// A limit of a regular expression, or of steps, was reached since `begin`.
    private(set) var reachedRegexLimit = false
    private(set) var reachedStepLimit = false
    /// What one search of an expression counts: a literal that leads to an expression again and again
    /// must not multiply the expression's own limits by thousands.
    private static let stepsOfSearch = 10

    init(limits: RegexLimits, mostSteps: Int, usesMachineCode: Bool) {
        searcher = RegexSearcher(limits: limits, usesMachineCode: usesMachineCode)
        self.mostSteps = mostSteps
        variables = .allocate(capacity: SignatureLimits.variables)
        variables.initialize(repeating: 0, count: SignatureLimits.variables)
    }

    deinit { variables.deallocate() }

    /// Forgets the last signature's variables and limits.
    func begin(variableCount: Int) {
        reachedRegexLimit = false
        reachedStepLimit = false
        if variableCount > 0 { variables.update(repeating: 0, count: SignatureLimits.variables) }
    }

    /// Whether the chain holds on a buffer of which `streamOffset` bytes came before.
    func run(_ chain: [Step], on buffer: UnsafeRawBufferPointer, streamOffset: UInt64 = 0) -> Bool {
        guard !reachedRegexLimit else { return false }
        bytes = buffer
        self.streamOffset = streamOffset
        steps = 0
        return chain.withUnsafeBufferPointer {
            self.chain = $0
            return run(0, from: 0) == .holds
        }
    }

    /// The steps from `index` on.
    private func run(_ index: Int, from position: Int) -> ChainVerdict {
        guard index < chain.count else { return .holds }
        steps &+= 1
        guard steps < mostSteps else {
            reachedStepLimit = true
            return .fails
        }
        let rest = index &+ 1
        switch chain[index] {
        case .content(let content): return run(content, rest, position)
        case .regex(let regex): return run(regex, rest, position)
        case .base64(let base64): return run(base64, rest, position)
        case .byteTest(let test):
            return compare(test, position) ? run(rest, from: position) : .failsHere
        case .byteJump(let jump): return go(on: rest, from: target(of: jump, position))
        case .byteExtract(let extract): return go(on: rest, from: take(extract, position))
        case .byteMath(let math): return go(on: rest, from: compute(math, position))
        case .dataAt(let dataAt):
            return hasData(dataAt, position) != dataAt.isNegated ? run(rest, from: position) : .failsHere
        case .size(let test):
            return test.holds(UInt64(bytes.count) &+ streamOffset) ? run(rest, from: position) : .fails
        case .absent(let orElse): return orElse ? run(rest, from: position) : .fails
        }
    }

    private func go(on rest: Int, from position: Int?) -> ChainVerdict {
        guard let position else { return .failsHere }
        return run(rest, from: position)
    }

    private func value(_ operand: Operand) -> Int {
        switch operand {
        case .literal(let number): Int(number)
        case .variable(let slot): Int(clamping: variable(slot))
        }
    }

    private func variable(_ slot: Int) -> UInt64 {
        slot >= 0 && slot < SignatureLimits.variables ? variables[slot] : 0
    }

    private func store(_ number: UInt64, in slot: Int) {
        if slot >= 0, slot < SignatureLimits.variables { variables[slot] = number }
    }
}

// Literals and regular expressions.
extension ChainRunner {
    private func run(_ content: ContentStep, _ rest: Int, _ position: Int) -> ChainVerdict {
        let failure = content.isFixed || content.isFinal ? ChainVerdict.fails : .failsHere
        guard let range = searchRange(content, position) else {
            return content.isNegated ? run(rest, from: position) : failure
        }
        var start = range.lowerBound
        if content.isNegated {
            return find(content, from: start, in: range) == nil ? run(rest, from: position) : failure
        }
        while let found = find(content, from: start, in: range) {
            if rest == chain.count { return .holds }
            let verdict = run(rest, from: found + content.literal.count)
            if verdict != .failsHere { return verdict }
            // What follows does not depend on this place, so that no other place helps.
            guard content.isRetried else { return .fails }
            start = found + 1
            steps &+= 1
            guard steps < mostSteps else {
                reachedStepLimit = true
                return .fails
            }
        }
        return content.followsContents ? failure : .failsHere
    }

    /// Where the literal may stand; nil where it has no room at all.
    private func searchRange(_ content: ContentStep, _ position: Int) -> Range<Int>? {
        let base = content.isRelative ? position : -Int(clamping: streamOffset)
        let (start, startOverflow) = base.addingReportingOverflow(value(content.from))
        guard !startOverflow else { return nil }
        var end = bytes.count
        if let length = content.length {
            let (bound, overflow) = start.addingReportingOverflow(value(length))
            if !overflow { end = min(end, bound) }
        }
        let first = max(0, start)
        return first <= end ? first..<end : nil
    }

    private func find(_ content: ContentStep, from start: Int, in range: Range<Int>) -> Int? {
        guard start >= range.lowerBound, start <= range.upperBound else { return nil }
        let literal = content.literal
        if content.isAtEnd {
            let place = bytes.count - literal.count
            let isThere =
                range.upperBound == bytes.count && place >= start && literal.stands(at: place, in: bytes)
            return isThere && (!content.isAtStart || place == range.lowerBound) ? place : nil
        }
        if content.isAtStart {
            let fits = literal.count <= range.count && start == range.lowerBound
            return fits && literal.stands(at: start, in: bytes) ? start : nil
        }
        return literal.first(in: bytes, from: start, to: range.upperBound)
    }

    private func run(_ step: RegexStep, _ rest: Int, _ position: Int) -> ChainVerdict {
        let base = step.isRelative ? position : 0
        guard base <= bytes.count else { return .failsHere }
        // A relative expression sees nothing before the position: ^ stands for it.
        let subject = UnsafeRawBufferPointer(rebasing: bytes[base...])
        let failure = step.isRelative ? ChainVerdict.failsHere : .fails
        var start = 0
        while true {
            steps &+= ChainRunner.stepsOfSearch
            switch searcher.search(step.regex, in: subject, from: start) {
            case .limit:
                reachedRegexLimit = true
                return .fails
            case .none: return step.isNegated ? run(rest, from: position) : failure
            case .match(let range):
                if step.isNegated { return failure }
                let verdict = run(rest, from: base + range.upperBound)
                guard verdict == .failsHere, step.isRetried else { return verdict }
                start = range.lowerBound + 1
                if steps >= mostSteps {
                    reachedStepLimit = true
                    return .fails
                }
                if start > subject.count { return failure }
            }
        }
    }

    private func run(_ step: Base64Step, _ rest: Int, _ position: Int) -> ChainVerdict {
        let (start, overflow) = (step.decode.isRelative ? position : 0).addingReportingOverflow(
            step.decode.offset)
        guard !overflow, start >= 0, start <= bytes.count else { return .failsHere }
        let available = bytes.count - start
        let text = bytes[start..<start + min(available, step.decode.bytes ?? available)]
        let decoded = decodeBase64(UnsafeRawBufferPointer(rebasing: text), mode: .rfc2045)
        guard !decoded.isEmpty else { return .failsHere }
        guard !step.steps.isEmpty else { return run(rest, from: position) }
        let (outer, outerOffset, outerChain) = (bytes, streamOffset, chain)
        let verdict = decoded.withUnsafeBytes { inner -> ChainVerdict in
            bytes = inner
            streamOffset = 0
            return step.steps.withUnsafeBufferPointer {
                chain = $0
                return run(0, from: 0)
            }
        }
        (bytes, streamOffset, chain) = (outer, outerOffset, outerChain)
        return verdict == .holds ? run(rest, from: position) : .failsHere
    }
}

// Numbers.
extension ChainRunner {
    private func read(_ field: NumberField, _ position: Int) -> FieldValue? {
        let base = field.isRelative ? position : 0
        let (start, overflow) = base.addingReportingOverflow(value(field.offset))
        guard !overflow else { return nil }
        var count = value(field.count)
        // All the digits that there are.
        if count == 0, field.text != nil { count = min(23, max(0, bytes.count - max(0, start))) }
        return readField(
            FieldPlace(
                start: start, count: count, isLittleEndian: field.isLittleEndian,
                text: field.text, bitmask: field.bitmask), in: bytes)
    }

    private func number(_ operand: Operand) -> UInt64 {
        switch operand {
        case .literal(let number): UInt64(bitPattern: number)
        case .variable(let slot): variable(slot)
        }
    }

    private func compare(_ test: ByteTest, _ position: Int) -> Bool {
        guard let field = read(test.field, position) else { return false }
        let other = number(test.value)
        let holds =
            switch test.comparison {
            case .less: field.number < other
            case .lessOrEqual: field.number <= other
            case .greater: field.number > other
            case .greaterOrEqual: field.number >= other
            case .equal: field.number == other
            case .and: field.number & other != 0
            case .xor: field.number ^ other != 0
            }
        return holds != test.isNegated
    }

    /// Where the jump goes; a place before the buffer is its start, one behind its end is none.
    private func target(of jump: ByteJump, _ position: Int) -> Int? {
        guard let field = read(jump.field, position) else { return nil }
        var distance = field.number &* UInt64(bitPattern: jump.multiplier)
        if jump.isAligned { distance = (distance &+ 3) & ~3 }
        let origin =
            switch jump.origin {
            case .field: field.end
            case .bufferStart: 0
            case .bufferEnd: bytes.count
            }
        let moved = Int(truncatingIfNeeded: distance).addingReportingOverflow(value(jump.postOffset))
        let target = origin.addingReportingOverflow(moved.partialValue)
        guard !moved.overflow, !target.overflow, target.partialValue <= bytes.count else { return nil }
        return max(0, target.partialValue)
    }

    private func take(_ extract: ByteExtract, _ position: Int) -> Int? {
        guard let field = read(extract.field, position) else { return nil }
        var number = field.number &* UInt64(bitPattern: extract.multiplier)
        if let alignment = extract.alignment, alignment > 1 {
            let surplus = number % UInt64(alignment)
            if surplus > 0 { number = number &+ (UInt64(alignment) - surplus) }
        }
        store(number, in: extract.slot)
        return field.end
    }

    private func compute(_ math: ByteMath, _ position: Int) -> Int? {
        guard let field = read(math.field, position) else { return nil }
        let other = number(math.value)
        switch math.operation {
        case .add: store(field.number &+ other, in: math.slot)
        case .subtract: store(field.number &- other, in: math.slot)
        case .multiply: store(field.number &* other, in: math.slot)
        case .divide:
            guard other != 0 else { return nil }
            store(field.number / other, in: math.slot)
        case .shiftLeft: store(field.number << other, in: math.slot)
        case .shiftRight: store(field.number >> other, in: math.slot)
        }
        return field.end
    }

    private func hasData(_ dataAt: DataAt, _ position: Int) -> Bool {
        let distance = value(dataAt.distance)
        guard dataAt.isRelative else { return distance < bytes.count }
        let (place, overflow) = position.addingReportingOverflow(distance)
        return !overflow && place <= bytes.count
    }
}
