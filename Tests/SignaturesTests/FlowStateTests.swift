// SPDX-License-Identifier: Apache-2.0
// flow, remembered bits and counters, rates, and tests of a flow's protocol.
import Signatures
import Testing

@Suite struct FlowTests {
    @Test(arguments: [
        ("to_server", true, false), ("from_client", true, false), ("toserver", true, false),
        ("to_client", false, true), ("from_server", false, true), ("TO_CLIENT", false, true),
    ])
    func `a direction has two words`(text: String, toServer: Bool, toClient: Bool) throws {
        let flow = try signature("flow:\(text);").flow
        #expect(flow.toServer == toServer && flow.toClient == toClient && flow.hasDirection)
        #expect(flow.state == .any)
    }

    @Test(arguments: [
        ("established", FlowConditions.State.established), ("not_established", .notEstablished),
        ("stateless", .stateless), ("established, to_server", .established), ("only_stream", .any),
    ])
    func `a state is asked for`(text: String, state: FlowConditions.State) throws {
        #expect(try signature("flow:\(text);").flow.state == state)
    }

    @Test func `without flow both directions and any state are meant`() throws {
        let flow = try signature("content:\"a\";").flow
        #expect(flow.toServer && flow.toClient && flow.state == .any)
        #expect(!flow.hasDirection && flow.isReassembled == nil)
    }

    @Test func `fragments are asked for or refused`() throws {
        #expect(try signature("flow:only_frag;").flow.isReassembled == true)
        #expect(try signature("flow:no_frag;").flow.isReassembled == false)
    }
}

@Suite struct StateTests {
    @Test func `flow bits are tested and changed in the order written`() throws {
        let signature = try signature(
            "flowbits:isset,a; flowbits:isnotset,b|c; flowbits:set,d; flowbits:unset,a; flowbits:toggle,b;")
        #expect(
            signature.stateTests == [
                .bits([0], .flow, isNegated: false), .bits([1, 2], .flow, isNegated: true),
            ])
        #expect(
            signature.stateChanges == [
                .bit(.set, 3, .flow, expire: 0), .bit(.unset, 0, .flow, expire: 0),
                .bit(.toggle, 1, .flow, expire: 0),
            ])
    }

    @Test(arguments: [
        ("hostbits:set,x;", BitScope.source, UInt32(0)), ("hostbits:set,x,src;", .source, 0),
        ("hostbits:set,x,dst;", .destination, 0), ("xbits:set,x,track ip_src;", .source, 30),
        ("xbits:set,x,track ip_dst,expire 5;", .destination, 5),
        ("xbits:set,x,track ip_pair, expire 3600;", .addressPair, 3600),
    ])
    func `bits of hosts and pairs know whose they are and when they end`(
        options: String, scope: BitScope, expire: UInt32
    ) throws {
        #expect(try signature(options).stateChanges == [.bit(.set, 0, scope, expire: expire)])
    }

    @Test func `names are numbers of a whole load, and of the next one`() {
        let first = load(
            """
            alert tcp any any -> any any (flowbits:set,a; flowbits:set,b; sid:1;)
            alert tcp any any -> any any (flowbits:isset,b; xbits:set,a,track ip_src; sid:2;)
            """)
        #expect(first.names.flowBits.names == ["a", "b"] && first.names.hostBits.names == ["a"])
        #expect(first.signatures[1].stateTests == [.bits([1], .flow, isNegated: false)])
        let source = "alert tcp any any -> any any (flowbits:set,c; flowbits:isset,b; sid:3;)"
        let second = loadSignatures([.init(path: "b.rules", text: source)], names: first.names)
        #expect(second.names.flowBits.names == ["a", "b", "c"])
        #expect(second.signatures[0].stateTests == [.bits([1], .flow, isNegated: false)])
    }

    @Test(arguments: [
        ("flowint:n,+,1;", StateChange.integer(0, .add, .literal(1))),
        ("flowint:n, - , 2;", .integer(0, .subtract, .literal(2))),
        ("flowint:n,=,0;", .integer(0, .set, .literal(0))),
        ("flowint:n,+,m;", .integer(0, .add, .integer(1))),
    ])
    func `a counter is changed`(options: String, change: StateChange) throws {
        let signature = try signature(options)
        #expect(signature.stateChanges == [change] && signature.stateTests.isEmpty)
    }

    @Test(arguments: [
        ("flowint:n,>,3;", StateTest.integer(0, .greater, .literal(3))),
        ("flowint:n,==,m;", .integer(0, .equal, .integer(1))),
        (
            "flowint:n,!=,4294967295;",
            .integer(0, .notEqual, .literal(.max))
        ),
        ("flowint:n,<=,1;", .integer(0, .lessOrEqual, .literal(1))),
        ("flowint:n,isset;", .integerIsSet(0, isNegated: false)),
        (
            "flowint:n,notset;",
            .integerIsSet(0, isNegated: true)
        ), ("flowint:n,isnotset;", .integerIsSet(0, isNegated: true)),
    ])
    func `a counter is compared`(options: String, test: StateTest) throws {
        let signature = try signature(options)
        #expect(signature.stateTests == [test] && signature.stateChanges.isEmpty)
    }

    @Test(arguments: [
        ("alert", "", true), ("alert", "noalert;", false), ("alert", "flowbits:noalert;", false),
        ("alert", "hostbits:noalert;", false), ("alert", "xbits:noalert;", false), ("pass", "", false),
        ("pass", "alert;", true), ("drop", "", true), ("drop", "noalert;", false),
    ])
    func `a signature reports unless it says not to, or passes`(
        action: String, options: String, reports: Bool
    ) throws {
        #expect(
            try signature(rule: "\(action) tcp any any -> any any (\(options) sid:1;)").isReported == reports)
    }
}

