// SPDX-License-Identifier: Apache-2.0
// Comparisons in text: `5`, `!5`, `<5`, `>=5`, `1<>5` and `1-5` (between, both left out), Snort 3's `1<=>5`
// (both in it), `&0xf=1` (masked).

/// Reads a comparison for `keyword`.
/// - Parameter most: the field's largest number.
func numberTest(_ text: Slice, _ keyword: String, most: UInt64) throws(RuleProblem) -> NumberTest {
    let plain = text.plain.trimmed
    guard let test = comparison(plain, most) ?? masked(plain, most) ?? range(plain, most) else {
        throw RuleProblem(
            keyword, value: text, expected: "a number to \(most), or as in '>1', '!1', '1<>9'")
    }
    return test
}

private func comparison(_ text: Slice, _ most: UInt64) -> NumberTest? {
    func number(_ digits: Slice?) -> UInt64? {
        guard let value = digits?.number, value <= most else { return nil }
        return value
    }
    if let value = number(text) { return .equal(value) }
    if let value = number(text.dropping("<=")) { return .lessOrEqual(value) }
    if let value = number(text.dropping(">=")) { return .greaterOrEqual(value) }
    if let value = number(text.dropping("!=")) { return .notEqual(value) }
    if let value = number(text.dropping("!")) { return .notEqual(value) }
    if let value = number(text.dropping("=")) { return .equal(value) }
    if let value = number(text.dropping("<")) { return .less(value) }
    if let value = number(text.dropping(">")) { return .greater(value) }
    return nil
}

/// `&MASK=PATTERN`, `&MASK!=PATTERN`
private func masked(_ text: Slice, _ most: UInt64) -> NumberTest? {
    guard let rest = text.dropping("&"), let equals = rest.firstIndex(of: UInt8(ascii: "=")) else {
        return nil
    }
    var left = rest[..<equals].trimmed
    let isNegated = left.last == UInt8(ascii: "!")
    if isNegated { left = left.dropLast().trimmed }
    guard let mask = left.number, let pattern = rest[(equals + 1)...].trimmed.number, mask <= most,
        pattern <= most
    else { return nil }
    return .masked(mask: mask, pattern: pattern, isNegated: isNegated)
}

private func range(_ text: Slice, _ most: UInt64) -> NumberTest? {
    let isNegated = text.first == UInt8(ascii: "!")
    let pair = isNegated ? text.dropFirst().trimmed : text
    for (sign, isClosed) in [("<=>", true), ("<>", false), ("-", false)] {
        let parts = split(pair, Array(sign.utf8))
        guard parts.count == 2, let low = parts[0].number, let high = parts[1].number, high <= most else {
            continue
        }
        if isClosed { return low <= high ? closed(low...high, isNegated) : nil }
        // Exclusive: at least one number must be left between them.
        guard low < high, high - low >= 2 else { return nil }
        return closed((low + 1)...(high - 1), isNegated)
    }
    return nil
}

private func closed(_ range: ClosedRange<UInt64>, _ isNegated: Bool) -> NumberTest {
    isNegated ? .outside(range) : .within(range)
}

/// Before and behind the first occurrence of a sign.
private func split(_ text: Slice, _ sign: [UInt8]) -> [Slice] {
    var index = text.startIndex
    while index + sign.count <= text.endIndex {
        if text[index..<(index + sign.count)].elementsEqual(sign) {
            return [text[..<index].trimmed, text[(index + sign.count)...].trimmed]
        }
        index += 1
    }
    return []
}

extension NumberTest {
    /// The largest number that passes; nil where there is no bound.
    var largest: UInt64? {
        switch self {
        case .equal(let bound), .lessOrEqual(let bound): bound
        case .less(let bound): bound == 0 ? nil : bound - 1
        case .within(let range): range.upperBound
        default: nil
        }
    }
}
