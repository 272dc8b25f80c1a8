// SPDX-License-Identifier: Apache-2.0
// A rule's header: actions, protocols, addresses and ports with variables, lists and negation, directions.
import NetworkTypes
import Signatures
import Testing

@Suite struct HeaderTests {
    private func header(_ text: String, _ settings: SignatureSettings = SignatureSettings()) throws
        -> SignatureHeader
    {
        try signature(rule: "alert \(text) (sid:1;)", settings: settings).header
    }

    struct Addresses: CustomTestStringConvertible, Sendable {
        let text: String
        let inside: [String]
        let outside: [String]
        var testDescription: String { text }
    }

    @Test(arguments: [
        Addresses(text: "any", inside: ["192.0.2.1", "2001:db8::1", "0.0.0.0"], outside: []),
        Addresses(text: "192.0.2.1", inside: ["192.0.2.1"], outside: ["192.0.2.2", "2001:db8::1"]),
        Addresses(text: "192.0.2.7/24", inside: ["192.0.2.0", "192.0.2.255"], outside: ["192.0.3.0"]),
        Addresses(
            text: "192.0.2.0/255.255.255.128", inside: ["192.0.2.127"], outside: ["192.0.2.128"]),
        Addresses(
            text: "192.0.2.3-192.0.2.5", inside: ["192.0.2.3", "192.0.2.5"],
            outside: ["192.0.2.2", "192.0.2.6"]),
        Addresses(
            text: "2001:db8::1-2001:db8::ff", inside: ["2001:db8::1", "2001:db8::ff"],
            outside: ["2001:db8::100", "192.0.2.1"]),
        Addresses(
            text: "[192.0.2.1,2001:db8::/32]", inside: ["192.0.2.1", "2001:db8:1::1"],
            outside: ["192.0.2.2", "2001:db9::1"]),
        Addresses(
            text: "[ 192.0.2.0/24 , !192.0.2.8/29 ]", inside: ["192.0.2.7", "192.0.2.16"],
            outside: ["192.0.2.8", "192.0.2.15", "198.51.100.1"]),
        Addresses(
            text: "!192.0.2.0/24", inside: ["198.51.100.1", "2001:db8::1"], outside: ["192.0.2.1"]),
        Addresses(
            text: "![192.0.2.1,192.0.2.2]", inside: ["192.0.2.3"], outside: ["192.0.2.1", "192.0.2.2"]),
        Addresses(
            text: "[!192.0.2.1,!192.0.2.2]", inside: ["192.0.2.3"], outside: ["192.0.2.1", "192.0.2.2"]),
        Addresses(
            text: "[192.0.2.0/24,[198.51.100.0/24,!198.51.100.7]]", inside: ["198.51.100.8", "192.0.2.7"],
            outside: ["198.51.100.7"]),
        Addresses(text: "$HOME_NET", inside: ["10.1.2.3", "192.168.1.1"], outside: ["192.0.2.1"]),
        Addresses(text: "$EXTERNAL_NET", inside: ["192.0.2.1", "2001:db8::1"], outside: ["10.1.2.3"]),
        Addresses(text: "!$HOME_NET", inside: ["192.0.2.1"], outside: ["10.1.2.3"]),
        Addresses(
            text: "[$HTTP_SERVERS,192.0.2.1]", inside: ["192.0.2.1", "172.16.0.1"], outside: ["192.0.2.2"]),
    ])
    private func `an address list holds what it names`(_ addresses: Addresses) throws {
        for rule in [
            "tcp \(addresses.text) any -> any any", "tcp any any -> \(addresses.text) any",
        ] {
            let header = try header(rule)
            let isSource = rule.hasPrefix("tcp \(addresses.text) ") && addresses.text != "any"
            let set = isSource ? header.source : header.destination
            for text in addresses.inside { #expect(set.contains(try #require(IPAddress(text))), "\(text)") }
            for text in addresses.outside { #expect(!set.contains(try #require(IPAddress(text))), "\(text)") }
        }
    }

    struct Ports: CustomTestStringConvertible, Sendable {
        let text: String
        let ranges: [ClosedRange<UInt16>]
        var testDescription: String { text }
    }

    @Test(arguments: [
        Ports(text: "any", ranges: [0...65535]), Ports(text: "80", ranges: [80...80]),
        Ports(text: "80:90", ranges: [80...90]), Ports(text: "1024:", ranges: [1024...65535]),
        Ports(text: ":1023", ranges: [0...1023]), Ports(text: "!80", ranges: [0...79, 81...65535]),
        Ports(text: "[80,443]", ranges: [80...80, 443...443]),
        Ports(text: "[1:100,!50]", ranges: [1...49, 51...100]),
        Ports(text: "[80,81,82]", ranges: [80...82]), Ports(text: "$HTTP_PORTS", ranges: [80...80]),
        Ports(text: "[ 21 , 25 ]", ranges: [21...21, 25...25]),
        Ports(text: "![80,443]", ranges: [0...79, 81...442, 444...65535]),
        Ports(text: "$FILE_DATA_PORTS", ranges: [80...80, 110...110, 143...143]),
        Ports(text: "0", ranges: [0...0]),
    ])
    private func `a port list holds what it names`(_ ports: Ports) throws {
        #expect(try header("udp any \(ports.text) -> any any").sourcePorts.ranges == ports.ranges)
        #expect(try header("udp any any -> any \(ports.text)").destinationPorts.ranges == ports.ranges)
    }

    @Test func `a setting replaces a variable, and those that name it follow`() throws {
        let settings = SignatureSettings(
            addressVariables: ["HOME_NET": "192.0.2.0/24", "PARTNERS": "[198.51.100.0/24,!198.51.100.1]"],
            portVariables: ["HTTP_PORTS": "[80,8080]"])
        let header = try header("tcp $EXTERNAL_NET any -> [$HOME_NET,$PARTNERS] $HTTP_PORTS", settings)
        #expect(!header.source.contains(try #require(IPAddress("192.0.2.1"))))
        #expect(header.source.contains(try #require(IPAddress("10.0.0.1"))))
        #expect(header.destination.contains(try #require(IPAddress("198.51.100.2"))))
        #expect(!header.destination.contains(try #require(IPAddress("198.51.100.1"))))
        #expect(header.destinationPorts.ranges == [80...80, 8080...8080])
    }

    @Test func `a variable that names itself is an error, not an endless loop`() {
        let settings = SignatureSettings(addressVariables: ["A": "[$B,192.0.2.1]", "B": "$A"])
        let set = load("alert tcp $A any -> any any (sid:1;)", settings: settings)
        #expect(set.counts.errors == 1)
        #expect(set.diagnostics.first?.id == "header-depth")
        #expect(set.diagnostics.first?.range.column == 11)
    }

    @Test func `a wrong variable is named where it is used`() {
        let settings = SignatureSettings(portVariables: ["P": "80;81"])
        let found = load("alert tcp any $P -> any any (sid:1;)", settings: settings).diagnostics.first
        #expect(found?.id == "bad-port" && found?.range.column == 15)
        #expect(found?.message.hasPrefix("variable '$P': ") == true)
    }

    struct Word: CustomTestStringConvertible, Sendable {
        let word: String
        /// nil: all.
        let transports: [IPProtocol]?
        let family: AddressFamily?
        let application: ApplicationProtocol?
        var testDescription: String { word }

        init(
            _ word: String, _ transports: [IPProtocol]?, family: AddressFamily? = nil,
            application: ApplicationProtocol? = nil
        ) {
            self.word = word
            self.transports = transports
            self.family = family
            self.application = application
        }
    }

    @Test(arguments: [
        Word("ip", nil), Word("IP", nil), Word("ipv4", nil, family: .ipv4),
        Word("ipv6", nil, family: .ipv6), Word("tcp", [.tcp]), Word("udp", [.udp]),
        Word("tcp-pkt", [.tcp]), Word("tcp-stream", [.tcp]), Word("sctp", [.sctp]),
        Word("icmp", [.icmp, .icmpv6]), Word("icmpv6", [.icmpv6]), Word("gre", [.gre]),
        Word("http", [.tcp], application: .http), Word("tls", [.tcp], application: .tls),
        Word("ssl", [.tcp], application: .tls), Word("dns", [.tcp, .udp], application: .dns),
        Word("quic", [.udp], application: .quic), Word("ssh", [.tcp], application: .ssh),
        Word("ftp-data", [.tcp], application: .ftpData), Word("smb", [.tcp], application: .smb),
        Word("ikev2", [.udp], application: .ike), Word("http2", [.tcp], application: .http2),
    ])
    private func `a protocol word names IP protocols, a family, an application`(_ proto: Word) throws {
        let header = try header("\(proto.word) any any -> any any")
        for number in UInt8.min...UInt8.max {
            let candidate = IPProtocol(rawValue: number)
            #expect(header.transports.contains(candidate) == (proto.transports?.contains(candidate) ?? true))
        }
        #expect(header.family == proto.family && header.application == proto.application)
    }

    @Test func `http holds both versions of HTTP, dns holds DNS over HTTPS`() {
        #expect(ApplicationProtocol.http.includes(.http1) && ApplicationProtocol.http.includes(.http2))
        #expect(!ApplicationProtocol.http1.includes(.http2) && !ApplicationProtocol.http.includes(.tls))
        #expect(ApplicationProtocol.dns.includes(.doh2) && !ApplicationProtocol.doh2.includes(.dns))
    }

    @Test(arguments: [
        ("alert", SignatureAction.alert), ("drop", .drop), ("reject", .reject), ("rejectsrc", .rejectSource),
        ("rejectdst", .rejectDestination), ("rejectboth", .rejectBoth), ("pass", .pass), ("block", .drop),
        ("log", .alert),
    ])
    func `an action has its word`(word: String, action: SignatureAction) throws {
        #expect(try signature(rule: "\(word) tcp any any -> any any (sid:1;)").action == action)
    }

    @Test func `directions are one way, both ways, or of a transaction`() throws {
        #expect(try !header("tcp any any -> any any").isBidirectional)
        #expect(try header("tcp any any <> any any").isBidirectional)
        let both =
            "alert http any any => any any (http.uri; content:\"a\"; http.stat_code; content:\"2\"; sid:1;)"
        let signature = try signature(rule: both)
        #expect(signature.header.isTransactional)
        #expect(signature.flow.toServer && signature.flow.toClient)
    }

    @Test func `any to any is known as such`() throws {
        #expect(try header("tcp any any -> any any").isAnyToAny)
        #expect(try header("tcp any [0:65535] -> any any").isAnyToAny)
        #expect(try !header("tcp any any -> any 80").isAnyToAny)
        #expect(try !header("tcp 192.0.2.1 any -> any any").isAnyToAny)
    }

    @Test func `white space stands wherever it may`() throws {
        let rule = "alert\ttcp  [192.0.2.1, 192.0.2.2]\tany   ->  any [80, 81]( msg : \"a b\" ; sid : 5 ; )"
        let signature = try signature(rule: rule)
        #expect(signature.message == "a b" && signature.sid == 5)
        #expect(signature.header.destinationPorts.ranges == [80...81])
    }

    @Test func `buffers name the protocol where the header does not`() throws {
        for (buffer, application) in [
            ("http.uri", ApplicationProtocol.http), ("dns.query", .dns), ("tls.sni", .tls),
            ("ssh.proto", .ssh),
        ] {
            let signature = try signature("\(buffer); content:\"a\";", proto: "tcp")
            #expect(signature.header.application == application)
        }
        let either = try signature("ja3.hash; content:\"a\";", proto: "ip")
        #expect(either.header.application == nil)
        #expect(try signature("file.data; content:\"a\";", proto: "tcp").header.application == nil)
        #expect(try signature("dns.query; content:\"a\";", proto: "ip").header.transports.contains(.udp))
    }
}
