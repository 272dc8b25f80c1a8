// SPDX-License-Identifier: Apache-2.0
// Keywords that say what a signature is about, and what its match does: msg, sid, classtype and the like.
import Diagnostics

let describingKeywords: [String: KeywordHandler] = [
    "msg": { draft, option throws(RuleProblem) in
        let value = try required(option, "a text between double quotes")
        guard let text = value.unquoted else {
            throw RuleProblem("msg", value: value, expected: "a text between double quotes")
        }
        draft.signature.message = unescaped(text)
    },
    "sid": { draft, option throws(RuleProblem) in
        try once(&draft, option)
        draft.signature.sid = try identifier(option, from: 1)
    },
    "gid": { draft, option throws(RuleProblem) in draft.signature.gid = try identifier(option, from: 0) },
    "rev": { draft, option throws(RuleProblem) in draft.signature.rev = try identifier(option, from: 0) },
    "classtype": { draft, option throws(RuleProblem) in
        let value = try required(option, "a class, as in 'trojan-activity'").plain
        draft.signature.classtype = value.text
        draft.classtypePlace = value.place
    },
    "priority": { draft, option throws(RuleProblem) in
        let value = try required(option, "1 to 255").plain
        guard let number = value.number, (1...255).contains(number) else {
            throw RuleProblem("priority", value: value, expected: "1 to 255")
        }
        draft.signature.priority = UInt8(truncatingIfNeeded: number)
        draft.statesPriority = true
    },
    "reference": { draft, option throws(RuleProblem) in try reference(&draft, option) },
    "metadata": { draft, option throws(RuleProblem) in metadata(&draft, option) },
    "target": { draft, option throws(RuleProblem) in
        let value = try required(option, "'src_ip' or 'dest_ip'")
        switch value.text {
        case "src_ip": draft.signature.target = .source
        case "dest_ip": draft.signature.target = .destination
        default: throw RuleProblem("target", value: value, expected: "'src_ip' or 'dest_ip'")
        }
    },
    "noalert": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        draft.isReported = false
    },
    "alert": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        draft.isReported = true
    },
    "bypass": { draft, option throws(RuleProblem) in
        try withoutValue(option)
        draft.signature.bypassesFlow = true
    },
    "requires": { draft, option throws(RuleProblem) in try requires(draft.context.settings.features, option)
    },
    // What is tagged or logged by Snort is none of EVE's.
    "tag": ignoredKeyword, "logto": ignoredKeyword,
    // Which content is looked for first is chosen here; Snort 3's service is what its ports and buffers say.
    "prefilter": silentKeyword, "service": silentKeyword, "rem": silentKeyword,
]

private let silentKeyword: KeywordHandler = { _, _ in }
private let ignoredKeyword: KeywordHandler = { draft, option in draft.ignored.append(option) }

private func once(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    guard draft.seen.insert(option.name).inserted else {
        throw RuleProblem(
            "duplicate-keyword", "'\(option.name)' stands twice", at: option.place, help: "delete one")
    }
}

private func identifier(_ option: RuleOption, from low: UInt64) throws(RuleProblem) -> UInt32 {
    let value = try required(option, "a number").plain
    guard let number = value.number, number >= low, let identifier = UInt32(exactly: number) else {
        throw RuleProblem(option.name, value: value, expected: "a number from \(low) to 4294967295")
    }
    return identifier
}

/// Backslashes before `"`, `;`, `:` and themselves are none of the text.
func unescaped(_ text: Slice) -> String {
    guard text.contains(UInt8(ascii: "\\")) else { return text.text }
    var bytes: [UInt8] = []
    var isEscaped = false
    for byte in text {
        if byte == UInt8(ascii: "\\"), !isEscaped {
            isEscaped = true
            continue
        }
        let special: [UInt8] = [0x22, 0x3a, 0x3b, 0x5c]
        if isEscaped, !special.contains(byte) { bytes.append(UInt8(ascii: "\\")) }
        isEscaped = false
        bytes.append(byte)
    }
    if isEscaped { bytes.append(UInt8(ascii: "\\")) }
    return String(decoding: bytes, as: UTF8.self)
}

private func reference(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "a system and an id, as in 'cve,2019-12260'").plain
    guard let comma = value.firstIndex(of: UInt8(ascii: ",")) else {
        throw RuleProblem("reference", value: value, expected: "a system and an id, as in 'cve,2019-12260'")
    }
    draft.signature.references.append(
        SignatureReference(
            system: value[..<comma].trimmed.text.lowercased(),
            id: unescaped(value[(comma + 1)...].trimmed)))
}

/// `key value, key value`; what has no value has an empty one.
private func metadata(_ draft: inout SignatureDraft, _ option: RuleOption) {
    guard let value = option.value else { return }
    for part in value.parts() where !part.isEmpty {
        let end = part.firstIndex(where: \.isBlank) ?? part.endIndex
        draft.signature.metadata.append(
            SignatureMetadata(key: part[..<end].text, value: part[end...].trimmed.text))
    }
}

/// The version of Suricata whose rules are understood.
private let languageVersion = [8, 0, 0]

/// `requires: version >= 7.0.4 < 9, feature ja4, keyword dns.query`: a rule for others is left out.
private func requires(_ features: Set<String>, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "'version >= N', 'feature NAME' or 'keyword NAME'")
    for part in value.parts() {
        let words = part.words.map(\.text)
        let isMet: Bool
        switch words.first {
        case "version": isMet = try versionMatches(part)
        case "feature": isMet = features.contains(words.dropFirst().first ?? "")
        case "keyword": isMet = KeywordTable.handlers[words.dropFirst().first ?? ""] != nil
        default: isMet = false
        }
        guard !isMet else { continue }
        var problem = RuleProblem.unsupported("requires", at: part.place)
        problem.message = "the signature requires '\(part.text)', which is not here"
        throw problem
    }
}

/// `>= 7.0.4 < 9`, alternatives behind `|`.
private func versionMatches(_ text: Slice) throws(RuleProblem) -> Bool {
    let conditions = text.dropFirst("version".utf8.count)
    for alternative in conditions.parts(UInt8(ascii: "|")) {
        var holds = true
        var words = alternative.words[...]
        while let comparison = words.popFirst() {
            guard let version = words.popFirst(), let wanted = versionNumber(version) else {
                throw RuleProblem("requires", value: text, expected: "as in 'version >= 7.0.4'")
            }
            let order = compare(languageVersion, wanted)
            switch comparison.text {
            case ">=": holds = holds && order >= 0
            case ">": holds = holds && order > 0
            case "<=": holds = holds && order <= 0
            case "<": holds = holds && order < 0
            case "=", "==": holds = holds && order == 0
            default: throw RuleProblem("requires", value: comparison, expected: "'>=', '>', '<=' or '<'")
            }
        }
        if holds { return true }
    }
    return false
}

private func versionNumber(_ text: Slice) -> [Int]? {
    let end = text.firstIndex(of: UInt8(ascii: "-")) ?? text.endIndex
    let numbers = text[..<end].parts(UInt8(ascii: ".")).map { $0.number.flatMap(Int.init(exactly:)) }
    return numbers.contains { $0 == nil } || numbers.count > 3 ? nil : numbers.compactMap { $0 }
}

/// Missing parts are 0.
private func compare(_ a: [Int], _ b: [Int]) -> Int {
    for index in 0..<3 {
        let (left, right) = (index < a.count ? a[index] : 0, index < b.count ? b[index] : 0)
        if left != right { return left < right ? -1 : 1 }
    }
    return 0
}
