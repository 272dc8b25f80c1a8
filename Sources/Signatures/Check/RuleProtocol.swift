// SPDX-License-Identifier: Apache-2.0
// The protocol word of a rule's header: IP protocols, families, and what an application protocol runs over.
import NetworkTypes

/// What a protocol word means.
struct RuleProtocol {
    var transports: TransportProtocols
    var family: AddressFamily?
    var application: ApplicationProtocol?
    /// `tcp-pkt` and `tcp-stream`.
    var payload: PayloadScope?

    private init(
        _ transports: TransportProtocols, family: AddressFamily? = nil,
        application: ApplicationProtocol? = nil, payload: PayloadScope? = nil
    ) {
        self.transports = transports
        self.family = family
        self.application = application
        self.payload = payload
    }

    private static let networkWords: [String: RuleProtocol] = [
        "ip": RuleProtocol(.all), "ipv4": RuleProtocol(.all, family: .ipv4),
        "ip4": RuleProtocol(.all, family: .ipv4), "ipv6": RuleProtocol(.all, family: .ipv6),
        "ip6": RuleProtocol(.all, family: .ipv6),
        "tcp": RuleProtocol(TransportProtocols([.tcp])),
        "tcp-pkt": RuleProtocol(TransportProtocols([.tcp]), payload: .packet),
        "tcp-stream": RuleProtocol(TransportProtocols([.tcp]), payload: .stream),
        "udp": RuleProtocol(TransportProtocols([.udp])), "sctp": RuleProtocol(TransportProtocols([.sctp])),
        "icmp": RuleProtocol(TransportProtocols([.icmp, .icmpv6])),
        "icmpv4": RuleProtocol(TransportProtocols([.icmp])),
        "icmpv6": RuleProtocol(TransportProtocols([.icmpv6])),
        "gre": RuleProtocol(TransportProtocols([.gre])), "esp": RuleProtocol(TransportProtocols([.esp])),
    ]

    /// All words, for "did you mean".
    private static let words = networkWords.keys.sorted() + ApplicationProtocol.allCases.map(\.rawValue)

    static func read(_ text: Slice, _ context: LoadContext) throws(RuleProblem) -> RuleProtocol {
        let word = String(decoding: text.map(\.lowered), as: UTF8.self)
        if let known = networkWords[word] { return known }
        if let application = ApplicationProtocol(word: word), application != .failed, application != .unknown
        {
            return RuleProtocol(application.transports, application: application)
        }
        var problem = RuleProblem(
            "unsupported-protocol", "protocol '\(text.text)' is not supported", at: text.place,
            help: context.suggestion(for: word, among: words).map { "did you mean '\($0)'?" })
        problem.unsupported = "protocol \(word.prefix(32))"
        throw problem
    }
}

extension ApplicationProtocol {
    /// What it runs over.
    var transports: TransportProtocols {
        switch self {
        case .dns, .dcerpc, .krb5, .sip, .enip, .nfs, .ldap, .rpc: TransportProtocols([.tcp, .udp])
        case .quic, .http3, .tftp, .ike, .dhcp, .snmp, .ntp, .mdns, .bittorrentDHT, .radius:
            TransportProtocols([.udp])
        case .failed, .unknown: .all
        default: TransportProtocols([.tcp])
        }
    }
}
