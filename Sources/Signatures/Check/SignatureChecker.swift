// SPDX-License-Identifier: Apache-2.0
// One rule to one signature: its header, then its options in order, then what they mean together.
import Diagnostics
import NetworkTypes

struct SignatureChecker {
    let context: LoadContext
    private let addresses: HeaderSetReader<AddressSet>
    private let ports: HeaderSetReader<IntervalSet<UInt16>>

    init(_ context: LoadContext) {
        self.context = context
        addresses = HeaderSetReader(variables: context.addressVariables, context: context)
        ports = HeaderSetReader(variables: context.portVariables, context: context)
    }

    /// The signature, and what is to be said although it is loaded.
    func check(_ text: RuleText) throws(RuleProblem) -> (Signature, [Diagnostic]) {
        let rule = try RuleParser.parse(text)
        var draft = SignatureDraft(context, Signature(range: text.range))
        draft.isSnort3 = isSnort3(rule)
        try readHeader(rule, &draft)
        for option in rule.options { try KeywordTable.run(option, on: &draft) }
        let signature = try draft.settled(rule)
        return (signature, remarks(draft, text))
    }

    private func remarks(_ draft: SignatureDraft, _ text: RuleText) -> [Diagnostic] {
        var remarks = draft.ignored.map { option in
            Diagnostic(
                .note, id: "ignored-keyword", "'\(option.name)' has no effect here",
                at: text.range(option.nameSlice.place))
        }
        if let name = draft.signature.classtype, let place = draft.classtypePlace,
            context.classifications[name] == nil
        {
            let near = context.suggestion(for: name, among: context.classifications.keys.sorted())
            remarks.append(
                Diagnostic(
                    .warning, id: "unknown-classtype", "class '\(name)' is not known, its priority is 3",
                    at: text.range(place), help: near.map { "did you mean '\($0)'?" }))
        }
        return remarks
    }

    private func readHeader(_ rule: ParsedRule, _ draft: inout SignatureDraft) throws(RuleProblem) {
        draft.signature.action = try action(rule.action)
        let proto = try RuleProtocol.read(rule.proto, context)
        draft.signature.header.transports = proto.transports
        draft.signature.header.family = proto.family
        draft.signature.header.application = proto.application
        draft.requiresPacket = proto.payload == .packet
        draft.requiresStream = proto.payload == .stream
        guard let source = rule.source, let sourcePorts = rule.sourcePorts, let direction = rule.direction,
            let destination = rule.destination, let destinationPorts = rule.destinationPorts
        else {
            draft.signature.header.isAnyToAny = true
            return
        }
        draft.signature.header.source = try addressSet(source)
        draft.signature.header.sourcePorts = try portSet(sourcePorts)
        try readDirection(direction, &draft)
        draft.signature.header.destination = try addressSet(destination)
        draft.signature.header.destinationPorts = try portSet(destinationPorts)
        let header = draft.signature.header
        draft.signature.header.isAnyToAny =
            header.source == .all && header.destination == .all && header.sourcePorts.isAll
            && header.destinationPorts.isAll
    }

    private func action(_ text: Slice) throws(RuleProblem) -> SignatureAction {
        let word = text.text
        if let action = SignatureAction(rawValue: word) { return action }
        // Snort's other words for what is the same here.
        switch word {
        case "block", "sdrop": return .drop
        case "log": return .alert
        default: break
        }
        let known = SignatureAction.allCases.map(\.rawValue)
        if ["config", "accept", "activate", "dynamic", "rewrite", "react"].contains(
            word.split(separator: ":").first)
        {
            throw .unsupported("action \(word.prefix(32))", at: text.place)
        }
        throw RuleProblem(
            "bad-action", "'\(word)' is no action", at: text.place,
            expected: known.map { "'\($0)'" }.joined(separator: ", "),
            help: context.suggestion(for: word, among: known).map { "did you mean '\($0)'?" })
    }

    private func readDirection(_ text: Slice, _ draft: inout SignatureDraft) throws(RuleProblem) {
        switch text.text {
        case "->": break
        case "<>": draft.signature.header.isBidirectional = true
        case "=>": draft.signature.header.isTransactional = true
        default:
            throw RuleProblem(
                "bad-direction", "'\(text.text)' is no direction", at: text.place,
                expected: "'->', '<>' or '=>'")
        }
    }

    private func addressSet(_ text: Slice) throws(RuleProblem) -> AddressSet {
        let key = text.text
        if let known = context.addresses[key] { return known }
        let set = try addresses.read(text)
        context.addresses[key] = set
        return set
    }

    private func portSet(_ text: Slice) throws(RuleProblem) -> IntervalSet<UInt16> {
        let key = text.text
        if let known = context.ports[key] { return known }
        let set = try ports.read(text)
        context.ports[key] = set
        return set
    }

    /// Whether buffer keywords stand before their contents: seen by what Suricata's language does not have.
    private func isSnort3(_ rule: ParsedRule) -> Bool {
        if rule.source == nil { return true }
        var hasContent = false
        for option in rule.options {
            switch option.name {
            case "service", "bufferlen", "raw_data": return true
            case "content":
                hasContent = true
                let value = option.value ?? Slice()
                if value.last != UInt8(ascii: "\""), value.contains(UInt8(ascii: "\"")) { return true }
            case "pcre", "uricontent": hasContent = true
            case "http_uri", "http_header", "http_client_body", "http_method", "http_cookie", "http_raw_uri",
                "http_stat_code", "http_stat_msg", "http_raw_header":
                if !hasContent { return true }
            default: break
            }
        }
        return false
    }
}
