// SPDX-License-Identifier: Apache-2.0
// Signatures on their way to a worker without files: what goes in comes out, and nothing else is taken.
import PolicyLanguage
import TestSupport
import Testing

@testable import Service

private let bundle: InspectionBundle = {
    var bundle = InspectionBundle()
    bundle.contents = ["/etc/xdpguard/web.conf": Array("policy: web\n".utf8), "/a.rules": []]
    bundle.listings = [InspectionBundle.key("*.rules", "/etc/xdpguard/web.conf"): ["/a.rules", "/b.rules"]]
    bundle.databases = [[1, 2, 3], []]
    bundle.identities = ["/b.rules": "/a.rules"]
    bundle.scopes = [[4, 5], []]
    bundle.description = [6, 7, 8]
    return bundle
}()

@Test func `a bundle comes out as it went in`() throws {
    let read = try #require(InspectionBundle.decoded(bundle.encoded()))
    #expect(read.contents == bundle.contents)
    #expect(read.listings == bundle.listings)
    #expect(read.databases == bundle.databases)
    #expect(read.identity(of: "/b.rules") == "/a.rules" && read.identity(of: "/c.rules") == "/c.rules")
    #expect(read.scopes == bundle.scopes && read.description == bundle.description)
    #expect(InspectionBundle.scopes(of: bundle.encoded()) == bundle.scopes)
    #expect(try read.read("/a.rules") == [])
    #expect(read.paths("*.rules", namedIn: "/etc/xdpguard/web.conf") == ["/a.rules", "/b.rules"])
    #expect(read.paths("*.rules", namedIn: "/another.conf") == [])
}

@Test func `a file that the bundle does not have is not there`() {
    #expect(throws: FileReadError(errno: 2, path: "/c.rules")) { try bundle.read("/c.rules") }
}

@Test func `a bundle that ends early or goes on is none`() {
    let bytes = bundle.encoded()
    for count in bytes.indices { #expect(InspectionBundle.decoded(Array(bytes[..<count]))?.contents == nil) }
    #expect(InspectionBundle.decoded(bytes + [0])?.contents == nil)
}

@Test func `changed bundles are other bundles or none, and nothing worse`() {
    let seed: UInt64 = 0x5eed_0007
    var generator = SeededGenerator(seed: seed)
    var refused = 0
    for _ in 0..<5_000 {
        var bytes = bundle.encoded()
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0...255, using: &generator)
        }
        guard let read = InspectionBundle.decoded(bytes) else {
            refused += 1
            continue
        }
        #expect(InspectionBundle.decoded(read.encoded())?.contents == read.contents, "seed \(seed)")
    }
    #expect(refused > 100, "seed \(seed)")
}
