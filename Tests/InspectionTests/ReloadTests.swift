// SPDX-License-Identifier: Apache-2.0
// Other signatures under an inspector that runs: what it knows of flows stays.
import Testing

@testable import Inspection

private let before = """
    alert tcp any any -> any any (msg:"set"; content:"hello"; flowbits:set,greeted; sid:1;)
    alert tcp any any -> any any (msg:"needle"; content:"needle"; sid:2;)
    """
private let after = """
    alert tcp any any -> any any (msg:"other"; content:"nothing"; flowbits:set,unheard; sid:9;)
    alert tcp any any -> any any (msg:"needle"; content:"needle"; sid:2;)
    alert tcp any any -> any any (msg:"asks"; content:"then"; flowbits:isset,greeted; sid:3;)
    """

@Test func `a flow's bits, stream and reports go on under other signatures`() throws {
    let bench = try Bench(before)
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "hello needle"))
    #expect(try bench.alerts() == [1, 2])
    try bench.use(after)
    #expect(try bench.alerts() == [1, 2])
    // Content that began before the change, and ends behind it, is one.
    bench.feed(talk.say(.toServer, " th"))
    bench.feed(talk.say(.toServer, "en"))
    #expect(try bench.alerts() == [1, 2, 3])
    bench.finish()
    #expect(try bench.events(.flow).count == 1)
    #expect(bench.inspector.counters.flows == 1 && bench.inspector.counters.alerts == 3)
}

@Test func `a request that is half here is found by signatures that come then, once`() throws {
    let rule = #"alert http any any -> any any (msg:"uri"; http.uri; content:"/secret/"; sid:1;)"#
    let other = #"alert http any any -> any any (msg:"host"; http.host; content:"example"; sid:2;)"#
    let bench = try Bench(rule)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "GET /secret/passwd HTTP/1.1\r\n"))
    try bench.use(other + "\n" + rule)
    bench.feed(talk.say(.toServer, "Host: www.example.com\r\n\r\n"))
    bench.feed(talk.say(.toClient, reply))
    bench.finish()
    let found = try bench.alerts().sorted()
    #expect(found == [1, 2])
}

@Test(arguments: 1...12)
func `what began before the signatures came is found, whatever the former ones were`(_ cut: Int) throws {
    // Of many former signatures literals are noted, under numbers that the next set does not have.
    let former = (1...100).map {
        "alert tcp any any -> any any (content:\"needle\"; content:\"!\"; distance:\($0); sid:\($0);)"
    }
    let bench = try Bench(former.joined(separator: "\n"))
    var talk = Conversation(serverPort: 9000)
    bench.feed(talk.open())
    let text = "an evil needle"
    let (first, rest) = (String(text.prefix(cut)), String(text.dropFirst(cut)))
    bench.feed(talk.say(.toServer, "needle " + first))
    try bench.use(#"alert tcp any any -> any any (msg:"new"; content:"an evil needle"; sid:1000;)"#)
    bench.feed(talk.say(.toServer, rest))
    bench.feed(talk.say(.toServer, " and more"))
    bench.finish()
    #expect(try bench.alerts() == [1000])
}

@Test func `signatures of a policy with other inspectors are refused, and nothing changes`() throws {
    let bench = try Bench(before)
    var plan = bench.inspector.plan
    plan.inspectors[0].name = "another"
    #expect(throws: InspectionError.self) { try bench.inspector.use(plan) }
    #expect(bench.inspector.plan.inspectors[0].name == "http-api")
}
