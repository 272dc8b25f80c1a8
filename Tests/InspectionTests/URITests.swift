// SPDX-License-Identifier: Apache-2.0
// What signatures find in `http.uri`, of requests as clients write them.
import TestSupport
import Testing

@testable import Inspection

/// A request for this URI through these signatures. Out: the numbers of those that match.
private func alerts(_ uri: String, _ rules: String) throws -> [Int] {
    let bench = try Bench(rules)
    var talk = Conversation()
    bench.feed(talk.open())
    bench.feed(talk.say(.toServer, "GET \(uri) HTTP/1.1\r\nHost: a\r\n\r\n"))
    bench.finish()
    return try bench.alerts().sorted()
}

@Test func `a path keeps the case of its letters`() throws {
    // printf /Admin/Login.ASPX | md5sum
    let sum = "99 cb 7f af e7 1f 4f 7d 42 b5 60 fe 4a 43 8c 35"
    let rules = #"""
        alert http any any -> any any (http.uri; content:"/Admin/Login"; sid:1;)
        alert http any any -> any any (pcre:"/\/Admin\/Login\.ASPX$/U"; sid:2;)
        alert http any any -> any any (uricontent:"/Admin/Login"; sid:3;)
        alert http any any -> any any (http.uri; content:"/admin/login"; sid:4;)
        alert http any any -> any any (http.uri; content:!"/Admin/"; content:"/"; startswith; sid:5;)
        alert http any any -> any any (http.uri; content:"/admin/login"; nocase; sid:6;)

        """#
    let digest = "alert http any any -> any any (http.uri; to_md5; content:\"|\(sum)|\"; bsize:16; sid:7;)"
    #expect(try alerts("/Admin/Login.ASPX", rules + digest) == [1, 2, 3, 6, 7])
}

@Test func `a published signature with a capital letter in the path matches`() throws {
    // ET Open 2015885.
    let rule = """
        alert http any any -> any any (msg:"ET CURRENT_EVENTS CritXPack - No Java URI - Dot.class"; \
        flow:established,to_server; urilen:10; content:"/Dot.class"; http_uri; \
        classtype:trojan-activity; sid:2015885; rev:2;)
        """
    #expect(try alerts("/Dot.class", rule) == [2_015_885])
    #expect(try alerts("/dot.class", rule) == [])
}

@Test(arguments: [
    ("/x.php?id=1+uni%6fn+select", "union+select"), ("/x.php?id=..%2f..%2fetc%2fpasswd", "../etc/passwd"),
    ("/x.php?id=%3Cscript%3E", "<script>"), ("/x.php?id=a%20b", "a b"),
    ("/x.php?id=uni%256fn", "union"), ("/x.php?id=uni%u006fn", "union"), ("/x.php?id=%u006f", "%u006f"),
])
func `a query is looked at decoded`(_ uri: String, _ text: String) throws {
    let rule = "alert http any any -> any any (http.uri; content:\"\(text)\"; sid:1;)"
    #expect(try alerts(uri, rule) == [1])
}

@Test func `the raw URI has the query as it was sent`() throws {
    let rule = """
        alert http any any -> any any (http.uri.raw; content:"%6f"; sid:1;)
        alert http any any -> any any (http.uri.raw; content:"union"; sid:2;)
        """
    #expect(try alerts("/x.php?id=uni%6fn", rule) == [1])
}
