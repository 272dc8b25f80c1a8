// SPDX-License-Identifier: Apache-2.0
// flowbits, hostbits, xbits and flowint: what signatures remember from packet to packet.

let stateKeywords: [String: KeywordHandler] = [
    "flowbits": { draft, option throws(RuleProblem) in try bits(&draft, option, isHost: false) },
    "hostbits": { draft, option throws(RuleProblem) in try bits(&draft, option, isHost: true) },
    "xbits": { draft, option throws(RuleProblem) in try xbits(&draft, option) },
    "flowint": { draft, option throws(RuleProblem) in try flowInteger(&draft, option) },
]

/// A name of bits: letters, digits and signs, no white space.
private func name(_ text: Slice, _ option: RuleOption) throws(RuleProblem) -> String {
    guard !text.isEmpty, text.count <= 256, !text.contains(where: \.isBlank) else {
        throw RuleProblem(option.name, value: text, expected: "a name without white space")
    }
    return text.text
}

/// `OPERATION[,NAME[|NAME...][,src|dst]]`
private func bits(_ draft: inout SignatureDraft, _ option: RuleOption, isHost: Bool) throws(RuleProblem) {
    let expected = "as in 'set,NAME', 'isset,NAME' or 'noalert'"
    let value = try required(option, expected)
    let parts = value.plain.parts()
    if parts.count == 1, parts[0].text == "noalert" {
        draft.isReported = false
        return
    }
    guard parts.count == 2 || (isHost && parts.count == 3) else {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
    var scope = BitScope.flow
    if isHost {
        switch parts.count == 3 ? parts[2].text : "src" {
        case "src": scope = .source
        case "dst": scope = .destination
        default: throw RuleProblem(option.name, value: parts[2], expected: "'src' or 'dst'")
        }
    }
    try bitOperation(&draft, option, (parts[0], parts[1], scope, 0))
}

/// What a bit keyword says.
private typealias BitText = (operation: Slice, names: Slice, scope: BitScope, expire: UInt32)

private func bitOperation(
    _ draft: inout SignatureDraft, _ option: RuleOption, _ bit: BitText
) throws(RuleProblem) {
    var numbers: [Int] = []
    for part in bit.names.parts(UInt8(ascii: "|")) {
        let name = try name(part, option)
        numbers.append(
            bit.scope == .flow
                ? draft.context.names.flowBits.number(of: name)
                : draft.context.names.hostBits.number(of: name))
    }
    switch bit.operation.text {
    case "isset": draft.signature.stateTests.append(.bits(numbers, bit.scope, isNegated: false))
    case "isnotset": draft.signature.stateTests.append(.bits(numbers, bit.scope, isNegated: true))
    default:
        guard let operation = StateChange.BitOperation(rawValue: bit.operation.text) else {
            throw RuleProblem(
                option.name, value: bit.operation,
                expected: "'set', 'unset', 'toggle', 'isset', 'isnotset' or 'noalert'")
        }
        guard numbers.count == 1 else {
            throw RuleProblem(option.name, value: bit.names, expected: "one name to '\(operation.rawValue)'")
        }
        draft.signature.stateChanges.append(.bit(operation, numbers[0], bit.scope, expire: bit.expire))
    }
}

/// `OPERATION,NAME,track ip_src|ip_dst|ip_pair[,expire SECONDS]`
private func xbits(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let expected = "as in 'set,NAME,track ip_src,expire 60'"
    let value = try required(option, expected)
    let parts = value.plain.parts()
    if parts.count == 1, parts[0].text == "noalert" {
        draft.isReported = false
        return
    }
    guard (3...4).contains(parts.count) else {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
    let tracking = parts[2].words.map(\.text)
    guard tracking.count == 2, tracking[0] == "track" else {
        throw RuleProblem(option.name, value: parts[2], expected: "'track ip_src', 'ip_dst' or 'ip_pair'")
    }
    let scope: BitScope
    switch tracking[1] {
    case "ip_src": scope = .source
    case "ip_dst": scope = .destination
    case "ip_pair": scope = .addressPair
    case "tx": throw .unsupported("xbits tx", at: parts[2].place)
    default:
        throw RuleProblem(option.name, value: parts[2], expected: "'track ip_src', 'ip_dst' or 'ip_pair'")
    }
    // Suricata's default.
    var expire: UInt32 = 30
    if parts.count == 4 {
        let words = parts[3].words
        guard words.count == 2, words[0].text == "expire", let seconds = words[1].number, seconds > 0,
            let seconds = UInt32(exactly: seconds)
        else { throw RuleProblem(option.name, value: parts[3], expected: "'expire SECONDS'") }
        expire = seconds
    }
    try bitOperation(&draft, option, (parts[0], parts[1], scope, expire))
}

/// `NAME,OPERATION[,VALUE]` with a number or another counter's name.
private func flowInteger(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let expected = "as in 'NAME,+,1', 'NAME,>,3' or 'NAME,isset'"
    let value = try required(option, expected)
    let parts = value.plain.parts()
    guard (2...3).contains(parts.count) else {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
    let number = draft.context.names.flowIntegers.number(of: try name(parts[0], option))
    let operation = parts[1].text
    switch operation {
    case "isset", "isnotset", "notset", "isnotest":
        draft.signature.stateTests.append(.integerIsSet(number, isNegated: operation != "isset"))
        return
    default: break
    }
    guard parts.count == 3 else { throw RuleProblem(option.name, value: value, expected: expected) }
    let operand = try integerOperand(parts[2], &draft, option)
    if let comparison = IntegerComparison(rawValue: operation) {
        draft.signature.stateTests.append(.integer(number, comparison, operand))
    } else if let change = IntegerOperation(rawValue: operation) {
        draft.signature.stateChanges.append(.integer(number, change, operand))
    } else {
        throw RuleProblem(
            option.name, value: parts[1], expected: "one of = + - == != < <= > >= isset isnotset")
    }
}

private func integerOperand(
    _ text: Slice, _ draft: inout SignatureDraft, _ option: RuleOption
) throws(RuleProblem) -> IntegerOperand {
    if let first = text.first, first.isDigit {
        guard let number = text.number, let literal = UInt32(exactly: number) else {
            throw RuleProblem(option.name, value: text, expected: "a number to 4294967295")
        }
        return .literal(literal)
    }
    return .integer(draft.context.names.flowIntegers.number(of: try name(text, option)))
}
