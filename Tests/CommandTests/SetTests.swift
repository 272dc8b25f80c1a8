// SPDX-License-Identifier: Apache-2.0
// set, refresh: named sets change under a running policy, in one step, and are told where they come from.
import Foundation
import Testing

extension LiveTests {
    @Suite struct SetTests {
        let net: TwoHosts

        private static let policy =
            Policies.plain + """
                policy: sets
                default: pass
                sets:
                  office: [192.0.2.7]
                  bad: { file: bad.txt }
                  known: [$office, 203.0.113.78, "!203.0.113.77"]
                  unused: [192.0.2.1]
                rules:
                  - { name: known, source: $known, service: udp/9000, action: pass }
                  - { name: bad, source: ["$bad", "!$office"], action: drop }

                """

        init() throws {
            net = try TwoHosts()
            try net.folder.file("bad.txt", "# a list\n198.51.100.128/25 ; one\n\n203.0.113.77 # another\n")
            try net.apply(Self.policy)
        }

        private func sets() throws -> [String: JSON] {
            let all = try net.server.report("set", "show")["sets"].elements
            return Dictionary(all.map { ($0["name"].string ?? "", $0) }, uniquingKeysWith: { a, _ in a })
        }

        private func addresses(_ set: String) throws -> [String] {
            try net.server.report("set", "show", set)["addresses"].elements.compactMap(\.string)
        }

        /// What a command answers that must fail.
        private func refusal(_ words: String...) throws -> (exit: Int32, text: String) {
            let outcome = try run(net.server.entering([Product.path] + words))
            return (outcome.exit, outcome.errors)
        }

        @Test func `sets are listed with ranges, origin and hits, and the hits outlive changes and applies`()
            throws
        {
            #expect(try sets().keys.sorted() == ["bad", "known", "office", "unused"])
            for _ in 0..<3 {
                try net.client.send(1, from: "203.0.113.77", to: TwoHosts.serverV4, 9000)
            }
            try net.client.send(1, from: "192.0.2.7", to: TwoHosts.serverV4, 9000)
            try expectEventually(net, rule: "bad", 3)
            try expectEventually(net, rule: "known", 1)
            for _ in 0..<2 {
                let sets = try sets()
                #expect(sets["bad"]?["hits"]["source"].int == 3)
                #expect(sets["bad"]?["hits"]["destination"].int == 0)
                #expect(sets["office"]?["hits"]["source"].int == 1)
                #expect(sets["known"]?["hits"]["source"].int == 1, "it holds what $office holds")
                try net.server.mustRun("set", "add", "bad", "203.0.113.66")
                try net.apply(Self.policy)
            }
            let bad = try #require(try sets()["bad"])
            #expect(bad["ranges"].int == 2 && bad["origin"].string == "file")
            #expect(bad["file"].string == net.folder.path + "/bad.txt" && bad["changed"] == .null)
            #expect(try sets()["unused"]?["used"].bool == false)
            #expect(try addresses("known") == ["192.0.2.7", "203.0.113.78"])
        }