@Suite struct RateTests {
    @Test(arguments: [
        ("type limit, track by_src, count 1, seconds 60", Threshold.Kind.limit, RateTracking.bySource),
        ("type threshold, track by_dst, count 1, seconds 60", .threshold, .byDestination),
        ("type both,track by_rule,count 1,seconds 60", .both, .byRule),
        ("track by_both, seconds 60, count 1, type both", .both, .byBoth),
        ("type limit, track by_flow, count 1, seconds 60", .limit, .byFlow),
    ])
    func `a threshold is pairs in any order`(text: String, kind: Threshold.Kind, tracking: RateTracking)
        throws
    {
        let threshold = try #require(try signature("threshold:\(text);").threshold)
        #expect(threshold.kind == kind && threshold.tracking == tracking)
        #expect(threshold.count == 1 && threshold.seconds == 60 && threshold.multiplier == 1)
    }

    @Test func `a back-off has a factor and no span`() throws {
        let threshold = try #require(
            try signature("threshold:type backoff, track by_flow, count 1, multiplier 10;").threshold)
        #expect(threshold.kind == .backoff && threshold.multiplier == 10 && threshold.seconds == 0)
    }

    @Test func `a detection filter counts, also ports that are new`() throws {
        let plain = try #require(
            try signature("detection_filter:track by_src,count 15,seconds 2;").detectionFilter)
        #expect(
            plain.tracking == .bySource && plain.count == 15 && plain.seconds == 2 && plain.uniqueOn == nil)
        let unique = try #require(
            try signature("detection_filter:track by_dst, count 1, seconds 60, unique_on dst_port;")
                .detectionFilter)
        #expect(unique.uniqueOn == .destination && unique.tracking == .byDestination)
    }

    @Test(arguments: [
        "threshold:type limit, track by_src, count 0, seconds 60",
        "threshold:type limit, track by_src, count 1, seconds 0",
        "threshold:type limit, track by_src, count 1, seconds 60, hours 2",
        "threshold:type limit, type both, track by_src, count 1, seconds 60", "threshold",
        "threshold:type backoff, track by_src, count 1, multiplier 1",
        "detection_filter:track by_src, count 1, seconds 60, unique_on port", "detection_filter:track by_src",
        "threshold:type limit, track by_src, count 4294967296, seconds 1",
    ])
    func `a rate that cannot be is an error`(text: String) {
        #expect(load("alert tcp any any -> any any (\(text); sid:1;)").counts.errors == 1)
    }
}

