// SPDX-License-Identifier: Apache-2.0
// The words behind a packet text's endpoints, and the check that protocol, endpoints and words go together.
// In: what PacketTextParser read. Out: the PacketDescription.

struct PacketTextOptions {
    static let keywords: Set<Substring> = [
        "len", "ttl", "dscp", "proto", "vlan", "frag", "on", "established", "payload", "type", "no-flags",
    ]

    /// A value and the word that gave it.
    struct Given<Value> {
        let value: Value
        let word: PacketTextParser.Word
    }

    var length: Given<Int>?
    var ttl: Given<Int>?
    var dscp: Given<Int>?
    var proto: Given<Int>?
    var fragment: Given<FragmentKind>?
    var interface: Given<String>?
    var established: Given<Bool>?
    var payload: Given<[UInt8]>?
    /// The ICMP type as written, by name or number: what it means depends on the protocol.
    var type: Given<PacketTextParser.Word>?
    var flags: Given<TCPFlags>?
    var vlans: [UInt16] = []

    mutating func set<Value>(
        _ field: WritableKeyPath<Self, Given<Value>?>, to value: Value, _ word: PacketTextParser.Word
    ) throws(PacketTextError) {
        if self[keyPath: field] != nil {
            throw PacketTextError(
                "'\(word.text)' stands twice", at: word.offset, help: "leave one of them out")
        }
        self[keyPath: field] = Given(value: value, word: word)
    }

    mutating func addVLAN(_ id: Int, _ word: PacketTextParser.Word) throws(PacketTextError) {
        guard vlans.count < 2 else {
            throw PacketTextError(
                "a third 'vlan'", at: word.offset, help: "a packet has an outer and an inner tag")
        }
        vlans.append(UInt16(truncatingIfNeeded: id))
    }

    /// A word that is no option: TCP flags ("syn", "syn,ack", "no-flags") or an ICMP type ("echo-request",
    /// "8").
    mutating func addOther(_ word: PacketTextParser.Word) throws(PacketTextError) {
        if word.text == "no-flags" { return try set(\.flags, to: [], word) }
        let parts = word.text.split(separator: ",")
        let found = parts.compactMap { TCPFlags(name: $0) }
        if !parts.isEmpty, found.count == parts.count {
            if let flags, flags.value.isEmpty {
                throw PacketTextError(
                    "'\(word.text)' after 'no-flags'", at: word.offset, help: "leave one out")
            }
            flags = Given(value: found.reduce(flags?.value ?? []) { $0.union($1) }, word: flags?.word ?? word)
        } else {
            let isType =
                Self.isNumber(word) || ICMPTypeNames.type(named: word.text, of: .icmp) != nil
                || ICMPTypeNames.type(named: word.text, of: .icmpv6) != nil
            guard isType else { throw Self.unknown(word) }
            try set(\.type, to: word, word)
        }
    }

    /// Also one with leading zeros.
    static func isNumber(_ word: PacketTextParser.Word) -> Bool {
        decimalNumber(word.text.utf8) != nil || meantNumber(word.text) != nil
    }

    static func unknown(_ word: PacketTextParser.Word) -> PacketTextError {
        PacketTextError(
            "unknown word '\(word.text)'", at: word.offset,
            help: "words are TCP flags, an ICMP type, 'len N', 'ttl N', 'dscp N', 'vlan N', 'frag first', "
                + "'frag later', 'on IFACE', 'established', 'payload HEX'")
    }
}

extension PacketTextParser {
    /// Puts the parts together; throws where they contradict each other.
    func describe(
        _ protocolWord: Word, _ source: Endpoint, _ destination: Endpoint, _ options: PacketTextOptions
    ) throws(PacketTextError) -> PacketDescription {
        let proto = try resolveProtocol(protocolWord, options)
        var packet = PacketDescription(proto: proto, source: source.address, destination: destination.address)
        guard source.address.family == destination.address.family else {
            throw PacketTextError(
                "source and destination are of different families", at: destination.word.offset,
                help: "use two IPv4 or two IPv6 addresses")
        }
        packet.fragment = options.fragment?.value ?? .none
        packet.sourcePort = try port(source, packet)
        packet.destinationPort = try port(destination, packet)
        packet.tcpFlags = try flags(options, packet)
        packet.icmpType = try type(options, packet)
        packet.vlans = options.vlans
        packet.ttl = options.ttl.map { UInt8(truncatingIfNeeded: $0.value) }
        packet.dscp = options.dscp.map { UInt8(truncatingIfNeeded: $0.value) }
        packet.interface = options.interface?.value
        packet.established = options.established?.value ?? false
        try setSize(options, &packet)
        try checkExtensionHeader(protocolWord, options, packet)
        return packet
    }

