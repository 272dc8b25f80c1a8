// SPDX-License-Identifier: Apache-2.0
// Tests of what a flow was recognised as and of its records' fields: app-layer-protocol, stream_size, dns,
// TLS and SSH versions; and the old keywords that compare a whole text with a TLS or SSH field.

let protocolKeywords: [String: KeywordHandler] = [
    "app-layer-protocol": { draft, option throws(RuleProblem) in try applicationProtocol(&draft, option) },
    "app-layer-event": { draft, option throws(RuleProblem) in
        let value = try required(option, "an event, as in 'http.missing_host_header'")
        guard draft.context.settings.events.contains(value.text) else {
            throw .unsupported("app-layer-event", at: value.place)
        }
        draft.signature.protocolTests.append(.event(value.text))
    },
    "stream_size": { draft, option throws(RuleProblem) in try streamSize(&draft, option) },
    "dns.opcode": { draft, option throws(RuleProblem) in
        let value = try required(option, "a number, as in '4'")
        draft.signature.protocolTests.append(.dnsOpcode(try numberTest(value, option.name, most: 15)))
        draft.needs.insert(.dns)
    },
    "dns.rcode": { draft, option throws(RuleProblem) in
        let value = try required(option, "a number, as in '3'")
        draft.signature.protocolTests.append(.dnsRcode(try numberTest(value, option.name, most: 65535)))
        draft.needs.insert(.dns)
    },
    "dns.rrtype": { draft, option throws(RuleProblem) in try recordType(&draft, option) },
    "ssl_version": { draft, option throws(RuleProblem) in
        let (versions, isNegated) = try negatable(option, tlsVersionWords, TLSVersions.self)
        draft.signature.protocolTests.append(.tlsVersion(versions, isNegated: isNegated))
        draft.needs.insert(.tls)
    },
    "tls.version": { draft, option throws(RuleProblem) in
        let (versions, isNegated) = try negatable(option, tlsVersionNumbers, TLSVersions.self)
        draft.signature.protocolTests.append(.tlsVersion(versions, isNegated: isNegated))
        draft.needs.insert(.tls)
    },
    "ssl_state": { draft, option throws(RuleProblem) in
        let (states, isNegated) = try negatable(option, tlsStateWords, TLSStates.self)
        draft.signature.protocolTests.append(.tlsState(states, isNegated: isNegated))
        draft.needs.insert(.tls)
    },
    "ssh.protoversion": { draft, option throws(RuleProblem) in
        let value = try required(option, "a version, as in '2.0' or '2_compat'").plain
        let isCompatible = value.text == "2_compat"
        draft.signature.protocolTests.append(
            .sshVersion(isCompatible ? Array("2".utf8) : Array(value), orCompatible: isCompatible))
        draft.needs.insert(.ssh)
    },
    "ssh.softwareversion": { draft, option throws(RuleProblem) in
        try contains(&draft, option, buffer: .sshSoftware)
    },
    "tls.subject": { draft, option throws(RuleProblem) in
        try contains(&draft, option, buffer: .tlsCertificateSubject)
    },
    "tls.issuerdn": { draft, option throws(RuleProblem) in
        try contains(&draft, option, buffer: .tlsCertificateIssuer)
    },
    "tls.fingerprint": { draft, option throws(RuleProblem) in
        try contains(&draft, option, buffer: .tlsCertificateFingerprint)
    },
]

/// `[!]NAME[,SIDE]`
private func applicationProtocol(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "a protocol, as in 'http' or '!tls'")
    let parts = value.plain.parts()
    let isNegated = parts[0].first == UInt8(ascii: "!")
    let word = isNegated ? parts[0].dropFirst().trimmed : parts[0]
    guard let application = ApplicationProtocol(word: word.text.lowercased()) else {
        var problem = RuleProblem.unsupported("app-layer-protocol", at: word.place)
        problem.message = "protocol '\(word.text)' of 'app-layer-protocol' is not supported"
        throw problem
    }
    var (side, isExact) = (ProtocolTest.Side.direction, false)
    for part in parts.dropFirst() {
        switch part.text {
        case "to_server", "toserver": side = .toServer
        case "to_client", "toclient": side = .toClient
        case "either": side = .either
        case "both": side = .both
        case "final": side = .final
        case "original": side = .original
        case "direction": side = .direction
        case "exact": isExact = true
        default:
            throw RuleProblem(
                option.name, value: part,
                expected: "'to_server', 'to_client', 'either', 'both', 'final', 'original' or 'exact'")
        }
    }
    draft.signature.protocolTests.append(
        .application(application, isNegated: isNegated, side: side, isExact: isExact))
}

