// SPDX-License-Identifier: Apache-2.0
// pcre: "/pattern/flags", where some flags name the buffer as the old http_* modifiers do.

let pcreKeywords: [String: KeywordHandler] = [
    "pcre": { draft, option throws(RuleProblem) in try pcre(&draft, option) }
]

/// Flags that name a buffer.
private let bufferFlags: [UInt8: Buffer] = [
    UInt8(ascii: "U"): .httpURI, UInt8(ascii: "I"): .httpURIRaw, UInt8(ascii: "P"): .httpRequestBody,
    UInt8(ascii: "Q"): .httpResponseBody, UInt8(ascii: "H"): .httpHeader, UInt8(ascii: "D"): .httpHeaderRaw,
    UInt8(ascii: "M"): .httpMethod, UInt8(ascii: "C"): .httpCookie, UInt8(ascii: "S"): .httpStatusCode,
    UInt8(ascii: "Y"): .httpStatusMessage, UInt8(ascii: "V"): .httpUserAgent, UInt8(ascii: "W"): .httpHost,
    UInt8(ascii: "Z"): .httpHostRaw,
]

private let compileFlags: [UInt8: PCREMatch.Flags] = [
    UInt8(ascii: "i"): .caseless, UInt8(ascii: "s"): .dotAll, UInt8(ascii: "m"): .multiline,
    UInt8(ascii: "x"): .extended, UInt8(ascii: "A"): .anchored, UInt8(ascii: "E"): .dollarEndOnly,
    UInt8(ascii: "G"): .ungreedy,
]

private func pcre(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "a quoted expression, as in \"/a.*b/i\"")
    let isNegated = value.first == UInt8(ascii: "!")
    let quoted = isNegated ? value.dropFirst().trimmed : value
    guard let text = quoted.unquoted?.trimmed, text.first == UInt8(ascii: "/"),
        let end = text.lastIndex(of: UInt8(ascii: "/")),
        end > text.startIndex + 1
    else {
        throw RuleProblem("pcre", value: value, expected: "an expression between slashes, as in \"/a.*b/i\"")
    }
    var match = PCREMatch(pattern: Array(text[(text.startIndex + 1)..<end]))
    match.isNegated = isNegated
    var parts = text[(end + 1)...].parts()
    var buffer: Buffer?
    for index in parts.removeFirst().indices {
        buffer = try readFlag(text[index...index], into: &match, draft) ?? buffer
    }
    match.captures = try captures(parts)
    try checkPattern(of: match, at: text.startIndex + 1)
    // Q is the response's body, which file.data holds as well.
    let isBody = buffer == .httpResponseBody && draft.sticky?.buffer == .fileData
    if let buffer, let sticky = draft.sticky, sticky.buffer != buffer, !isBody, !draft.isSnort3 {
        throw RuleProblem(
            "buffer-conflict",
            "the expression's flags name '\(buffer.rawValue)', the sticky buffer is "
                + "'\(sticky.buffer.rawValue)'", at: option.place, help: "delete one of both")
    }
    let isSticky = draft.sticky != nil
    draft.add(
        DraftItem(inspection: .pcre(match), place: option.place), to: isSticky ? nil : buffer,
        isRelative: match.isRelative)
}

/// An expression that is none would be found out only by the engine, which has no place in the text for it.
private func checkPattern(of match: PCREMatch, at start: Int) throws(RuleProblem) {
    guard let fault = match.fault else { return }
    let place = start + fault.offset
    throw RuleProblem(
        "bad-expression", "the expression is none: \(fault.reason), at offset \(fault.offset)",
        at: place..<(place + 1), help: "expressions are those of PCRE2")
}

/// The buffer that a flag names; other flags go to the match.
private func readFlag(
    _ flag: Slice, into match: inout PCREMatch, _ draft: SignatureDraft
) throws(RuleProblem) -> Buffer? {
    guard let byte = flag.first else { return nil }
    if let known = compileFlags[byte] {
        match.flags.insert(known)
        return nil
    }
    switch byte {
    case UInt8(ascii: "R"): match.isRelative = true
    // B: the payload as it came, which it is here; O: match limits, which hold for all expressions.
    case UInt8(ascii: "B"), UInt8(ascii: "O"): break
    default:
        guard let buffer = bufferFlags[byte] else {
            throw RuleProblem(
                "bad-value", "'\(flag.text)' is no flag of an expression", at: flag.place,
                expected: "of 'ismxAEGRBO', or a buffer's of 'UIPQHDMCSYVWZ'")
        }
        return buffer
    }
    return nil
}

/// `flow:name` or `pkt:name` for each group.
private func captures(_ parts: [Slice]) throws(RuleProblem) -> [PCREMatch.Capture] {
    var captures: [PCREMatch.Capture] = []
    for part in parts {
        let colon = part.firstIndex(of: UInt8(ascii: ":")) ?? part.endIndex
        guard colon < part.endIndex, captures.count < 8,
            let scope = PCREMatch.Capture.Scope(rawValue: part[..<colon].text)
        else {
            throw RuleProblem(
                "pcre", value: part, expected: "at most 8 of 'flow:NAME', 'pkt:NAME', 'alert:NAME'")
        }
        captures.append(PCREMatch.Capture(scope: scope, name: part[(colon + 1)...].text))
    }
    return captures
}
