// SPDX-License-Identifier: Apache-2.0
// byte_test, byte_jump, byte_extract, byte_math and isdataat: lists of fixed places first, then options by
// name in any order.

let byteKeywords: [String: KeywordHandler] = [
    "byte_test": { draft, option throws(RuleProblem) in try byteTest(&draft, option) },
    "byte_jump": { draft, option throws(RuleProblem) in try byteJump(&draft, option) },
    "byte_extract": { draft, option throws(RuleProblem) in try byteExtract(&draft, option) },
    "byte_math": { draft, option throws(RuleProblem) in try byteMath(&draft, option) },
    "isdataat": { draft, option throws(RuleProblem) in try isDataAt(&draft, option) },
]

/// The options that all four share. False where the word is none of them.
private func readFieldOption(
    _ part: Slice, _ field: inout NumberField, _ option: RuleOption
) throws(RuleProblem) -> Bool {
    let words = part.words
    let value = words.count > 1 ? words[1] : words[0]
    switch words[0].text {
    case "relative": field.isRelative = true
    case "little": field.isLittleEndian = true
    case "big": field.isLittleEndian = false
    case "endian":
        guard ["little", "big"].contains(value.text) else {
            throw RuleProblem(option.name, value: part, expected: "'endian little' or 'endian big'")
        }
        field.isLittleEndian = value.text == "little"
    case "string":
        // "string hex", or "string,hex" where the base is an option of its own.
        field.text = words.count > 1 ? try base(value, option) : field.text ?? .decimal
    case "hex", "dec", "oct": field.text = try base(words[0], option)
    case "bitmask":
        guard let mask = value.number ?? hexadecimal(value), mask != 0 else {
            throw RuleProblem(
                option.name, value: part, expected: "a mask that is not 0, as in 'bitmask 0xff'")
        }
        field.bitmask = mask
    case "dce": throw .unsupported("\(option.name) dce", at: part.place)
    default: return false
    }
    return true
}

private func base(_ word: Slice, _ option: RuleOption) throws(RuleProblem) -> NumberField.Text {
    switch word.text {
    case "hex": return .hexadecimal
    case "dec": return .decimal
    case "oct": return .octal
    default: throw RuleProblem(option.name, value: word, expected: "'hex', 'dec' or 'oct'")
    }
}

/// "ff" without 0x.
private func hexadecimal(_ text: Slice) -> UInt64? { UInt64(text.text, radix: 16) }

private func unknown(_ part: Slice, _ option: RuleOption) -> RuleProblem {
    RuleProblem(option.name, value: part, expected: "an option of '\(option.name)'")
}

