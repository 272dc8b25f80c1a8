// SPDX-License-Identifier: Apache-2.0
// content, uricontent and what changes them: nocase, offset, depth, distance, within, fast_pattern and the
// like; and Snort 3's form, where these stand behind commas.

let contentKeywords: [String: KeywordHandler] = [
    "content": { draft, option throws(RuleProblem) in try content(&draft, option, buffer: nil) },
    "uricontent": { draft, option throws(RuleProblem) in try content(&draft, option, buffer: .httpURI) },
    "nocase": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        try draft.changeContent(option) { content, _ in
            content.isCaseInsensitive = true
            content.bytes = content.bytes.map(\.lowered)
        }
    },
    "rawbytes": { draft, option throws(RuleProblem) in
        try draft.changeContent(option) { content, _ in content.isRaw = true }
    },
    "offset": { draft, option throws(RuleProblem) in try position(&draft, option, isRelative: false) },
    "depth": { draft, option throws(RuleProblem) in try reach(&draft, option, isRelative: false) },
    "distance": { draft, option throws(RuleProblem) in try position(&draft, option, isRelative: true) },
    "within": { draft, option throws(RuleProblem) in try reach(&draft, option, isRelative: true) },
    "startswith": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        try draft.changeContent(option) { (content, item) throws(RuleProblem) in
            try say(option, &item, without: ["offset", "depth", "distance", "within"])
            content.isAtStart = true
            content.length = .literal(Int64(content.bytes.count))
        }
    },
    "endswith": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        try draft.changeContent(option) { content, _ in content.isAtEnd = true }
    },
    "fast_pattern": { draft, option throws(RuleProblem) in try fastPattern(&draft, option) },
]

/// `"bytes|41 42|"`, with `!` in front negated.
private func content(
    _ draft: inout SignatureDraft, _ option: RuleOption, buffer: Buffer?
) throws(RuleProblem) {
    let value = try required(option, "a quoted text")
    let isNegated = value.first == UInt8(ascii: "!")
    let text = isNegated ? value.dropFirst().trimmed : value
    var (quoted, options) = (text, Slice())
    // Snort 3: `"bytes",nocase,depth 4`. A quote is followed by a comma there alone.
    if draft.isSnort3, text.first == UInt8(ascii: "\""), let end = closingQuote(text) {
        quoted = text[text.startIndex...end]
        options = text[(end + 1)...].trimmed
    }
    guard let inner = quoted.unquoted else {
        throw RuleProblem("content", value: value, expected: "a text between double quotes")
    }
    var match = ContentMatch(bytes: try contentBytes(inner))
    match.isNegated = isNegated
    let item = DraftItem(inspection: .content(match), place: option.place)
    // Its old modifiers come behind it; until then a content without a buffer is one of the payload.
    draft.lastContent = draft.add(item, to: buffer)
    if let list = options.dropping(UInt8(ascii: ",")) { try snortOptions(&draft, list) }
}

/// The quote that no backslash escapes.
private func closingQuote(_ text: Slice) -> Int? {
    var index = text.startIndex + 1
    while index < text.endIndex {
        if text[index] == UInt8(ascii: "\\") {
            index += 2
        } else if text[index] == UInt8(ascii: "\"") {
            return index
        } else {
            index += 1
        }
    }
    return nil
}

private func snortOptions(_ draft: inout SignatureDraft, _ list: Slice) throws(RuleProblem) {
    for part in list.parts() where !part.isEmpty {
        let end = part.firstIndex(where: \.isBlank) ?? part.endIndex
        let value = part[end...].trimmed
        let name = part[..<end]
        switch name.text {
        case "fast_pattern_offset", "fast_pattern_length": continue
        default:
            let option = RuleOption(name: name.text, nameSlice: name, value: value.isEmpty ? nil : value)
            guard let handler = contentKeywords[option.name] else {
                throw RuleProblem.unsupported("content \(option.name.prefix(32))", at: part.place)
            }
            try handler(&draft, option)
        }
    }
}

/// Text with `|hex|` parts and escaped `"`, `;`, `:` and backslash.
func contentBytes(_ text: Slice) throws(RuleProblem) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var isHex = false
    var half: UInt8?
    var index = text.startIndex
    while index < text.endIndex {
        let byte = text[index]
        let place = index..<(index + 1)
        index += 1
        switch byte {
        case UInt8(ascii: "|"):
            if half != nil { throw oddDigits(place) }
            isHex.toggle()
        case _ where isHex:
            if byte.isBlank || byte == UInt8(ascii: ",") { continue }
            guard let digit = byte.hexValue else {
                throw RuleProblem(
                    "bad-content", "'\(text[place].text)' is no hexadecimal digit", at: place,
                    expected: "digits, or '|' to end the bytes")
            }
            if let high = half { bytes.append(high << 4 | digit) }
            half = half == nil ? digit : nil
        case UInt8(ascii: "\\"):
            guard index < text.endIndex, [0x22, 0x3a, 0x3b, 0x5c].contains(text[index]) else {
                throw RuleProblem(
                    "bad-content", "a backslash that escapes nothing", at: place,
                    help: "escape '\"', ';', ':' and '\\' alone; write others as hex, as in '|5c|'")
            }
            bytes.append(text[index])
            index += 1
        case UInt8(ascii: "\""):
            throw RuleProblem(
                "bad-content", "a quote within the content", at: place, help: "write it as '|22|'")
        default: bytes.append(byte)
        }
    }
    guard !isHex, half == nil else { throw openBytes(text) }
    guard (1...SignatureLimits.contentBytes).contains(bytes.count) else {
        throw RuleProblem(
            "bad-content", "the content has \(bytes.count) bytes", at: text.place,
            expected: "1 to \(SignatureLimits.contentBytes)")
    }
    return bytes
}

