// SPDX-License-Identifier: Apache-2.0
// The size of a buffer: bsize and Snort 3's bufferlen of the sticky one, urilen of the URI; and absent.

let sizeKeywords: [String: KeywordHandler] = [
    "bsize": { draft, option throws(RuleProblem) in try bufferSize(&draft, option) },
    "bufferlen": { draft, option throws(RuleProblem) in try bufferSize(&draft, option) },
    "urilen": { draft, option throws(RuleProblem) in
        let value = try required(option, "a length, as in '<70'")
        let parts = value.plain.parts()
        let size = try numberTest(parts[0], option.name, most: 65535)
        var buffer = Buffer.httpURI
        for part in parts.dropFirst() {
            switch part.text {
            case "raw": buffer = .httpURIRaw
            case "norm": buffer = .httpURI
            default: throw RuleProblem(option.name, value: part, expected: "'raw' or 'norm'")
            }
        }
        let last = draft.lastGroup
        draft.add(DraftItem(inspection: .size(size), place: option.place), to: buffer)
        // It has no position: what is relative goes on from where it was.
        draft.lastGroup = last
    },
    "absent": { draft, option throws(RuleProblem) in
        guard draft.sticky != nil else { throw stickyNeeded(option) }
        let orElse = option.value?.text == "or_else"
        if let value = option.value, !value.isEmpty, !orElse {
            throw RuleProblem(option.name, value: value, expected: "'or_else' or nothing")
        }
        draft.add(DraftItem(inspection: .absent(orElse: orElse), place: option.place))
    },
]

private func bufferSize(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    guard draft.sticky != nil || draft.isSnort3 else { throw stickyNeeded(option) }
    let value = try required(option, "a length, as in '<70'")
    // Snort 3 has "relative" behind a comma: what is left of the buffer, which nothing here tests.
    let parts = value.plain.parts()
    guard parts.count == 1 else { throw .unsupported("\(option.name) relative", at: value.place) }
    let size = try numberTest(parts[0], option.name, most: UInt64(UInt32.max))
    draft.add(DraftItem(inspection: .size(size), place: option.place))
}

private func stickyNeeded(_ option: RuleOption) -> RuleProblem {
    RuleProblem(
        "no-buffer", "'\(option.name)' has no buffer", at: option.place,
        help: "write a sticky buffer before it, as in 'http.uri'")
}
