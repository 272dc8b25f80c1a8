// SPDX-License-Identifier: Apache-2.0
// Requests that cost far more memory than bytes, and wait for an answer that does not come.
import Testing

@testable import Inspection

private let rules = """
    alert http any any -> any any (msg:"uri"; http.uri; content:"/evil"; sid:1;)
    alert http any any -> any any (msg:"header"; http.header; content:"last"; sid:2;)
    """

@Test func `requests that are given up for memory are judged and told, and so is what follows`() throws {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    let headers = (0..<1000).map { "\(String($0, radix: 36)):\n" }.joined()
    for number in 0..<14 {
        let last = number == 0 ? "X: last\n" : ""
        bench.feed(talk.say(.toServer, "GET /\(number) HTTP/1.1\n\(headers)\(last)\n"))
    }
    bench.feed(talk.say(.toServer, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"))
    let told = try bench.events(.http).count
    let http = try #require(try bench.statistics["http"] as? [String: Any])
    #expect(http["given_up"] as? Int == told && (http["memuse"] as? Int ?? .max) < 512 << 10)
    bench.finish()
    #expect(try bench.alerts().sorted() == [1, 2])
    #expect(try told == 13 && bench.events(.http).count == 15)
}
