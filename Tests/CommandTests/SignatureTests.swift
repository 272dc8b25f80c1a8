// SPDX-License-Identifier: Apache-2.0
// `signatures check|list|show` as an operator and a script see them: exit codes, words, JSON. No privileges.
import Testing

@Suite struct SignatureTests {
    private static let rules = """
        # comment
        alert http $HOME_NET any -> any any (msg:"web shell"; http.uri; content:"/shell|0d|.php"; nocase; \
        classtype:web-application-attack; reference:cve,2019-12260; sid:1000001; rev:4;)
        drop tcp any any -> any 22 (msg:"ssh"; content:"SSH-1"; depth:5; sid:1000002; noalert;)
        alert tcp any any -> any any (lua:x.lua; sid:1000003;)
        alert tcp any any -> any any (iprep:src,x,>,1; sid:1000004;)
        alert tcp any any -> any any (lua:y.lua; sid:1000005;)

        """

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func `files that are right but for what is not supported exit 0, each left out with its place`()
        throws
    {
        let path = try folder.file("own.rules", Self.rules)
        let outcome = try Product.run("signatures", "check", path)
        #expect(outcome.exit == 0, "\(outcome)")
        #expect(
            outcome.output == """
                5 rules: 2 loaded, 3 unsupported, 0 errors
                  2 for 'lua'
                  1 for 'iprep'

                """)
        #expect(outcome.errors.contains("\(path):4:31: warning: keyword 'lua' is not supported"))
        #expect(outcome.errors.contains("\(path):5:31: warning: keyword 'iprep' is not supported"))
    }

    @Test func `the summary is the last line of JSON, to the letter`() throws {
        let path = try folder.file("own.rules", Self.rules)
        let outcome = try Product.run("signatures", "check", path, "--output", "json")
        #expect(outcome.exit == 0 && outcome.errors == "", "\(outcome)")
        let lines = outcome.output.split(separator: "\n").map(String.init)
        let counts = #""rules":5,"loaded":2,"unsupported":3,"errors":0"#
        #expect(lines.last == #"{"summary":{\#(counts),"keywords":{"lua":2,"iprep":1}}}"#)
        let first = try JSON(try #require(lines.first))
        #expect(first["file"].string == path && first["line"].int == 4 && first["column"].int == 31)
        #expect(first["severity"].string == "warning" && first["id"].string == "unsupported-keyword")
        #expect(lines.count == 4)
    }

    @Test func `a wrong rule exits 65, and the others are counted`() throws {
        let path = try folder.file("wrong.rules", Self.rules + "alert tcp any any -> any (sid:9;)\n")
        let outcome = try Product.run("signatures", "check", path)
        #expect(outcome.exit == 65, "\(outcome)")
        #expect(outcome.output.hasPrefix("6 rules: 2 loaded, 3 unsupported, 1 errors\n"))
        #expect(outcome.errors.contains("\(path):7:26: error: the rule's header is incomplete"))
        let open = try folder.file("open.rules", "alert tcp any any -> any any (pcre:\"/(a/\"; sid:9;)\n")
        let expression = try Product.run("signatures", "check", open)
        #expect(expression.exit == 65 && expression.output.hasPrefix("1 rules: 0 loaded, 0 unsupported, 1"))
        #expect(expression.errors.contains("\(open):1:40: error: the expression is none: missing closing"))
    }

    @Test func `a threshold.config among the files is read as one, as a policy does`() throws {
        let rules = try folder.file("own.rules", "alert tcp any any -> any any (sid:5;)\n")
        let good = try folder.file(
            "threshold.config", "# none\nsuppress gen_id 1, sig_id 5, track by_src, ip $HOME_NET\n")
        let outcome = try Product.run("signatures", "check", rules, good, "--var", "HOME_NET=192.0.2.0/24")
        #expect(outcome.exit == 0 && outcome.errors.isEmpty, "\(outcome)")
        #expect(outcome.output == "1 rules: 1 loaded, 0 unsupported, 0 errors\n")
        let bad = try folder.file("bad.config", "# none\nsuppress gen_id x, sig_id 5\n")
        let wrong = try Product.run("signatures", "check", rules, bad)
        #expect(wrong.exit == 65 && wrong.errors.contains("\(bad):2:"), "\(wrong)")
        #expect(wrong.output == "1 rules: 1 loaded, 0 unsupported, 0 errors\n")
        #expect(try Product.run("signatures", "list", rules, bad).output.hasPrefix("1:5 "))
    }

    @Test func `two files are one load, and a number that stands in both is said`() throws {
        let first = try folder.file("a.rules", "alert tcp any any -> any any (sid:5; rev:1;)\n")
        let second = try folder.file("b.rules", "alert tcp any any -> any any (sid:5; rev:2;)\n")
        let outcome = try Product.run("signatures", "check", first, second)
        #expect(outcome.exit == 0, "\(outcome)")
        #expect(
            outcome.output
                == "2 rules: 1 loaded, 0 unsupported, 0 errors, 1 left out for another with the same sid\n")
        #expect(outcome.errors.contains("\(first):1:1: warning: signature 1:5 revision 1 is left out"))
    }

    @Test func `list names each signature that is loaded`() throws {
        let path = try folder.file("own.rules", Self.rules)
        let outcome = try Product.run("signatures", "list", path)
        #expect(
            outcome.output == """
                1:1000001 rev 4  alert  http  web shell
                1:1000002 rev 0  drop  tcp  ssh

                """, "\(outcome)")
        let json = try Product.run("signatures", "list", path, "--output", "json").output
        let values = try json.split(separator: "\n").map { try JSON(String($0)) }
        #expect(values.map { $0["sid"].int } == [1_000_001, 1_000_002])
        #expect(values.map { $0["priority"].int } == [1, 3])
    }

    @Test func `show tells how a signature is understood`() throws {
        let path = try folder.file("own.rules", Self.rules)
        let outcome = try Product.run("signatures", "show", "1000001", path)
        #expect(outcome.exit == 0, "\(outcome)")
        for line in [
            "1:1000001 rev 4  alert  http  web shell", "  file: \(path):2",
            "  class: web-application-attack (Web Application Attack)", "  priority: 1",
            "  reference: cve 2019-12260", "  directions: to the server", "  in http.uri: 1 inspections",
            "    looked for first: \"/shell|0d|.php\"",
        ] { #expect(outcome.output.contains(line + "\n"), "\(line)\n\(outcome.output)") }
        let json = try JSON(
            try Product.run("signatures", "show", "1:1000001", path, "--output", "json").output)
        #expect(json["buffers"][0].string == "http.uri" && json["rev"].int == 4)
        #expect(json["fast_pattern"]["bytes"].string == "/shell|0d|.php")
        #expect(json["fast_pattern"]["nocase"].bool == true && json["line"].int == 2)
    }

    @Test func `a signature that is not there, and a file that is not there, are said`() throws {
        let path = try folder.file("own.rules", Self.rules)
        let unknown = try Product.run("signatures", "show", "7", path)
        #expect(unknown.exit == 65 && unknown.errors.contains("no signature 7 is loaded"), "\(unknown)")
        let absent = try Product.run("signatures", "check", path + ".not")
        #expect(absent.exit == 66 && absent.errors.contains("No such file or directory"), "\(absent)")
        #expect(try Product.run("signatures", "show", "x", path).exit == 64)
        #expect(try Product.run("signatures", "check").exit == 64)
    }

    @Test func `a packed file is read as what is in it, and a damaged one is said`() throws {
        let path = folder.path + "/own.rules"
        try prepare("sh", "-c", "echo 'alert tcp any any -> any any (sid:1;)' | gzip -c >'\(path)'")
        // A second member, as of files that were put together.
        try prepare("sh", "-c", "echo 'alert udp any any -> any any (sid:2;)' | gzip -c >>'\(path)'")
        let packed = try Product.run("signatures", "list", path)
        #expect(packed.exit == 0 && packed.output.split(separator: "\n").count == 2, "\(packed)")
        try prepare("truncate", "-s", "-5", path)
        let cut = try Product.run("signatures", "check", path)
        #expect(cut.exit == 65 && cut.errors.contains("packed by gzip, and damaged or cut short"), "\(cut)")
    }

    @Test func `variables are set on the command line`() throws {
        let path = try folder.file("own.rules", "alert tcp $PARTNERS any -> any $OWN_PORTS (sid:1;)\n")
        #expect(try Product.run("signatures", "check", path).exit == 65)
        let words = ["--var", "PARTNERS=192.0.2.0/24", "--var", "OWN_PORTS=[80,8080]"]
        let set = try Product.run("signatures", "check", path, words[0], words[1], words[2], words[3])
        #expect(set.exit == 0, "\(set)")
        #expect(try Product.run("signatures", "check", path, "--var", "PARTNERS").exit == 64)
    }

    @Test func `no privileges are needed, and nothing of a file's text moves the cursor`() throws {
        let path = try folder.file(
            "own.rules", "alert tcp any any -> any any (msg:\"a\u{1b}[2Jb\"; sid:1;)\n")
        let outcome = try Product.runUnprivileged("signatures", "list", path)
        #expect(outcome.exit == 0 && outcome.output == "1:1 rev 0  alert  tcp  a?[2Jb\n", "\(outcome)")
    }
}

extension LiveTests {
    @Suite struct RunningSignatureTests {
        @Test func `without files the running policy's signatures are meant`() throws {
            let net = try TwoHosts()
            let before = try net.server.guarded("signatures", "list")
            #expect(before.exit == 69 && before.errors.contains("no policy runs"), "\(before)")
            _ = try net.folder.file("local.rules", "alert udp any any -> any 9 (msg:\"own\"; sid:7;)\n")
            try net.apply(
                """
                default: drop
                inspectors: { own: { signatures: [local.rules] } }
                rules: [{ name: own, service: udp/9000, inspect: own, action: pass }]

                """)
            #expect(try net.server.mustRun("signatures", "list") == "1:7 rev 0  alert  udp  own\n")
            #expect(try net.server.mustRun("signatures", "show", "7").contains("own"))
        }
    }
}
