// SPDX-License-Identifier: Apache-2.0
// Workers of tests: one that does as it is told through descriptor 4, a byte a sample, and some that are bad
// from the start.
import Glibc
import InspectorProcess
import NetworkTypes
import Sandbox

func work(_ kind: String) {
    var channel = WorkerChannel()
    switch kind {
    case "silent": while true { pause() }
    case "garbage":
        let bytes: [UInt8] = Array("GET / HTTP/1.0\r\n\r\n".utf8)
        _ = bytes.withUnsafeBytes { send(WorkerProgram.socket, $0.baseAddress, $0.count, 0) }
        pause()
    case "long":
        let bytes = [UInt8](repeating: 1, count: 70_000)
        _ = bytes.withUnsafeBytes { send(WorkerProgram.socket, $0.baseAddress, $0.count, 0) }
        pause()
    case "unable":
        channel.send(.failed("the policy file has changed"))
        exit(65)
    case "leaving": exit(3)
    default:
        let request = SandboxRequest(
            user: getuid() == 0 ? SandboxRequest.nobody : nil, descriptors: [0, 1, 2, 3, 4],
            memoryBytes: 1 << 29)
        let status = Confined.entered(request)
        channel.send(
            .ready(
                WorkerReady(
                    landlockVersion: status.landlockVersion, inspectors: 1, signatures: 2,
                    signaturesLeftOut: 0)))
        var inspector = Obedient()
        runWorker(&inspector, &channel)
    }
}

/// Each byte of descriptor 4 is a sample, and says what comes of it.
private struct Obedient: SampleInspector {
    let descriptor = WorkerProgram.firstGiven
    var counters = WorkerCounters()
    private var hoard: [[UInt8]] = []

    static let flow = InspectedFlow(
        proto: .tcp, source: IPAddress(v4: 0xcb00_714d), sourcePort: 40_000,
        destination: IPAddress(v4: 0xc633_6401), destinationPort: 80)

    mutating func inspect(atMost most: Int, into report: inout SampleReport) -> Int {
        var bytes = [UInt8](repeating: 0, count: most)
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, 0) == 1, polled.revents & Int16(POLLIN) != 0 else { return 0 }
        let count = read(descriptor, &bytes, bytes.count)
        for byte in bytes[..<max(0, count)] { obey(byte, &report) }
        counters.samples &+= UInt64(max(0, count))
        return max(0, count)
    }

    mutating func advance(into report: inout SampleReport) {}

    mutating func reload() throws(ReloadError) -> WorkerReady {
        guard counters.samples > 0 else { throw ReloadError("no samples yet") }
        return WorkerReady(landlockVersion: 0, inspectors: 1, signatures: 3, signaturesLeftOut: 0)
    }

    mutating func finish(into report: inout SampleReport) {
        report.lines += Array("{\"event_type\":\"flow\"}\n".utf8)
    }

    private mutating func obey(_ order: UInt8, _ report: inout SampleReport) {
        switch Character(UnicodeScalar(order)) {
        case "b": report.findings.append(finding(.ban(Self.flow.source)))
        case "d": report.findings.append(finding(.dropFlow))
        case "e": report.lines += Array("{\"event_type\":\"alert\"}\n".utf8)
        case "l": report.findings.append(finding(.ban(IPAddress(v4: 0xc000_0207))))
        case "f": for _ in 0..<100_000 { report.lines += Array("{\"event_type\":\"alert\"}\n".utf8) }
        case "x": report.lines += Array("{\"event_type\":\"\u{1b}[2J\"}\n".utf8)
        case "w": Confined.complain("a \u{1b}[2J line\n")
        case "c": abort()
        case "h": while true { sched_yield() }
        case "m": while true { hoard.append([UInt8](repeating: 1, count: 1 << 24)) }
        case "k": kill(getpid(), SIGKILL)
        default: break
        }
    }

    private func finding(_ response: ReportedFinding.Response) -> ReportedFinding {
        ReportedFinding(
            response, cause: .signature(2_024_217), flow: Self.flow, ruleSlot: 7, inspector: 0,
            nanoseconds: 60_000_000_000)
    }
}

extension Confined {
    static func complain(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