private func oddDigits(_ place: Range<Int>) -> RuleProblem {
    RuleProblem("bad-content", "half a byte", at: place, expected: "two digits for each byte")
}

private func openBytes(_ text: Slice) -> RuleProblem {
    RuleProblem("bad-content", "the hexadecimal bytes do not end", at: text.place, expected: "'|'")
}

/// Notes a keyword of a content; another that does not go with it is an error.
private func say(
    _ option: RuleOption, _ item: inout DraftItem, without others: [String]
) throws(RuleProblem) {
    if let other = others.first(where: item.said.contains) {
        throw RuleProblem(
            "content-conflict", "'\(option.name)' does not go with '\(other)' of the same content",
            at: option.place)
    }
    guard item.said.insert(option.name).inserted else {
        throw RuleProblem(
            "duplicate-keyword", "the content has '\(option.name)' already", at: option.place,
            help: "delete one")
    }
}

private let relativeWords = ["distance", "within", "startswith"]
private let absoluteWords = ["offset", "depth", "startswith"]

/// `offset` and `distance`.
private func position(
    _ draft: inout SignatureDraft, _ option: RuleOption, isRelative: Bool
) throws(RuleProblem) {
    let value = try required(option, "a number of bytes").plain
    let operand = try draft.operand(value, option)
    if !isRelative, case .literal(let number) = operand, !(0...65535).contains(number) {
        throw RuleProblem(option.name, value: value, expected: "0 to 65535")
    }
    if isRelative, case .literal(let number) = operand, !(-1_048_576...1_048_576).contains(number) {
        throw RuleProblem(option.name, value: value, expected: "-1048576 to 1048576")
    }
    try draft.changeContent(option) { (content, item) throws(RuleProblem) in
        try say(option, &item, without: isRelative ? absoluteWords : relativeWords)
        content.from = operand
        content.isRelative = isRelative
    }
}

/// `depth` and `within`.
private func reach(
    _ draft: inout SignatureDraft, _ option: RuleOption, isRelative: Bool
) throws(RuleProblem) {
    let value = try required(option, "a number of bytes").plain
    let operand = try draft.operand(value, option)
    try draft.changeContent(option) { (content, item) throws(RuleProblem) in
        try say(option, &item, without: isRelative ? absoluteWords : relativeWords)
        content.length = operand
        content.isRelative = isRelative
        guard case .literal(let number) = operand else { return }
        let count = Int64(content.bytes.count)
        guard (1...1_048_576).contains(number) else {
            throw RuleProblem(option.name, value: value, expected: "1 to 1048576")
        }
        // "depth:3" of a longer content means that it starts the search: Suricata makes it longer.
        if number < count, !isRelative { content.length = .literal(count) }
        if number < count, isRelative {
            throw RuleProblem(
                "content-conflict", "the content has \(count) bytes, 'within' leaves \(number)",
                at: value.place, help: "make it at least \(count)")
        }
    }
}

/// `fast_pattern`, `fast_pattern:only` or `fast_pattern:OFFSET,LENGTH`.
private func fastPattern(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    if draft.groups.contains(where: { $0.items.contains { $0.fastPattern != .none } }) {
        throw RuleProblem(
            "duplicate-keyword", "another content has 'fast_pattern' already", at: option.place,
            help: "delete one")
    }
    try draft.changeContent(option) { (content, item) throws(RuleProblem) in
        item.fastPattern = .preferred
        guard let value = option.value, !value.isEmpty else { return }
        if value.text == "only" {
            item.fastPattern = .only
            return
        }
        let numbers = value.parts().map { $0.number.flatMap(Int.init(exactly:)) }
        guard numbers.count == 2, let offset = numbers[0], let length = numbers[1], length > 0,
            offset <= content.bytes.count, length <= content.bytes.count - offset
        else {
            throw RuleProblem(
                "fast_pattern", value: value,
                expected:
                    "'only', or an offset and a length within the content's \(content.bytes.count) bytes")
        }
        item.fastPattern = .part(offset: offset, length: length)
    }
}
