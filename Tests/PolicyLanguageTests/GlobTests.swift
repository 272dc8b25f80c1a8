// SPDX-License-Identifier: Apache-2.0
// Patterns and names in, whether they match out.
import PolicyLanguage
import Testing

@Suite struct GlobTests {
    @Test(arguments: [
        ("eth0", "eth0"), ("eth*", "eth0"), ("eth*", "eth"), ("*", ""), ("*0", "eth0"), ("e*h*0", "ethh10"),
        ("eth?", "eth9"), ("eth[0-3]", "eth2"), ("eth[!0-3]", "eth4"), ("[]a]x", "]x"), ("[!]a]x", "bx"),
        ("[a-", "[a-"), ("eth[", "eth["), ("**", "x"), ("[a-]", "-"), ("wan.*", "wan.10"),
    ])
    func `a name that fits matches`(_ pattern: String, _ name: String) {
        #expect(glob(pattern, matches: name))
    }

    @Test(arguments: [
        ("eth0", "eth1"), ("eth", "eth0"), ("eth*", "et"), ("", "x"), ("eth?", "eth"), ("eth?", "eth10"),
        ("eth[0-3]", "eth4"), ("eth[!0-3]", "eth3"), ("[!]a]x", "]x"), ("*a", "ab"), ("[z-a]", "m"),
    ])
    func `a name that does not fit does not match`(_ pattern: String, _ name: String) {
        #expect(!glob(pattern, matches: name))
    }

    @Test func `many stars end in time`() {
        let pattern = String(repeating: "a*", count: 500) + "b"
        #expect(!glob(pattern, matches: String(repeating: "a", count: 2000)))
    }
}
