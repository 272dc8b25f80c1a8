// SPDX-License-Identifier: Apache-2.0
// Transactions: buffers that come later, instances, what is not there, and one report for each.

import NetworkTypes
import Signatures
import Testing

@testable import SignatureMatching

@Test func `signatures match on the buffers that they name`() throws {
    let matcher = try matcher(
        """
        alert http any any -> any any (msg:"m"; http.method; content:"GET"; http.uri; content:"/evil"; sid:1;)
        alert http any any -> any any (msg:"m"; http.uri; content:"/evil"; http.host; content:"a"; sid:2;)
        alert http any any -> any any (msg:"m"; content:"GET"; http_method; content:"/evil"; http_uri; sid:3;)
        alert http any any -> any any (msg:"m"; http.uri; content:!"/evil"; http.method; \
        content:"GET"; sid:4;)
        alert http any any -> any any (msg:"m"; http.uri; pcre:"/^\\/[a-z]+$/"; sid:5;)
        alert http any any -> any any (msg:"m"; http.uri; bsize:5; content:"e"; sid:6;)
        alert http any any -> any any (msg:"m"; urilen:5; http.uri; content:"il"; sid:7;)
        """)
    let evil = transaction([(.httpMethod, "GET"), (.httpURI, "/evil"), (.httpHost, "b")])
    #expect(matcher.sids(evil) == [1, 3, 5, 6, 7])
    let good = transaction([(.httpMethod, "GET"), (.httpURI, "/good/x"), (.httpHost, "a")])
    #expect(matcher.sids(good) == [4])
    #expect(matcher.sids(transaction([(.httpURI, "/evil"), (.httpHost, "a")])) == [2, 5, 6, 7])
}

@Test func `a signature waits for its other buffers and reports once`() throws {
    let matcher = try matcher(
        "alert http any any -> any any (msg:\"m\"; http.uri; content:\"/evil\"; http.host; "
            + "content:\"a\"; sid:1;)"
    )
    let flow = FlowMatchState()
    let request = InspectedTransaction(direction: .toServer, application: .http1)
    request.set(.httpURI, Array("/evil".utf8))
    #expect(matcher.sids(request, flow: flow) == [])
    #expect(request.candidates.count == 1)
    request.set(.httpHost, Array("a".utf8))
    #expect(matcher.sids(request, flow: flow) == [1])
    request.isComplete = true
    #expect(matcher.sids(request, flow: flow) == [])
    #expect(request.candidates.isEmpty)
}

@Test func `a body that grows is searched again until it is complete`() throws {
    let matcher = try matcher(
        """
        alert http any any -> any any (msg:"m"; flow:to_client; file.data; content:"evil"; sid:1;)
        alert http any any -> any any (msg:"m"; flow:to_client; file.data; content:"first"; content:"last"; \
        distance:0; sid:2;)
        alert http any any -> any any (msg:"m"; flow:to_client; file.data; content:"first"; content:!"more"; \
        distance:0; sid:3;)
        alert http any any -> any any (msg:"m"; flow:to_client; file.data; content:"first"; bsize:>9; sid:4;)
        """)
    let response = InspectedTransaction(direction: .toClient, application: .http1)
    let flow = FlowMatchState()
    var found: [[UInt32]] = []
    for text in ["fir", "first ev", "first evil", "first evil la", "first evil last"] {
        response.set(.fileData, Array(text.utf8), isComplete: false)
        found.append(matcher.sids(response, flow: flow))
    }
    #expect(found == [[], [], [1], [], [2]])
    response.set(.fileData, Array("first evil last".utf8))
    response.isComplete = true
    #expect(matcher.sids(response, flow: flow) == [3, 4])
}

@Test func `a buffer that never comes fails, unless nothing of it is needed`() throws {
    let matcher = try matcher(
        """
        alert http any any -> any any (msg:"m"; http.uri; content:"/x"; http.cookie; content:"a"; sid:1;)
        alert http any any -> any any (msg:"m"; http.uri; content:"/x"; http.referer; absent; sid:2;)
        alert http any any -> any any (msg:"m"; http.uri; content:"/x"; http.referer; absent:or_else; \
        content:"r"; sid:3;)
        """)
    let request = InspectedTransaction(direction: .toServer, application: .http1)
    request.set(.httpURI, Array("/x".utf8))
    #expect(matcher.sids(request) == [], "the headers may still come")
    request.isComplete = true
    #expect(matcher.sids(request) == [2, 3])
    #expect(matcher.sids(transaction([(.httpURI, "/x"), (.httpReferer, "r")])) == [3])
    #expect(matcher.sids(transaction([(.httpURI, "/x"), (.httpReferer, "q")])) == [])
}

