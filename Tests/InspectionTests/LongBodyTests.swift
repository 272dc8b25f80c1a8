// SPDX-License-Identifier: Apache-2.0
// Bodies that are longer than what is kept of them for the next piece, and come with one packet.
import Testing

@testable import Inspection

/// "RESPEVIL" and 90,000 times "A", as gzip has them.
private let packed =
    "1f8b08000000000002ffedc1b10900300800b0db1c1c0487d282ff9fd23f24c9cd7772aa030000000000000000000000"
    + "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    + "00000000000000000000000000000000000000000000000000000060a90f4fbc07bb985f0100"

private let rules = """
    alert http any any -> any any (msg:"data"; file.data; content:"RESPEVIL"; sid:1;)
    alert http any any -> any any (msg:"body"; http.response_body; content:"RESPEVIL"; sid:2;)
    alert http any any -> any any (msg:"end"; file.data; content:"AAAAAAAA"; bsize:>60000; sid:3;)
    """

@Test func `the start of a body that one packet makes longer than its window is searched`() throws {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"))
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count / 2)\r\n\r\n"
    let body = stride(from: 0, to: packed.count, by: 2).compactMap {
        UInt8(packed.dropFirst($0).prefix(2), radix: 16)
    }
    bench.feed(talk.say(.toClient, Array(head.utf8) + body))
    bench.feed(talk.say(.toServer, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"))
    bench.finish()
    #expect(try bench.alerts().sorted() == [1, 2, 3])
}
