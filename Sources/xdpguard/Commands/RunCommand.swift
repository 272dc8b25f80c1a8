// SPDX-License-Identifier: Apache-2.0
// `run`: the service in the foreground. And what it starts: its own program again, as the inspector.
import ArgumentParser
import Diagnostics
import Service

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Inspect sampled packets and act on findings, in the foreground, until interrupted.",
        discussion: """
            The running policy filters with it and without. 'run' starts the inspector as a process of its \
            own, without privileges, bans and drops flows as its findings and the policy say, writes \
            events, reads set files again by their 'refresh:', and keeps bans for the next boot. SIGTERM \
            or SIGINT end it, SIGHUP opens the file of events anew and reads the signatures again.
            """)

    @Option(
        name: .long, help: "Write events as Suricata EVE JSON lines to a file, or to standard output (-).")
    var events: String?
    @Option(name: .customLong("inspector-user"), help: "User id that the inspector's process becomes.")
    var user: UInt32 = RunRequest().user
    @Option(
        name: .customLong("inspector-memory"), help: "Address space that it may have, as in 3GiB.",
        transform: parseMemory)
    var memory: UInt64 = RunRequest.usualMemoryBytes

    func validate() throws {
        guard user != 0 else { throw ValidationError("--inspector-user is any user but root") }
        guard memory >= 256 << 20 else { throw ValidationError("--inspector-memory is at least 256MiB") }
        guard events != "" else { throw ValidationError("--events names a file, or - for standard output") }
    }

    func run() throws {
        try reporting { _ in
            var request = RunRequest()
            request.events = events
            request.user = user
            request.memoryBytes = memory
            try Service.run(request) { StandardError.write("xdpguard: \(printable($0))\n") }
        }
    }
}

/// Bytes, as in "1048576", "512MiB" or "3GiB".
private func parseMemory(_ text: String) throws -> UInt64 {
    let units: [(String, UInt64)] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("", 1)]
    for (unit, bytes) in units where text.hasSuffix(unit) {
        let (product, overflow) = (UInt64(text.dropLast(unit.count)) ?? 0)
            .multipliedReportingOverflow(by: bytes)
        if product > 0, !overflow { return product }
        break
    }
    throw ValidationError("'\(text)' is no size: write it as in 512MiB or 3GiB")
}

/// Started by `run` alone.
struct InspectorWorker: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "inspector-worker", shouldDisplay: false)

    @Option(name: .long) var user: UInt32
    @Option(name: .long) var memory: UInt64
    @Option(name: .long) var ring: Int
    @Option(name: .long) var seed: UInt64
    @Flag(name: .long) var anyChecksums = false
    @Flag(name: .long) var prepare = false
    @Flag(name: .long) var oneSided = false

    func run() throws {
        var job = WorkerJob(user: user, memoryBytes: memory, ringBytes: ring, inspectorsSeed: seed)
        job.verifiesChecksums = !anyChecksums
        job.prepares = prepare
        job.isOneSided = oneSided
        let status = runInspector(job)
        throw ExitCode(status.rawValue)
    }
}
