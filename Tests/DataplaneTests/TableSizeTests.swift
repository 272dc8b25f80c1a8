// SPDX-License-Identifier: Apache-2.0
// Tables of sizes that cannot be: what the kernel has no memory for, and what the program could not index.
import CBPF
import Diagnostics
import Glibc
import GuardABI
import MapCompiler
import PolicyLanguage
import TestSupport
import Testing

@testable import Dataplane

/// A host that lets in nothing but replies, and few packets of those.
private func limiting(_ change: (inout MapImage) -> Void) throws -> GenerationImage {
    let nowhere = SourceRange(SourceText(path: "", text: ""), 0, 0)
    var policy = CheckedPolicy(name: "limiting")
    policy.defaultVerdict = .drop
    policy.limits = [
        Limit(
            name: "few", rate: .packets(1, perSeconds: 1), key: .source(ipv4Prefix: 32), range: nowhere)
    ]
    var rule = Rule(name: "some", action: .pass, range: nowhere)
    rule.limit = "few"
    policy.rules = [rule]
    var image = try compile(policy, for: CompileTarget())
    change(&image)
    return GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: [])
}

@Suite(.enabled(if: KernelTests.areWanted)) struct TableSizeTests {
    @Test(arguments: [nil, 10] as [UInt32?])
    func `the table that there is no memory for is told with its size`(maxBans: UInt32?) throws {
        // 64 GiB of buckets: more than this machine has, which the kernel sees before it takes any.
        var image = try limiting { $0.config.bucket_lines = 1 << 30 }
        image.maxBans = maxBans
        let error = try #require(throws: KernelError.self) { try Datapath.verify(image) }
        #expect(error.code == ENOMEM)
        #expect(error.description.contains("(guard_buckets 65536 MiB, "), "\(error)")
    }

    @Test func `what a policy's tables take is told, the largest by name`() throws {
        let memory = try Datapath.verify(try limiting { $0.config.bucket_lines = 1 << 20 })
        #expect(memory.bytes > 96 << 20)
        #expect(memory.description.contains("(guard_buckets 64 MiB, guard_flows 32 MiB, "), "\(memory)")
    }

    @Test func `a number of connections that is no power of two is refused`() throws {
        let image = try limiting { $0.config.flow_count = 250_000 }
        let error = try #require(throws: KernelError.self) { try Datapath.verify(image) }
        #expect(error.description.contains("250000"), "\(error)")
    }
}
