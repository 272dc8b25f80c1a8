// SPDX-License-Identifier: Apache-2.0
// `apply POLICY`: the policy becomes the running one, or nothing changes.
import ArgumentParser
import Dataplane
import Diagnostics
import Glibc
import JSONOutput
import Service

struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a policy the running one, in one step.")

    @Argument(help: "The policy file.") var policy: String
    @Option(name: .long, help: "Interface or glob (repeatable); replaces the policy's 'interfaces'.")
    var dev: [String] = []
    @Option(
        name: .long,
        help: """
            Where the program runs: in the driver (native), behind it (generic), what works (auto), or \
            beside other XDP programs in libxdp's dispatcher (shared).
            """)
    var attach: AttachRequest = .auto
    @Flag(name: .long, help: "Do everything but change what runs.") var dryRun = false
    @Flag(name: .long, help: "Apply even a policy that would cut the SSH session this runs in.") var force =
        false
    @Option(
        name: .long,
        help: """
            Room for so many bans, 1 to 1048576; without it as many as there are, at first 65536. All bans \
            stay.
            """)
    var maxBans: UInt32?
    @Option(
        name: .long,
        help: """
            Places for answered connections, where the policy follows them: 1024 to 16777216, rounded up to \
            a power of two, 128 bytes each. They keep their number until nothing is attached any more.
            """)
    var flows: UInt32?
    @Option(
        name: .long,
        help: """
            Places for token buckets, where the policy has limits: a power of two from 4096 to 268435456, 16 \
            bytes each. They keep their number until nothing is attached any more.
            """)
    var buckets: UInt32?
    @Option(
        name: .long,
        help: """
            MiB of the ring that samples go to, where the policy inspects: a power of two from 1 to 1024, \
            without it 64. It keeps its size until nothing is attached any more.
            """)
    var sampleRing: UInt32?
    @Flag(
        name: .customLong("set-tcp-syncookies"),
        help: """
            Let apply set net.ipv4.tcp_syncookies to 2, and tcp_timestamps, where the policy's 'syn-cookies' \
            need it; detach, or a policy without them, puts back what was there.
            """)
    var setTCPSyncookies = false
    @Option(name: .long, help: .hidden) var confirm: String?
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            if confirm != nil {
                throw ServiceError(.unavailable, "--confirm is not supported by this version")
            }
            guard maxBans.map({ (1...1 << 20).contains($0) }) ?? true else {
                throw ServiceError(.usage, "--max-bans is a number from 1 to 1048576")
            }
            if let flows, !(1024...16_777_216).contains(flows) {
                throw ServiceError(.usage, "--flows is '\(flows)'; write a number from 1024 to 16777216")
            }
            if let buckets, !(4096...1 << 28).contains(buckets) || buckets.nonzeroBitCount != 1 {
                throw ServiceError(
                    .usage, "--buckets is '\(buckets)'; write a power of two from 4096 to 268435456")
            }
            if let sampleRing, !(1...1024).contains(sampleRing) || sampleRing.nonzeroBitCount != 1 {
                throw ServiceError(
                    .usage, "--sample-ring is '\(sampleRing)'; write a power of two from 1 to 1024 (MiB)")
            }
            let outcome = try Service.apply(request()) { StandardError.write($0) }
            for remark in outcome.remarks { StandardError.write("xdpguard: note: \(printable(remark))\n") }
            switch format.output {
            case .json: try output.json(outcome.json)
            case .text: for line in outcome.lines { try output.line(printable(line)) }
            }
        }
    }

    private func request() -> ApplyRequest {
        var request = ApplyRequest(policyPath: policy)
        request.devices = dev
        request.attach = attach
        request.dryRun = dryRun
        request.force = force
        request.maxBans = maxBans
        request.flowCount = flows
        request.bucketCount = buckets
        request.sampleBytes = sampleRing.map { $0 << 20 }
        request.setTCPSyncookies = setTCPSyncookies
        request.sshConnection = getenv("SSH_CONNECTION").map { String(cString: $0) }
        return request
    }
}

extension AttachRequest: ExpressibleByArgument {}

extension ApplyOutcome {
    var lines: [String] {
        if isDryRun {
            let first = "policy '\(policy)' (\(ruleCount) rules) can be applied; nothing was changed"
            return [first] + (memory.map { ["its tables need \($0)"] } ?? [])
        }
        let places = attachments.map { "\($0.interface.name) (\($0.mode.rawValue))" }.joined(separator: ", ")
        var lines = ["policy '\(policy)' (\(ruleCount) rules) runs on \(places)"]
        if !detached.isEmpty {
            lines.append("detached from \(detached.joined(separator: ", ")), which it does not name")
        }
        return lines
    }

    var json: JSONValue {
        .object([
            ("policy", .string(policy)), ("rules", .integer(Int64(ruleCount))), ("dry_run", .bool(isDryRun)),
            ("table_bytes", .integer(Int64(tableBytes))),
            ("memory_bytes", memory.map { .unsigned($0.bytes) } ?? .null),
            (
                "interfaces",
                .array(
                    attachments.map { attachment in
                        .object([
                            ("name", .string(attachment.interface.name)),
                            ("index", .integer(Int64(attachment.interface.index))),
                            ("mode", .string(attachment.mode.rawValue)),
                            ("program_id", .integer(Int64(attachment.programID))),
                        ])
                    })
            ), ("detached", .array(detached.map(JSONValue.string))),
        ])
    }
}
