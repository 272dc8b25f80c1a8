// SPDX-License-Identifier: Apache-2.0
// The process that tests of the sandbox and of supervision start: `confined attempt [LAYER...]` enters the
// sandbox, or some of its layers, and tries what must not work; `confined may` does what must;
// `confined worker KIND` is a worker, good or bad. In: arguments and inherited descriptors. Out: lines.
import Glibc
import InspectorProcess
import Sandbox

@main
struct Confined {
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        switch (words.first, words.dropFirst().first) {
        case ("attempt", _): attempt(layers: words.dropFirst().compactMap(SandboxLayer.init))
        case ("may", _): useWhatIsLeft()
        case ("worker", let kind?): work(kind)
        case ("threads", _): enterWithThread()
        default:
            complain("usage: confined attempt [LAYER...] | may | threads | worker KIND\n")
            exit(64)
        }
    }

    /// Descriptor 3 is the test's: a BPF map where there is one.
    static let request = SandboxRequest(
        user: getuid() == 0 ? SandboxRequest.nobody : nil, descriptors: [0, 1, 2, 3],
        memoryBytes: 1 << 30)

    private static func attempt(layers: [SandboxLayer]) {
        let outside = OutsideWorld()
        let status = entered(request, layers: layers)
        say("landlock: \(status.landlockVersion)")
        for (name, code) in outside.attempts() {
            say("\(name): \(code == 0 ? "done" : errorName(code))")
        }
        say("execute a program: \(errorName(outside.execute()))")
    }

    /// - Parameter layers: empty: all of them, as the product has it.
    static func entered(_ request: SandboxRequest, layers: [SandboxLayer] = []) -> SandboxStatus {
        do throws(SandboxError) {
            return layers.isEmpty
                ? try enterSandbox(request) : try enterSandbox(request, layers: Set(layers))
        } catch {
            complain("\(error)\n")
            exit(70)
        }
    }

    /// By write(2) alone, as the sandbox is.
    static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }

    private static func useWhatIsLeft() {
        _ = entered(request)
        var blocks: [[UInt8]] = []
        for size in 0..<20 { blocks.append([UInt8](repeating: UInt8(size), count: 1 << size)) }
        say("memory: \(blocks.map(\.count).reduce(0, +))")
        var words: [String: Int] = [:]
        for number in 0..<1000 { words["\(number)"] = number }
        say("dictionary: \(words.count)")
        say("clock: \(monotonicNanoseconds() > 0)")
        var byte: UInt8 = 0
        say("read: \(read(0, &byte, 1))")
        var polled = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        say("poll: \(poll(&polled, 1, 0))")
        say("user: \(getpid() > 1)")
    }

    private static func enterWithThread() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                pause()
                return nil
            }, nil)
        _ = entered(request)
    }
}

/// As in "EPERM".
func errorName(_ code: Int32) -> String {
    switch code {
    case EPERM: "EPERM"
    case EACCES: "EACCES"
    case EBADF: "EBADF"
    case ENOMEM: "ENOMEM"
    case EMFILE: "EMFILE"
    case EAGAIN: "EAGAIN"
    case ESRCH: "ESRCH"
    default: "errno \(code)"
    }
}
