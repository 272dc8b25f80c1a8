// SPDX-License-Identifier: Apache-2.0
// The draft to the checked form: chains, the prefilter's content, directions, protocols, and whether all
// of it can hold at once.
import NetworkTypes

extension SignatureDraft {
    /// The checked signature.
    /// - Parameter whole: where the rule stands, for what is missing in it.
    mutating func settled(_ rule: ParsedRule) throws(RuleProblem) -> Signature {
        let place = rule.action.place
        guard signature.sid > 0 else {
            throw RuleProblem(
                "no-sid", "the signature has no number", at: place, help: "add 'sid:NUMBER;' to its options")
        }
        settleDescription()
        let decoded = try settleDecoded()
        try settleMatches(decoded)
        try settleScope(place)
        try settleDirection(place)
        try settleApplication(place)
        return signature
    }

    private mutating func settleDescription() {
        // `pass` is silent, unless it says `alert`.
        signature.isReported = isReported ?? (signature.action != .pass)
        guard let name = signature.classtype, let known = context.classifications[name] else { return }
        signature.category = known.description
        if !statesPriority { signature.priority = known.priority }
    }

    /// The chains behind `base64_data`, each with the `base64_decode` that it belongs to.
    private func settleDecoded() throws(RuleProblem) -> [(at: ItemIndex, inspections: [Inspection])] {
        var decoded: [(at: ItemIndex, inspections: [Inspection])] = []
        for group in groups {
            guard let at = group.decodedBy else { continue }
            guard groups[at.group].decodedBy == nil else {
                throw RuleProblem(
                    "base64-depth", "'base64_decode' stands within decoded data",
                    at: groups[at.group].items[at.item].place)
            }
            decoded.append((at, ChainSettler.settle(group.items).inspections))
        }
        return decoded
    }

    private mutating func settleMatches(_ decoded: [(at: ItemIndex, inspections: [Inspection])])
        throws(RuleProblem)
    {
        for (at, inspections) in decoded {
            guard case .base64(var decode) = groups[at.group].items[at.item].inspection else { continue }
            decode.inspections += inspections
            groups[at.group].items[at.item].inspection = .base64(decode)
        }
        var choice = FastPatternChoice()
        for group in inTextOrder {
            let chain = ChainSettler.settle(group.items)
            var matches = BufferMatches(group.buffer)
            matches.transforms = group.transforms
            matches.inspections = chain.inspections
            matches.holdsWithoutBuffer = chain.needsNothing && group.buffer != .payload
            try checkSize(group, chain)
            choice.consider(matches, chain, group.items, group: signature.matches.count)
            signature.matches.append(matches)
        }
        signature.fastPattern = choice.pattern
        try checkVariables()
    }

    /// The groups that have inspections, by the first one: an old modifier may have moved what came before.
    private var inTextOrder: [DraftGroup] {
        groups.filter { $0.decodedBy == nil && !$0.items.isEmpty }
            .sorted { $0.items[0].place.lowerBound < $1.items[0].place.lowerBound }
    }

    /// A buffer of at most N bytes does not hold contents of more.
    private func checkSize(_ group: DraftGroup, _ chain: SettledChain) throws(RuleProblem) {
        var most = UInt64.max
        for item in group.items {
            if case .size(let test) = item.inspection, let largest = test.largest {
                most = min(most, largest)
            }
        }
        if group.buffer == .payload {
            for case .number(.payloadSize, let test) in signature.packetTests {
                if let largest = test.largest { most = min(most, largest) }
            }
        }
        guard chain.requiredBytes > 0, UInt64(chain.requiredBytes) > most else { return }
        throw RuleProblem(
            "never-matches",
            "the signature can never match: its contents need \(chain.requiredBytes) bytes, its sizes leave "
                + "\(most)",
            at: (group.items.last ?? group.items[0]).place,
            help: "change the size, or the contents' distances")
    }

    /// A number must be read before it is used: packets are inspected first, then records, buffer by buffer.
    private mutating func checkVariables() throws(RuleProblem) {
        var setters = [Buffer.Owner??](repeating: nil, count: signature.variableCount)
        for group in inTextOrder {
            for item in group.items {
                for slot in item.inspection.usedSlots where setters[slot] != .some(group.buffer.owner) {
                    throw RuleProblem(
                        "name-order", "the name is not set in this buffer, nor in one inspected before it",
                        at: item.place, help: "read the number in the same buffer")
                }
                if let slot = item.inspection.setSlot { setters[slot] = .some(group.buffer.owner) }
            }
        }
    }

    /// Whether TCP payload is looked at by packet, in the stream, or both.
    private mutating func settleScope(_ place: Range<Int>) throws(RuleProblem) {
        guard let payload = groups.first(where: { $0.buffer == .payload && !$0.items.isEmpty }) else {
            return
        }
        let isTCP = signature.header.transports.contains(.tcp)
        guard isTCP else { return }
        if requiresPacket, requiresStream {
            throw RuleProblem(
                "payload-conflict", "some options are about packets, others about the stream", at: place,
                help: "leave out 'only_stream' or 'tcp-stream', or the tests of the packet's headers")
        }
        if requiresPacket {
            signature.payloadScope = .packet
        } else if requiresStream {
            signature.payloadScope = .stream
        } else {
            let isFixed = payload.items.contains {
                !$0.said.isDisjoint(with: ["offset", "depth", "startswith"])
            }
            signature.payloadScope = isFixed ? .packetOrStream : .stream
        }
    }