@Suite struct ProtocolTestTests {
    @Test(
        arguments: [
            (
                "app-layer-protocol:http;",
                ProtocolTest.application(.http, isNegated: false, side: .direction, isExact: false)
            ),
            (
                "app-layer-protocol:!tls;",
                .application(.tls, isNegated: true, side: .direction, isExact: false)
            ),
            (
                "app-layer-protocol:!ssl,final;",
                .application(.tls, isNegated: true, side: .final, isExact: false)
            ),
            (
                "app-layer-protocol:dns,exact;",
                .application(.dns, isNegated: false, side: .direction, isExact: true)
            ),
            (
                "app-layer-protocol:ssh,to_client;",
                .application(.ssh, isNegated: false, side: .toClient, isExact: false)
            ),
            (
                "app-layer-protocol:unknown,either;",
                .application(.unknown, isNegated: false, side: .either, isExact: false)
            ),
            ("stream_size:client,>,424;", .streamSize(.client, .greater(424))),
            ("stream_size:server, <= , 5;", .streamSize(.server, .lessOrEqual(5))),
            ("stream_size:both,!=,1;", .streamSize(.both, .notEqual(1))),
            ("dns.opcode:!4;", .dnsOpcode(.notEqual(4))), ("dns.rcode:3;", .dnsRcode(.equal(3))),
            ("dns.rrtype:1;", .dnsRRType(.equal(1), .any)),
            ("dns.rrtype:AAAA;", .dnsRRType(.equal(28), .any)),
            ("dns.rrtype:!a;", .dnsRRType(.notEqual(1), .any)),
            ("dns.rrtype:1,all;", .dnsRRType(.equal(1), .all)),
            ("dns.rrtype:1,-1;", .dnsRRType(.equal(1), .index(-1))),
            ("dns.rrtype:>5;", .dnsRRType(.greater(5), .any)),
            ("ssl_version:sslv3;", .tlsVersion(.sslv3, isNegated: false)),
            ("ssl_version:!tls1.0,!tls1.1;", .tlsVersion([.tls10, .tls11], isNegated: true)),
            ("tls.version:1.2;", .tlsVersion(.tls12, isNegated: false)),
            ("ssl_state:server_hello;", .tlsState(.serverHello, isNegated: false)),
            (
                "ssl_state:client_hello|server_hello;",
                .tlsState([.clientHello, .serverHello], isNegated: false)
            ),
            ("ssh.protoversion:2.0;", .sshVersion(Array("2.0".utf8), orCompatible: false)),
            ("ssh.protoversion:2_compat;", .sshVersion(Array("2".utf8), orCompatible: true)),
        ] as [(String, ProtocolTest)])
    func `a keyword without a buffer is a test of the protocol`(options: String, test: ProtocolTest) throws {
        let signature = try signature(options, proto: options.hasPrefix("dns") ? "udp" : "tcp")
        #expect(signature.protocolTests == [test] && signature.matches.isEmpty)
    }

    @Test func `a keyword of a protocol makes the signature one of it`() throws {
        #expect(try signature("dns.rcode:3;", proto: "udp").header.application == .dns)
        #expect(try signature("ssl_version:sslv3;").header.application == .tls)
        #expect(try signature("ssh.protoversion:2.0;").header.application == .ssh)
        #expect(try signature("app-layer-protocol:http;").header.application == nil)
    }

    @Test(arguments: [
        ("tls.subject", Buffer.tlsCertificateSubject), ("tls.issuerdn", .tlsCertificateIssuer),
        ("ssh.softwareversion", .sshSoftware), ("tls.fingerprint", .tlsCertificateFingerprint),
    ])
    func `an old keyword with a text is a content of its buffer`(name: String, buffer: Buffer) throws {
        let matches = try signature("\(name):!\"AB:cd\"; content:\"x\";").matches
        #expect(matches.map(\.buffer) == [buffer, .payload])
        guard case .content(let content) = matches[0].inspections[0] else { return }
        let isFingerprint = buffer == .tlsCertificateFingerprint
        #expect(content.isNegated && content.isCaseInsensitive == isFingerprint)
        #expect(content.bytes == Array((isFingerprint ? "ab:cd" : "AB:cd").utf8))
    }

    @Test func `an event is waited for where somebody raises it`() throws {
        let settings = SignatureSettings(events: ["http.x"])
        let signature = try signature(
            rule: "alert http any any -> any any (app-layer-event:http.x; sid:1;)", settings: settings)
        #expect(signature.protocolTests == [.event("http.x")])
    }
}