    private func resolveProtocol(_ word: Word, _ options: PacketTextOptions) throws(PacketTextError)
        -> IPProtocol
    {
        let named = IPProtocol(name: word.text)
        switch (named, options.proto) {
        case (let named?, nil): return named
        case (nil, let given?): return IPProtocol(rawValue: UInt8(truncatingIfNeeded: given.value))
        case (nil, nil):
            let offset = word.offset + word.text.utf8.count
            throw PacketTextError(
                "'ip' without a protocol", at: offset, help: "add 'proto N', or begin with tcp, udp, icmp, …")
        case (_?, let given?):
            throw PacketTextError(
                "'proto' beside '\(word.text)'", at: given.word.offset,
                help: "leave it out, or begin with 'ip'")
        }
    }

    private func port(_ endpoint: Endpoint, _ packet: PacketDescription) throws(PacketTextError) -> UInt16? {
        let wanted = packet.proto.hasPorts && packet.fragment != .later
        if wanted == (endpoint.port != nil) { return endpoint.port }
        let address = endpoint.address
        if wanted {
            throw PacketTextError(
                "'\(endpoint.word.text)' has no port", at: endpoint.word.offset,
                help: "write \(address.family == .ipv4 ? "\(address)" : "[\(address)]"):PORT")
        }
        let why = packet.fragment == .later ? "a later fragment has no ports" : "this protocol has no ports"
        throw PacketTextError(why, at: endpoint.word.offset, help: "write \(address)")
    }

    private func flags(_ options: PacketTextOptions, _ packet: PacketDescription) throws(PacketTextError)
        -> TCPFlags
    {
        guard let flags = options.flags else {
            return packet.proto == .tcp && packet.fragment != .later ? .ack : []
        }
        guard packet.proto == .tcp, packet.fragment != .later else {
            let why =
                packet.proto == .tcp
                ? "a later fragment has no TCP flags" : "TCP flags on a packet that is not TCP"
            throw PacketTextError(why, at: flags.word.offset, help: "leave '\(flags.word.text)' out")
        }
        return flags.value
    }

    private func type(_ options: PacketTextOptions, _ packet: PacketDescription) throws(PacketTextError)
        -> UInt8?
    {
        guard let word = options.type?.value else {
            guard packet.proto.hasTypes, packet.fragment != .later else { return nil }
            return ICMPTypeNames.type(named: "echo-request", of: packet.proto)
        }
        guard packet.proto.hasTypes else {
            if PacketTextOptions.isNumber(word) { throw PacketTextOptions.unknown(word) }
            throw PacketTextError(
                "an ICMP type on a packet that is not ICMP", at: word.offset, help: "leave '\(word.text)' out"
            )
        }
        guard packet.fragment != .later else {
            throw PacketTextError("a later fragment has no ICMP type", at: word.offset, help: "leave it out")
        }
        if let meant = meantNumber(word.text), meant <= UInt64(UInt8.max) {
            throw PacketTextError.leadingZero("type", of: word.text, at: word.offset, meant: "\(meant)")
        }
        let number = decimalNumber(word.text.utf8).flatMap { UInt8(exactly: $0) }
        guard let type = number ?? ICMPTypeNames.type(named: word.text, of: packet.proto) else {
            let names = ICMPTypeNames.table(packet.proto).map(\.name).joined(separator: ", ")
            throw PacketTextError(
                "unknown type '\(word.text)'", at: word.offset,
                help: "use a number from 0 to 255, or \(names)")
        }
        return type
    }

    private func setSize(
        _ options: PacketTextOptions, _ packet: inout PacketDescription
    ) throws(PacketTextError) {
        if let payload = options.payload, packet.fragment == .later {
            throw PacketTextError(
                "a later fragment has no payload that rules read", at: payload.word.offset,
                help: "use 'len N'")
        }
        packet.payload = options.payload?.value ?? []
        let most = packet.source.family == .ipv4 ? 65_535 : 65_575
        let least = packet.minimumLength
        if least > most, let payload = options.payload {
            throw PacketTextError("the payload is too long for a packet", at: payload.word.offset)
        }
        guard let length = options.length else { return }
        guard length.value >= least, length.value <= most else {
            throw PacketTextError(
                "'len \(length.value)' does not fit this packet", at: length.word.offset,
                help: "its headers and payload need \(least) bytes, an IP packet has at most \(most)")
        }
        packet.length = length.value
    }

    /// A next-header number that IPv6 walks over is never the protocol, except behind a later fragment's
    /// header.
    private func checkExtensionHeader(
        _ word: Word, _ options: PacketTextOptions, _ packet: PacketDescription
    ) throws(PacketTextError) {
        guard packet.source.family == .ipv6, packet.fragment != .later else { return }
        guard IPProtocol.isIPv6ExtensionHeader(packet.proto.rawValue) else { return }
        throw PacketTextError(
            "\(packet.proto.rawValue) is an IPv6 extension header, not a protocol",
            at: options.proto?.word.offset ?? word.offset, help: "name the protocol behind it")
    }
}

extension IPProtocol {
    /// Whether IPv6 readers walk over this next-header number (IANA's extension header types but for ESP).
    @inlinable public static func isIPv6ExtensionHeader(_ number: UInt8) -> Bool {
        switch number {
        case 0, 43, 44, 51, 60, 135, 139, 140: true
        default: false
        }
    }
}