/// `SIDE,OPERATOR,NUMBER`
private func streamSize(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let expected = "as in 'client,>,424'"
    let value = try required(option, expected)
    let parts = value.plain.parts()
    guard parts.count == 3, let side = StreamDirection(rawValue: parts[0].text) else {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
    // The operator and the number in one, as everywhere else.
    let text = Array(parts[1]) + Array(parts[2])
    do {
        let test = try numberTest(text[...], option.name, most: UInt64(UInt32.max))
        draft.signature.protocolTests.append(.streamSize(side, test))
    } catch {
        throw RuleProblem(option.name, value: value, expected: expected)
    }
}

private let recordTypes: [String: UInt64] = [
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16,
    "AAAA": 28,
    "SRV": 33, "NAPTR": 35, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "SVCB": 64, "HTTPS": 65,
    "ANY": 255,
]

/// `TYPE[,any|all|INDEX]`
private func recordType(_ draft: inout SignatureDraft, _ option: RuleOption) throws(RuleProblem) {
    let value = try required(option, "a type, as in '1' or 'AAAA'")
    let parts = value.plain.parts()
    var choice = RecordChoice.any
    if parts.count > 1 {
        switch parts[1].text {
        case "any": choice = .any
        case "all": choice = .all
        default:
            guard parts.count == 2, let index = parts[1].signedNumber, let index = Int16(exactly: index)
            else {
                throw RuleProblem(option.name, value: value, expected: "'any', 'all' or a place as in '0'")
            }
            choice = .index(Int(index))
        }
    }
    let isNegated = parts[0].first == UInt8(ascii: "!")
    let name = isNegated ? parts[0].dropFirst() : parts[0]
    let test: NumberTest
    if let known = recordTypes[name.text.uppercased()] {
        test = isNegated ? .notEqual(known) : .equal(known)
    } else {
        test = try numberTest(parts[0], option.name, most: 65535)
    }
    draft.signature.protocolTests.append(.dnsRRType(test, choice))
    draft.needs.insert(.dns)
}

private let tlsVersionWords: [String: TLSVersions] = [
    "sslv2": .sslv2, "sslv3": .sslv3, "tls1.0": .tls10, "tls1.1": .tls11, "tls1.2": .tls12, "tls1.3": .tls13,
]
private let tlsVersionNumbers: [String: TLSVersions] = [
    "1.0": .tls10, "1.1": .tls11, "1.2": .tls12, "1.3": .tls13,
]
private let tlsStateWords: [String: TLSStates] = [
    "client_hello": .clientHello, "server_hello": .serverHello, "client_keyx": .clientKeyx,
    "server_keyx": .serverKeyx, "unknown": .unknown,
]

/// Words between commas or bars; with `!` in front of one, of all, they are excluded.
private func negatable<Words: OptionSet & SendableMetatype>(
    _ option: RuleOption, _ words: [String: Words], _: Words.Type
) throws(RuleProblem) -> (Words, isNegated: Bool) where Words.Element == Words {
    let expected = "of \(words.keys.sorted().joined(separator: ", "))"
    let value = try required(option, expected).plain
    var found: Words = []
    var negations = 0
    let parts = value.split { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "|") }
    for part in parts {
        var word = part.trimmed
        if let rest = word.dropping(UInt8(ascii: "!")) {
            negations += 1
            word = rest
        }
        guard let known = words[word.text.lowercased()] else {
            throw RuleProblem(option.name, value: word, expected: expected)
        }
        found.insert(known)
    }
    guard !parts.isEmpty, negations == 0 || negations == parts.count else {
        throw RuleProblem(option.name, value: value, expected: "all with '!' or none")
    }
    return (found, negations > 0)
}

/// The buffer holds a text: `[!]"TEXT"`.
private func contains(
    _ draft: inout SignatureDraft, _ option: RuleOption, buffer: Buffer
) throws(RuleProblem) {
    let value = try required(option, "a quoted text")
    let isNegated = value.first == UInt8(ascii: "!")
    let text = (isNegated ? value.dropFirst().trimmed : value).plain
    guard !text.isEmpty, text.count <= SignatureLimits.contentBytes else {
        throw RuleProblem(option.name, value: value, expected: "a text that is not empty")
    }
    var content = ContentMatch(bytes: Array(unescaped(text).utf8))
    content.isNegated = isNegated
    if buffer == .tlsCertificateFingerprint {
        content.bytes = content.bytes.map(\.lowered)
        content.isCaseInsensitive = true
    }
    let last = draft.lastGroup
    draft.add(DraftItem(inspection: .content(content), place: option.place), to: buffer)
    draft.lastGroup = last
}
