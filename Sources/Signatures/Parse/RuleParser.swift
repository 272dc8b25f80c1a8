// SPDX-License-Identifier: Apache-2.0
// A rule's text to its parts: action, protocol, addresses, ports, direction and options, none of which is
// understood here. Snort 3's short header (`alert http ( ... )`) has no addresses.

/// One option: `name;` or `name:value;`.
struct RuleOption {
    let name: String
    let nameSlice: Slice
    /// Trimmed; nil where there is no colon.
    let value: Slice?

    /// The option's name and value.
    var place: Range<Int> { nameSlice.startIndex..<(value?.endIndex ?? nameSlice.endIndex) }
}

/// A rule's parts. Addresses and ports are nil in a short header.
struct ParsedRule {
    var action: Slice
    var proto: Slice
    var source: Slice?
    var sourcePorts: Slice?
    var direction: Slice?
    var destination: Slice?
    var destinationPorts: Slice?
    var options: [RuleOption] = []
    /// The rule from its first byte to its last.
    var whole: Slice
}

struct RuleParser {
    private let whole: Slice
    private var rest: Slice

    static func parse(_ rule: RuleText) throws(RuleProblem) -> ParsedRule {
        var parser = RuleParser(rule.slice)
        return try parser.rule()
    }

    private init(_ slice: Slice) {
        whole = slice
        rest = slice
    }

    private mutating func rule() throws(RuleProblem) -> ParsedRule {
        guard whole.count <= SignatureLimits.textBytes else {
            let place = whole.startIndex..<(whole.startIndex + 1)
            throw RuleProblem(
                "rule-too-long",
                "the rule has \(whole.count) bytes, at most \(SignatureLimits.textBytes) are read", at: place)
        }
        let action = try token("an action, as in 'alert'")
        let proto = try token("a protocol, as in 'tcp'")
        var rule = ParsedRule(action: action, proto: proto, whole: whole)
        skipBlanks()
        if rest.first != UInt8(ascii: "(") {
            rule.source = try token("source addresses, as in '$HOME_NET' or 'any'")
            rule.sourcePorts = try token("source ports, as in '80' or 'any'")
            rule.direction = try token("a direction: '->' or '<>'")
            rule.destination = try token("destination addresses")
            rule.destinationPorts = try token("destination ports")
        }
        rule.options = try options()
        return rule
    }

    private mutating func skipBlanks() {
        while let byte = rest.first, byte.isBlank { rest = rest.dropFirst() }
    }

    /// To the next white space outside brackets, or to the options.
    private mutating func token(_ expected: String) throws(RuleProblem) -> Slice {
        skipBlanks()
        var depth = 0
        var end = rest.startIndex
        scan: while end < rest.endIndex {
            switch rest[end] {
            case UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "("): break scan
            case let byte where byte.isBlank && depth <= 0: break scan
            default: break
            }
            end += 1
        }
        let token = rest[rest.startIndex..<end]
        guard !token.isEmpty else {
            throw RuleProblem("rule-syntax", "the rule's header is incomplete", at: here, expected: expected)
        }
        rest = rest[end...]
        return token
    }

    /// The byte where reading stands, or the rule's last.
    private var here: Range<Int> {
        let start = min(rest.startIndex, max(whole.startIndex, whole.endIndex - 1))
        return start..<min(start + 1, whole.endIndex)
    }

    private mutating func options() throws(RuleProblem) -> [RuleOption] {
        skipBlanks()
        guard rest.first == UInt8(ascii: "(") else {
            throw RuleProblem("rule-syntax", "the rule has no options", at: here, expected: "'('")
        }
        guard rest.last == UInt8(ascii: ")") else {
            throw RuleProblem(
                "rule-syntax", "the rule does not end", at: (whole.endIndex - 1)..<whole.endIndex,
                expected: "')'", help: "end it with ')', or the line with '\\' where it goes on")
        }
        rest = rest.dropFirst().dropLast()
        var options: [RuleOption] = []
        options.reserveCapacity(16)
        while true {
            skipBlanks()
            guard !rest.isEmpty else { return options }
            options.append(try option())
            if options.count > SignatureLimits.options {
                throw RuleProblem(
                    "too-many-options", "more than \(SignatureLimits.options) options", at: here)
            }
        }
    }

    /// To the next ';' that has no backslash before it: quotes do not protect one.
    private mutating func option() throws(RuleProblem) -> RuleOption {
        var end = rest.startIndex
        var colon: Int?
        while end < rest.endIndex {
            let byte = rest[end]
            if byte == UInt8(ascii: ";"), end == rest.startIndex || rest[end - 1] != UInt8(ascii: "\\") {
                break
            }
            if byte == UInt8(ascii: ":"), colon == nil { colon = end }
            end += 1
        }
        let option = rest[rest.startIndex..<end]
        guard end < rest.endIndex else {
            let place = max(option.startIndex, option.endIndex - 1)..<option.endIndex
            throw RuleProblem("rule-syntax", "the option does not end", at: place, expected: "';'")
        }
        rest = rest[(end + 1)...]
        let name = option[..<(colon ?? end)].trimmed
        guard !name.isEmpty else {
            throw RuleProblem(
                "rule-syntax", "an option without a name", at: end..<(end + 1), expected: "a keyword")
        }
        return RuleOption(
            name: name.text, nameSlice: name, value: colon.map { option[($0 + 1)..<end].trimmed })
    }
}