    private mutating func settleDirection(_ place: Range<Int>) throws(RuleProblem) {
        let buffers = signature.matches.map(\.buffer)
        let toServer = buffers.first { $0.directions == .toServer }
        let toClient = buffers.first { $0.directions == .toClient }
        if signature.header.isTransactional {
            return try checkTransactional(place, isBoth: toServer != nil && toClient != nil)
        }
        if let toServer, let toClient {
            throw RuleProblem(
                "direction-conflict",
                "'\(toServer.rawValue)' comes from the client, '\(toClient.rawValue)' from the server",
                at: place,
                help: "write '=>' instead of '->' to inspect both of a transaction")
        }
        let flow = signature.flow
        if let buffer = toServer ?? toClient, flow.hasDirection, flow.toServer != (toServer != nil) {
            throw RuleProblem(
                "direction-conflict", "'\(buffer.rawValue)' is not in the direction that 'flow' names",
                at: place,
                help: "change 'flow', or the buffer")
        }
        if toServer != nil { signature.flow.toClient = false }
        if toClient != nil { signature.flow.toServer = false }
    }

    /// `=>` is about a request and its response: buffers of both, and none that could be either's.
    private func checkTransactional(_ place: Range<Int>, isBoth: Bool) throws(RuleProblem) {
        let isAmbiguous = signature.matches.contains { $0.buffer.directions == .both }
        guard isBoth, !isAmbiguous, !signature.flow.hasDirection else {
            throw RuleProblem(
                "direction-conflict",
                "'=>' needs buffers of requests and of responses, and no direction else",
                at: place, help: "leave out the direction of 'flow', or write '->'")
        }
    }

    /// The protocol that the buffers need, and the header's.
    private mutating func settleApplication(_ place: Range<Int>) throws(RuleProblem) {
        var owners = needs
        for matches in signature.matches {
            guard let owner = matches.buffer.owner, owner != .file else { continue }
            // JA3 and JA4 are QUIC's as well.
            if owner == .tls, matches.buffer.isFingerprint, signature.header.application != .tls { continue }
            owners.insert(owner)
        }
        let names = owners.map(\.rawValue).sorted()
        guard owners.count <= 1 else {
            throw RuleProblem(
                "protocol-conflict",
                "buffers and keywords of several protocols: \(names.joined(separator: ", "))",
                at: place, help: "write a signature for each protocol")
        }
        guard let owner = owners.first else { return }
        if let application = signature.header.application {
            guard owner.fits(application) else {
                throw RuleProblem(
                    "protocol-conflict", "'\(names[0])' buffers in a signature of '\(application.rawValue)'",
                    at: place, help: "change the header's protocol, or the buffers")
            }
            return
        }
        let application = owner.application
        signature.header.application = application
        signature.header.transports = signature.header.transports.intersection(application.transports)
        guard !signature.header.transports.isEmpty else {
            throw RuleProblem(
                "protocol-conflict", "the header's protocol does not carry '\(application.rawValue)'",
                at: place,
                help: "write '\(application.rawValue)' as the header's protocol")
        }
    }
}

extension Buffer {
    fileprivate var isFingerprint: Bool {
        switch self {
        case .ja3Hash, .ja3String, .ja3sHash, .ja3sString, .ja4Hash: true
        default: false
        }
    }
}

extension Buffer.Owner {
    /// The protocol that a signature with such a buffer is one of.
    fileprivate var application: ApplicationProtocol {
        switch self {
        case .http, .file: .http
        case .dns: .dns
        case .tls: .tls
        case .quic: .quic
        case .ssh: .ssh
        }
    }

    fileprivate func fits(_ header: ApplicationProtocol) -> Bool {
        switch self {
        case .http: [.http, .http1, .http2, .doh2, .websocket].contains(header)
        case .file: true
        case .dns: [.dns, .doh2, .mdns].contains(header)
        case .tls: header == .tls || header == .quic
        case .quic: header == .quic || header == .http3
        case .ssh: header == .ssh
        }
    }
}

extension Inspection {
    /// Slots that it reads.
    fileprivate var usedSlots: [Int] {
        let operands: [Operand?] =
            switch self {
            case .content(let content): [content.from, content.length]
            case .byteTest(let test): [test.field.count, test.field.offset, test.value]
            case .byteJump(let jump): [jump.field.count, jump.field.offset, jump.postOffset]
            case .byteExtract(let extract): [extract.field.count, extract.field.offset]
            case .byteMath(let math): [math.field.count, math.field.offset, math.value]
            case .dataAt(let test): [test.distance]
            case .pcre, .size, .base64, .absent: []
            }
        return operands.compactMap { if case .variable(let slot)? = $0 { slot } else { nil } }
    }

    fileprivate var setSlot: Int? {
        switch self {
        case .byteExtract(let extract): extract.slot
        case .byteMath(let math): math.slot
        default: nil
        }
    }
}
