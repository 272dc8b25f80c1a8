// SPDX-License-Identifier: Apache-2.0
// Signatures of FTP and SMTP hold from the client's first command on, and what was said before a protocol was
// recognised is searched once it is.
import NetworkTypes
import Signatures
import TestSupport
import Testing

@testable import Inspection

private let rules = """
    alert ftp any any -> any any (flow:established,to_server; content:"USER evil"; sid:1;)
    alert ftp any any -> any any (flow:established,to_server,no_stream; content:"PASS evil"; sid:2;)
    alert ftp any any -> any any (flow:established,to_client; content:"220 "; sid:3;)
    alert smtp any any -> any any (flow:established,to_server; content:"EHLO evil"; sid:4;)
    alert smtp any any -> any any (flow:established,to_client; content:"220 "; sid:5;)
    """

/// What is said in turns, and the signatures that find something in it.
private struct Session: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var turns: [(way: FlowDirection, text: String)]
    var alerts: [[Int]]

    init(_ name: String, _ turns: [(FlowDirection, String)], _ alerts: [[Int]]) {
        (testDescription, self.turns, self.alerts) = (name, turns, alerts)
    }

    static let all = [
        Session(
            "a login that is refused",
            [
                (.toClient, "220 ready\r\n"), (.toServer, "USER evil\r\n"), (.toClient, "331 word\r\n"),
                (.toServer, "PASS evil\r\n"), (.toClient, "530 no\r\n"),
            ], [[], [1, 3], [], [2], []]),
        Session(
            "commands in one segment",
            [(.toClient, "220-a\r\n220 b\r\n"), (.toServer, "user x\r\nUSER evil\r\nPASS evil\r\n")],
            [[], [1, 2, 3]]),
        Session(
            "commands before the greeting",
            [
                (.toServer, "USER evil\r\nPASS evil\r\nNOOP \(String(repeating: "x", count: 150))\r\n"),
                (.toClient, "220 ready\r\n"),
            ], [[], [1, 3]]),
        Session("mail", [(.toClient, "220 x ESMTP\r\n"), (.toServer, "EHLO evil\r\n")], [[], [4, 5]]),
        Session("a server that says nothing", [(.toServer, "EHLO evil\r\n")], [[]]),
        Session("whois", [(.toServer, "helo evil\r\n"), (.toClient, "no match\r\n")], [[], []]),
        Session(
            "poppassd",
            [(.toClient, "200 hello\r\n"), (.toServer, "USER evil\r\n"), (.toClient, "200 ok\r\n")],
            [[], [], []]),
        Session("IRC", [(.toServer, "USER evil 0 * :name\r\n")], [[]]),
        Session("POP3", [(.toClient, "+OK ready\r\n"), (.toServer, "USER evil\r\n")], [[], []]),
    ]
}

@Test(arguments: Session.all)
private func `the first command names the protocol`(_ session: Session) throws {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    var told: [Int] = []
    for (turn, expected) in zip(session.turns, session.alerts) {
        bench.feed(talk.say(turn.way, turn.text))
        let alerts = try bench.alerts()
        #expect(alerts.dropFirst(told.count).sorted() == expected, "behind \(turn.text)")
        told = alerts
    }
    bench.finish()
    #expect(try bench.alerts() == told)
}

@Test func `a command in single bytes names the protocol too`() throws {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    for byte in "220 ready\r\n".utf8 { bench.feed(talk.say(.toClient, [byte])) }
    for byte in "USER evil\r\n".utf8 { bench.feed(talk.say(.toServer, [byte])) }
    #expect(try bench.alerts().sorted() == [1, 3])
}

/// Where the server is not seen, what FTP and SMTP alone have.
@Test(
    arguments: [
        ("EHLO a\r\n", "", ApplicationProtocol.smtp), ("FEAT\r\n", "", .ftp), ("USER a\r\n", "", nil),
        ("user a\r\n", "220 x", .ftp), ("user a\r\n", "120-x", .ftp), ("user a\r\n", "2200", nil),
        ("user a\r\n", "+OK x", nil), ("ehlo a\r\n", "22", nil), ("ehlo a\r\n", "hello", nil),
    ] as [(String, String, ApplicationProtocol?)])
func `a greeting belongs to the first command`(
    _ client: String, _ server: String, _ named: ApplicationProtocol?
) {
    let opening = StreamOpening(client: Array(client.utf8), server: Array(server.utf8))
    #expect(opening.application == named)
    let seen = StreamOpening(client: Array(client.utf8), server: Array(server.utf8), isServerSeen: true)
    #expect(seen.application == (server.isEmpty ? nil : named))
}

@Test(arguments: ["GET / HTTP/1.1\r\n", "PASSWORD", "EHLOX evil\r\n", "US", "FEATURES\r\n", "HELOO\r\n"])
func `other first bytes name nothing`(_ text: String) {
    let opening = StreamOpening(client: Array(text.utf8), server: Array("220 x\r\n".utf8))
    #expect(opening.application == nil)
}
