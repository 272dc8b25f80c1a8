// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 with a retry request: the server takes the name of the second hello, whatever the first one said.
import TestSupport
import Testing

@testable import Inspection

private func block(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
}

private func record(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
    [22, 3, 3] + block([type, 0] + block(body))
}

private func hello(_ name: String?) -> [UInt8] {
    let names = name.map { [0, 0] + block(block([0] + block(Array($0.utf8)))) } ?? []
    return record(
        1, [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0] + block(names))
}

/// RFC 8446 section 4.1.3: the hash of "HelloRetryRequest" for its random.
private let retryRequest = record(
    2,
    [3, 3] + [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
        0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ] + [0, 0x13, 1, 0] + block([0, 43, 0, 2, 3, 4]))

@Test(arguments: [(nil, [1]), ("good.example", [1, 2]), ("evil.example", [1])] as [(String?, [Int])])
func `signatures see the names of both hellos`(_ first: String?, _ alerts: [Int]) throws {
    let bench = try Bench(
        """
        alert tls any any -> any any (tls.sni; content:"evil"; sid:1;)
        alert tls any any -> any any (tls.sni; content:"good"; sid:2;)
        """)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, hello(first)))
    bench.feed(talk.say(.toClient, retryRequest))
    bench.feed(talk.say(.toServer, [20, 3, 3, 0, 1, 1] + hello("evil.example")))
    bench.finish()
    #expect(try bench.alerts().sorted() == alerts)
    let tls = try #require(try bench.events(.tls).first?["tls"] as? [String: Any])
    #expect(tls["sni"] as? String == "evil.example")
    let isChanged = try bench.events(.anomaly).contains { event in
        (event["anomaly"] as? [String: Any])?["event"] as? String == "client_hello_changed"
    }
    #expect(isChanged == (first != "evil.example"))
}