/// The parts between commas; at least so many, none empty.
private func parts(_ option: RuleOption, atLeast count: Int, _ expected: String) throws(RuleProblem)
    -> [Slice]
{
    let value = try required(option, expected)
    let parts = value.plain.parts()
    guard parts.count >= count, !parts.contains(where: \.isEmpty) else {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
    return parts
}

/// Literal numbers of bytes stay in what a number can be made of.
private func checkField(
    _ field: NumberField, _ part: Slice, _ option: RuleOption, from low: Int64 = 1
) throws(RuleProblem) {
    guard case .literal(let count) = field.count else { return }
    let most: Int64 = field.text == nil ? 8 : 23
    // A text of no stated length ends with its digits: "byte_test:0,>,99,0,string,dec".
    let least = field.text == nil ? low : 0
    guard (least...most).contains(count) else {
        throw RuleProblem(option.name, value: part, expected: "\(least) to \(most) bytes")
    }
}

private func checkOffset(_ offset: Operand, _ part: Slice, _ option: RuleOption) throws(RuleProblem) {
    guard case .literal(let number) = offset, !(-0x7fff_ffff...0x7fff_ffff).contains(number) else { return }
    throw RuleProblem(option.name, value: part, expected: "an offset of at most 31 bits")
}

/// `COUNT, [!]OP, VALUE, OFFSET[, OPTION...]`
private func byteTest(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let list = try parts(option, atLeast: 4, "'COUNT, OPERATOR, VALUE, OFFSET'")
    var field = NumberField(
        count: try draft.operand(list[0], option), offset: try draft.operand(list[3], option))
    for part in list.dropFirst(4) where try !readFieldOption(part, &field, option) {
        throw unknown(part, option)
    }
    try checkField(field, list[0], option)
    try checkOffset(field.offset, list[3], option)
    let isNegated = list[1].first == UInt8(ascii: "!")
    let sign = isNegated ? list[1].dropFirst().trimmed : list[1]
    // "!" alone is "is not".
    guard let comparison = sign.isEmpty ? .equal : ByteTest.Comparison(rawValue: sign.text) else {
        throw RuleProblem(
            option.name, value: list[1], expected: "one of < > <= >= = & ^, or such with '!' in front")
    }
    let test = ByteTest(
        field: field, comparison: comparison, isNegated: isNegated, value: try draft.operand(list[2], option))
    draft.add(DraftItem(inspection: .byteTest(test), place: option.place), isRelative: field.isRelative)
}

/// `COUNT, OFFSET[, OPTION...]`
private func byteJump(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let list = try parts(option, atLeast: 2, "'COUNT, OFFSET'")
    let field = NumberField(
        count: try draft.operand(list[0], option), offset: try draft.operand(list[1], option))
    var jump = ByteJump(field: field)
    for part in list.dropFirst(2) where try !readFieldOption(part, &jump.field, option) {
        let words = part.words
        let value = words.count > 1 ? words[1] : words[0]
        switch words[0].text {
        case "align": jump.isAligned = true
        case "from_beginning": jump.origin = .bufferStart
        case "from_end": jump.origin = .bufferEnd
        case "multiplier": jump.multiplier = try multiplier(value, option)
        case "post_offset": jump.postOffset = try draft.operand(value, option)
        default: throw unknown(part, option)
        }
    }
    try checkField(jump.field, list[0], option, from: 0)
    try checkOffset(jump.field.offset, list[1], option)
    try checkOffset(jump.postOffset, list[0], option)
    draft.add(DraftItem(inspection: .byteJump(jump), place: option.place), isRelative: jump.field.isRelative)
}

private func multiplier(_ value: Slice, _ option: RuleOption) throws(RuleProblem) -> Int64 {
    guard let number = value.number, (1...65535).contains(number) else {
        throw RuleProblem(option.name, value: value, expected: "a multiplier from 1 to 65535")
    }
    return Int64(number)
}

/// `COUNT, OFFSET, NAME[, OPTION...]`
private func byteExtract(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let list = try parts(option, atLeast: 3, "'COUNT, OFFSET, NAME'")
    let field = NumberField(
        count: try draft.operand(list[0], option), offset: try draft.operand(list[1], option))
    var extract = ByteExtract(field: field, slot: 0)
    for part in list.dropFirst(3) where try !readFieldOption(part, &extract.field, option) {
        let words = part.words
        let value = words.count > 1 ? words[1] : words[0]
        switch words[0].text {
        case "multiplier": extract.multiplier = try multiplier(value, option)
        case "align":
            guard let number = value.number, number == 2 || number == 4 else {
                throw RuleProblem(option.name, value: part, expected: "'align 2' or 'align 4'")
            }
            extract.alignment = Int(number)
        default: throw unknown(part, option)
        }
    }
    try checkField(extract.field, list[0], option)
    try checkOffset(extract.field.offset, list[1], option)
    extract.slot = try draft.slot(list[2])
    draft.add(
        DraftItem(inspection: .byteExtract(extract), place: option.place),
        isRelative: extract.field.isRelative)
}

/// `bytes N, offset N, oper OP, rvalue N, result NAME[, OPTION...]`, in any order.
private func byteMath(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let expected = "'bytes N, offset N, oper OP, rvalue N, result NAME'"
    let list = try parts(option, atLeast: 5, expected)
    var named: [String: Slice] = [:]
    var field = NumberField(count: .literal(0), offset: .literal(0))
    let names = ["bytes", "offset", "oper", "rvalue", "result"]
    for part in list where try !readFieldOption(part, &field, option) {
        let words = part.words
        let name = words[0].text
        guard names.contains(name) else { throw unknown(part, option) }
        named[name] = part.dropFirst(name.utf8.count).trimmed
    }
    guard let count = named["bytes"], let offset = named["offset"], let sign = named["oper"],
        let value = named["rvalue"], let result = named["result"]
    else { throw RuleProblem(option.name, value: option.value ?? option.nameSlice, expected: expected) }
    field.count = try draft.operand(count, option)
    field.offset = try draft.operand(offset, option)
    try checkField(field, count, option)
    try checkOffset(field.offset, offset, option)
    guard let operation = ByteMath.Operation(rawValue: sign.text) else {
        throw RuleProblem(option.name, value: sign, expected: "one of + - * / << >>")
    }
    let operand = try draft.operand(value, option)
    if operation == .divide, operand == .literal(0) {
        throw RuleProblem(option.name, value: value, expected: "a divisor that is not 0")
    }
    let math = ByteMath(field: field, operation: operation, value: operand, slot: try draft.slot(result))
    draft.add(DraftItem(inspection: .byteMath(math), place: option.place), isRelative: field.isRelative)
}

/// `[!]DISTANCE[, relative][, rawbytes]`. As in Suricata `!1, relative` behind a content is that content's
/// `endswith`, which makes sense of a negated one: the buffer does not end so.
private func isDataAt(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let list = try parts(option, atLeast: 1, "a number of bytes")
    let isNegated = list[0].first == UInt8(ascii: "!")
    let number = isNegated ? list[0].dropFirst().trimmed : list[0]
    var test = DataAt(distance: try draft.operand(number, option), isNegated: isNegated)
    try checkOffset(test.distance, number, option)
    for part in list.dropFirst() {
        switch part.text {
        case "relative": test.isRelative = true
        case "rawbytes": break
        default: throw unknown(part, option)
        }
    }
    if test.isRelative, test.isNegated, test.distance == .literal(1), draft.isContentNewest {
        return try draft.changeContent(option) { content, _ in content.isAtEnd = true }
    }
    draft.add(DraftItem(inspection: .dataAt(test), place: option.place), isRelative: test.isRelative)
}
