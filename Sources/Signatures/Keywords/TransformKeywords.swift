// SPDX-License-Identifier: Apache-2.0
// Transforms of the sticky buffer before them; base64_decode with base64_data, which is one within a chain.

let transformKeywords: [String: KeywordHandler] = {
    var table = valuedTransforms
    for (name, step) in plainTransforms { table[name] = plainTransform(step) }
    return table
}()

private let valuedTransforms: [String: KeywordHandler] = [
    "xor": { draft, option throws(RuleProblem) in try transform(&draft, option, try xor(option)) },
    "from_base64": { draft, option throws(RuleProblem) in
        try transform(&draft, option, try fromBase64(option))
    },
]

private let plainTransforms: [(String, Transform)] = [
    ("dotprefix", .dotPrefix), ("to_lowercase", .toLowercase), ("to_uppercase", .toUppercase),
    ("strip_whitespace", .stripWhitespace), ("compress_whitespace", .compressWhitespace),
    ("to_md5", .md5), ("to_sha1", .sha1), ("to_sha256", .sha256), ("url_decode", .urlDecode),
    ("strip_pseudo_headers", .stripPseudoHeaders), ("header_lowercase", .headerLowercase),
    ("domain", .domain), ("tld", .topLevelDomain),
]

private func plainTransform(_ step: Transform) -> KeywordHandler {
    { draft, option throws(RuleProblem) in
        try withoutValue(option)
        try transform(&draft, option, step)
    }
}

let base64Keywords: [String: KeywordHandler] = [
    "base64_decode": { draft, option throws(RuleProblem) in try base64Decode(&draft, option) },
    "base64_data": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        guard let decode = draft.lastDecode else {
            throw RuleProblem(
                "no-buffer", "'base64_data' has nothing decoded", at: option.place,
                help: "write 'base64_decode' before it")
        }
        let buffer = draft.groups[decode.group].buffer
        draft.sticky = (buffer, [], draft.append(DraftGroup(buffer: buffer, decodedBy: decode)))
    },
]

/// What follows is looked for in the transformed buffer; what stood before is not.
private func transform(
    _ draft: inout SignatureDraft, _ option: RuleOption, _ step: Transform
) throws(RuleProblem) {
    guard let sticky = draft.sticky, sticky.group.map({ draft.groups[$0].decodedBy == nil }) ?? true else {
        throw RuleProblem(
            "no-buffer", "'\(option.name)' has no buffer", at: option.place,
            help: "write a sticky buffer before it, as in 'http.uri'")
    }
    guard sticky.transforms.count < 8 else {
        throw RuleProblem("too-many-transforms", "more than 8 transforms of a buffer", at: option.place)
    }
    draft.sticky = (sticky.buffer, sticky.transforms + [step], nil)
}

/// `"HEX"`, or `[offset N,] extract LENGTH AT`.
private func xor(_ option: RuleOption) throws(RuleProblem) -> Transform {
    let expected = "hexadecimal bytes, as in \"0d0a\", or 'offset N,extract LENGTH PLACE'"
    let value = try required(option, expected)
    if let key = hexadecimalBytes(value.plain) { return .xor(key) }
    var offset = 0
    var extract: (length: Int, place: Int)?
    for part in value.plain.parts() {
        let words = part.words
        let numbers = words.dropFirst().map { $0.number.flatMap(UInt16.init(exactly:)).map(Int.init) }
        switch (words.first?.text, numbers.count) {
        case ("offset", 1):
            guard let number = numbers[0] else { fallthrough }
            offset = number
        case ("extract", 2):
            guard numbers.count == 2, let length = numbers[0], let place = numbers[1],
                (1...255).contains(length)
            else { fallthrough }
            extract = (length, place)
        default: throw RuleProblem("xor", value: value, expected: expected)
        }
    }
    guard let extract else { throw RuleProblem("xor", value: value, expected: expected) }
    return .xorExtracted(offset: offset, keyLength: extract.length, keyOffset: extract.place)
}

private func hexadecimalBytes(_ text: Slice) -> [UInt8]? {
    guard !text.isEmpty, text.count.isMultiple(of: 2), text.count <= 512 else { return nil }
    var bytes: [UInt8] = []
    var index = text.startIndex
    while index + 1 < text.endIndex {
        guard let high = text[index].hexValue, let low = text[index + 1].hexValue else { return nil }
        bytes.append(high << 4 | low)
        index += 2
    }
    return bytes
}

/// `[bytes N][,offset N][,mode rfc4648|rfc2045|strict]`, or nothing.
private func fromBase64(_ option: RuleOption) throws(RuleProblem) -> Transform {
    var (offset, bytes, mode) = (0, Int?.none, Transform.Base64Mode.rfc4648)
    for part in (option.value ?? Slice()).plain.parts() where !part.isEmpty {
        let words = part.words
        let number = words.last?.number.flatMap(UInt16.init(exactly:)).map(Int.init)
        switch (words.first?.text, number) {
        case ("offset", let number?) where words.count == 2: offset = number
        case ("bytes", let number?) where words.count == 2 && number > 0: bytes = number
        case ("mode", _) where words.count == 2:
            guard let word = words.last, let known = Transform.Base64Mode(rawValue: word.text) else {
                fallthrough
            }
            mode = known
        default:
            throw RuleProblem(
                option.name, value: part, expected: "'bytes N', 'offset N' or 'mode rfc4648|rfc2045|strict'")
        }
    }
    return .fromBase64(offset: offset, bytes: bytes, mode: mode)
}

/// `[bytes N][,offset N][,relative]`, or nothing.
private func base64Decode(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    var decode = Base64Decode()
    for part in (option.value ?? Slice()).plain.parts() where !part.isEmpty {
        let words = part.words
        let number = words.last?.number.flatMap(UInt16.init(exactly:)).map(Int.init)
        switch (words.first?.text, number) {
        case ("relative", _) where words.count == 1: decode.isRelative = true
        case ("offset", let number?) where words.count == 2: decode.offset = number
        case ("bytes", let number?) where words.count == 2 && number > 0: decode.bytes = number
        default:
            throw RuleProblem(option.name, value: part, expected: "'bytes N', 'offset N' or 'relative'")
        }
    }
    draft.lastDecode = draft.add(
        DraftItem(inspection: .base64(decode), place: option.place), isRelative: decode.isRelative)
}