        @Test func `what is added and taken out holds from the next packet on, in nested sets and negations`()
            throws
        {
            let port = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            func passes(_ source: String) throws -> Bool {
                let before = try net.counters()["total"]["packets"].int ?? 0
                try net.client.send(1, from: source, to: TwoHosts.serverV4, 9000)
                #expect(
                    try eventually { try net.counters()["total"]["packets"].int ?? 0 > before })
                return port.receive(milliseconds: 0) != nil
            }
            #expect(try !passes("203.0.113.77"))
            #expect(
                try net.server.mustRun("set", "del", "bad", "203.0.113.77")
                    == "took 1 entry out of 'bad'\n")
            #expect(try passes("203.0.113.77"))
            try net.server.mustRun("set", "add", "$bad", "203.0.113.0/24", "192.0.2.0-192.0.2.255")
            #expect(try !passes("203.0.113.77"))
            // Known, as it is in the office; and out of the rule for the bad.
            #expect(try passes("192.0.2.7"))
            #expect(try !passes("192.0.2.8"))
            try net.server.mustRun("set", "add", "office", "192.0.2.8")
            #expect(try passes("192.0.2.8"))
            #expect(try addresses("known") == ["192.0.2.7-192.0.2.8", "203.0.113.78"])
            try net.server.mustRun("set", "replace", "bad", "192.0.2.8")
            #expect(try passes("203.0.113.77"))
            #expect(try addresses("bad") == ["192.0.2.8"])
            #expect(
                try net.server.mustRun("refresh") == "bad: 2 entries read, changed\n", "the file again")
            #expect(try !passes("203.0.113.77"))
            try net.server.mustRun("refresh", "office")
            #expect(try addresses("office") == ["192.0.2.7"])
            expectSums(try net.counters())
        }

        @Test func `set test tells the line, the way and the hand, and its exit code the answer`() throws {
            func test(_ words: String...) throws -> (exit: Int32, lines: [String]) {
                let outcome = try run(net.server.entering([Product.path, "set", "test"] + words))
                return (outcome.exit, outcome.outputLines)
            }
            let folder = net.folder.path
            let first = try test("bad", "198.51.100.129", "203.0.113.77")
            #expect(first.exit == 0)
            #expect(
                first.lines == [
                    "198.51.100.129 is in 'bad': by line 2 of \(folder)/bad.txt: 198.51.100.128/25",
                    "203.0.113.77 is in 'bad': by line 4 of \(folder)/bad.txt: 203.0.113.77",
                ])
            let nested = try test("known", "192.0.2.7", "203.0.113.77", "203.0.113.1")
            #expect(nested.exit == 1)
            #expect(
                nested.lines == [
                    "192.0.2.7 is in 'known': through '$office': by line 6 of \(folder)/policy.conf",
                    "203.0.113.77 is not in 'known': taken out by line 8 of \(folder)/policy.conf",
                    "203.0.113.1 is not in 'known': nothing in 'known' holds it",
                ])
            try net.server.mustRun("set", "add", "bad", "2001:db8::/48")
            let byHand = try test("bad", "2001:db8::1")
            #expect(byHand.exit == 0)
            #expect(byHand.lines[0].hasPrefix("2001:db8::1 is in 'bad': added by hand at 20"))
            let report = try net.server.report("set", "test", "bad", "198.51.100.129")["addresses"][0]
            #expect(report["member"].bool == true && report["line"].int == 2)
            #expect(report["file"].string == folder + "/bad.txt")
        }

        @Test func `a wrong file, name or address changes nothing and says what to do`() throws {
            try net.folder.file("bad.txt", "203.0.113.0/24\n203.0.113.x\n")
            let refused = try refusal("refresh")
            #expect(refused.exit == 65)
            #expect(refused.text.contains("bad.txt:2:1: error: '203.0.113.x' is no address"))
            #expect(refused.text.contains("nothing was changed"))
            try FileManager.default.removeItem(atPath: net.folder.path + "/bad.txt")
            #expect(try refusal("refresh", "bad").exit == 66)
            #expect(try addresses("bad") == ["198.51.100.128/25", "203.0.113.77"])
            let unknown = try refusal("set", "add", "bda", "192.0.2.1")
            #expect(unknown.exit == 69)
            #expect(
                unknown.text
                    == "xdpguard: error: the running policy has no set 'bda'; did you mean 'bad'?\n")
            #expect(try refusal("set", "add", "unused", "192.0.2.1").text.contains("is not looked up"))
            let malformed = try refusal("set", "add", "bad", "192.0.2.1/24")
            #expect(malformed.exit == 64)
            #expect(malformed.text.contains("write 192.0.2.0/24 for the network"))
            #expect(try refusal("set", "add", "bad").exit == 64)
            #expect(try refusal("set", "test", "bad", "192.0.2.0/24").exit == 64)
            try net.server.mustRun("detach")
            let gone = try refusal("set", "show")
            #expect(gone.exit == 69 && gone.text.contains("no policy runs here: apply one first"))
        }

        @Test func `of datagrams under swaps of a million entries none is lost and none gets past`() throws {
            let policy =
                Policies.plain + """
                    policy: crowd
                    default: pass
                    sets:
                      crowd: { file: crowd.txt }
                    rules:
                      - { name: members, source: $crowd, service: udp/9000, action: pass }
                      - { name: strangers, service: udp/9000, action: drop }
                      - { name: unwanted, source: $crowd, service: udp/9999, action: drop }

                    """
            // The sender is in every list; everything else differs.
            try net.folder.file("crowd.txt", "192.0.2.7\n")
            let lists = try (0..<2).map { try net.folder.file("list-\($0)", Self.list($0, 1_000_000)) }
            try net.apply(policy)
            let wanted = try net.server.datagrams(at: TwoHosts.serverV4, 9000)
            let unwanted = try net.server.datagrams(at: TwoHosts.serverV4, 9999)
            let traffic = try Traffic(
                from: "192.0.2.7", of: net.client, to: TwoHosts.serverV4, ports: (9000, 9999))
            var arrived: [Int] = []
            // The first does not fit: it makes the generation anew. The others swap tables alone.
            for change in [
                ["replace", "crowd", "--file", lists[0]], ["replace", "crowd", "--file", lists[1]],
                ["add", "crowd", "203.0.113.1"], ["del", "crowd", "203.0.113.0/24"],
                ["replace", "crowd", "192.0.2.0/24"],
            ] {
                let outcome = try run(net.server.entering([Product.path, "set"] + change))
                #expect(outcome.exit == 0, "\(outcome)")
                arrived += numbers(from: wanted, milliseconds: 0)
            }
            traffic.stop()
            arrived += numbers(from: wanted, milliseconds: 200)
            let sent = traffic.sent
            #expect(sent.failed == 0 && sent.wanted > 1000)
            #expect(arrived == Array(0..<sent.wanted), "\(sent.wanted - arrived.count) lost")
            #expect(numbers(from: unwanted, milliseconds: 0) == [])
            #expect(try sets()["crowd"]?["hits"]["source"].int == sent.wanted + sent.unwanted)
            expect(
                try net.counters(),
                rules: ["members": sent.wanted, "strangers": 0, "unwanted": sent.unwanted])
        }

        /// 192.0.2.7 and addresses of 10.0.0.0/8 that differ from list to list, in an order that is none.
        private static func list(_ number: UInt32, _ count: UInt32) -> String {
            var text = "192.0.2.7\n"
            text.reserveCapacity(Int(count) * 14)
            for entry in 1..<count {
                let bits = (entry &* 0x9e_3779 &+ number &* 0x51) & 0xff_ffff
                text += "10.\(bits >> 16).\(bits >> 8 & 255).\(bits & 255)\n"
            }
            return text
        }

        @Test func `a ban's warning knows never-ban as its named sets are now`() throws {
            try net.apply(
                Policies.plain + """
                    policy: friends
                    default: pass
                    never-ban: [$friends]
                    sets: { friends: [192.0.2.0/24] }
                    rules:
                      - { name: all, action: pass }

                    """)
            let warning = "touches addresses of 'never-ban'"
            #expect(try net.server.guarded("ban", "192.0.2.7").errors.contains(warning))
            try net.server.mustRun("set", "del", "friends", "192.0.2.0/25")
            try net.server.mustRun("set", "add", "friends", "203.0.113.0/24")
            #expect(try net.server.guarded("ban", "192.0.2.8").errors == "")
            #expect(try net.server.guarded("ban", "192.0.2.0/24").errors.contains(warning))
            #expect(try net.server.guarded("ban", "203.0.113.9").errors.contains(warning))
        }

        @Test func `a set that comes out empty is warned of`() throws {
            let warning = "warning: the set 'bad' holds no address now"
            try net.folder.file("bad.txt", "# nothing came\n")
            let refreshed = try net.server.guarded("refresh")
            #expect(refreshed.exit == 0 && refreshed.errors.contains(warning), "\(refreshed)")
            let path = net.folder.path + "/bad.txt"
            let replaced = try net.server.guarded("set", "replace", "bad", "--file", path)
            #expect(replaced.exit == 0 && replaced.errors.contains(warning), "\(replaced)")
            #expect(try !net.server.guarded("set", "add", "bad", "--file", path).errors.contains(warning))
        }
    }
}