@Test func `all of a group holds in one instance, not over several`() throws {
    let matcher = try matcher(
        """
        alert dns any any -> any any (msg:"m"; dns.query; content:"a"; content:"b"; sid:1;)
        alert dns any any -> any any (msg:"m"; dns.query; content:"c"; sid:2;)
        """)
    func found(_ names: [String]) -> [UInt32] {
        matcher.sids(transaction(names.map { (.dnsQuery, $0) }, .toServer, .dns), header: header(.udp))
    }
    #expect(found(["a", "b"]) == [])
    #expect(found(["a", "ab"]) == [1])
    #expect(found(["x", "y", "c"]) == [2])
}

@Test func `fields of a transaction are tested`() throws {
    let matcher = try matcher(
        """
        alert dns any any -> any any (msg:"m"; dns.opcode:4; sid:1;)
        alert dns any any -> any any (msg:"m"; dns.query; content:"x"; dns.opcode:0; sid:2;)
        alert tls any any -> any any (msg:"m"; tls.version:1.2; sid:3;)
        """)
    let query = transaction([(.dnsQuery, "x")], .toServer, .dns)
    query.fields.dnsOpcode = 0
    #expect(matcher.sids(query, header: header(.udp)) == [2])
    let notify = transaction([(.dnsQuery, "y")], .toServer, .dns)
    notify.fields.dnsOpcode = 4
    #expect(matcher.sids(notify, header: header(.udp)) == [1])
    let hello = transaction([], .toServer, .tls)
    hello.fields.tlsVersion = .tls12
    #expect(matcher.sids(hello) == [3])
    let other = transaction([], .toServer, .tls)
    other.fields.tlsVersion = .tls13
    #expect(matcher.sids(other) == [])
}

@Test func `the transaction's protocol and direction decide who looks`() throws {
    let matcher = try matcher(
        """
        alert http any any -> any any (msg:"m"; flow:to_server; http.header; content:"x"; sid:1;)
        alert http any any -> any any (msg:"m"; flow:to_client; http.header; content:"x"; sid:2;)
        alert http any any -> any 8080 (msg:"m"; flow:to_server; http.header; content:"x"; sid:3;)
        """)
    #expect(matcher.sids(transaction([(.httpHeader, "x")], .toServer)) == [1])
    #expect(matcher.sids(transaction([(.httpHeader, "x")], .toClient)) == [2])
    #expect(matcher.sids(transaction([(.httpHeader, "x")], .toServer, .ssh)) == [])
    let proxy = header(.tcp, .toServer, destinationPort: 8080)
    #expect(matcher.sids(transaction([(.httpHeader, "x")]), header: proxy) == [1, 3])
}

@Test func `each of several transactions is reported`() throws {
    let matcher = try matcher("alert http any any -> any any (msg:\"m\"; http.uri; content:\"x\"; sid:1;)")
    var packet = InspectedPacket(header: header())
    packet.transactions = [
        transaction([(.httpURI, "/x")]), transaction([(.httpURI, "/y")]), transaction([(.httpURI, "/xx")]),
    ]
    let found = matcher.inspect(packet, flow: FlowMatchState())
    #expect(found.map(\.place) == [.transaction(0), .transaction(2)])
}

@Test func `a transaction keeps a bounded number of buffers`() {
    let message = InspectedTransaction(direction: .toServer, application: .dns)
    let kept = (0..<1_000).filter { _ in message.append(.dnsQuery, [0x61]) }
    #expect(kept.count == InspectedTransaction.mostContents)
    #expect(message.contents.count == InspectedTransaction.mostContents)
    message.set(.dnsAnswerName, [0x62])
    #expect(message.first(.dnsAnswerName) == nil)
}

@Test func `only buffers that signatures look at are wanted`() throws {
    let engine = try matcher(
        "alert http any any -> any any (msg:\"m\"; http.uri; content:\"x\"; http.cookie; "
            + "content:\"y\"; sid:1;)"
    ).engine
    #expect(engine.wants(.httpURI) && engine.wants(.httpCookie))
    #expect(!engine.wants(.httpHost) && !engine.wants(.payload))
}

@Test func `a buffer's number is its position among all buffers`() {
    #expect(Buffer.allCases.map(\.number) == Array(Buffer.allCases.indices))
}
