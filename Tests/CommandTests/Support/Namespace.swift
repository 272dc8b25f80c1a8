// SPDX-License-Identifier: Apache-2.0
// Network namespaces of a test: made with a name of their own, removed with the object, also when a test
// fails.
import CLinux
import Foundation
import Glibc
import Synchronization

/// A network namespace. Commands and sockets in it see the bpffs and the files of everybody else.
final class Namespace {
    private static let count = Atomic<Int>(0)
    let name: String

    var path: String { "/run/netns/" + name }

    init() throws {
        name = "xgt-\(getpid())-\(Self.count.add(1, ordering: .relaxed).newValue)"
        try prepare("ip", "netns", "add", name)
        // No router solicitations, multicast reports and address checks: only the test's packets count.
        try inside {
            for setting in ["all/disable_ipv6", "default/disable_ipv6"] {
                try "1".write(
                    toFile: "/proc/sys/net/ipv6/conf/" + setting, atomically: false, encoding: .utf8)
            }
        }
        try ip("link", "set", "lo", "up")
    }

    deinit {
        // Pins would outlive the namespace until somebody's next apply.
        if (try? pinFolder().hasSuffix("/none")) == false { _ = try? mustRun("detach") }
        _ = try? prepare("ip", "netns", "delete", name)
    }

    /// `ip` in this namespace.
    @discardableResult
    func ip(_ words: String...) throws -> String {
        let all = ["ip", "-n", name] + words
        let outcome = try CommandTests.run(all)
        guard outcome.exit == 0 else { throw ChildError.failed(all.joined(separator: " "), outcome) }
        return outcome.output
    }

    /// The words that run a program in here. `ip netns exec` would hide the bpffs.
    func entering(_ words: [String]) -> [String] { ["nsenter", "--net=" + path] + words }

    /// Runs the product in here.
    func guarded(_ words: String..., environment: [String: String] = [:]) throws -> Outcome {
        try CommandTests.run(entering([Product.path] + words), environment: environment)
    }

    /// Starts the product in here.
    func start(_ words: String...) throws -> Child { try Child(Command(entering([Product.path] + words))) }

    /// Runs the product in here, which must do its work; its output.
    @discardableResult
    func mustRun(_ words: String...) throws -> String {
        let outcome = try CommandTests.run(entering([Product.path] + words))
        guard outcome.exit == 0 else { throw ChildError.failed(words.joined(separator: " "), outcome) }
        return outcome.output
    }

    /// The JSON that the product answers with in here.
    func report(_ words: String...) throws -> JSON {
        let all = entering([Product.path] + words + ["--output", "json"])
        let outcome = try CommandTests.run(all)
        guard outcome.exit == 0 else { throw ChildError.failed(words.joined(separator: " "), outcome) }
        return try JSON(outcome.output)
    }

    /// Does something on this thread within the namespace; sockets made there stay in it.
    func inside<Result>(_ body: () throws -> Result) throws -> Result {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        let here = open(path, O_RDONLY | O_CLOEXEC)
        defer { for end in [home, here] where end >= 0 { close(end) } }
        guard home >= 0, here >= 0, setns(here, Int32(LINUX_CLONE_NEWNET)) == 0 else {
            throw SocketError("enter \(name)")
        }
        defer { setns(home, Int32(LINUX_CLONE_NEWNET)) }
        return try body()
    }

    /// The folder that the product pins in for this namespace: SO_NETNS_COOKIE names it.
    func pinFolder() throws -> String {
        let cookie = try inside {
            let end = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(end) }
            var cookie: UInt64 = 0
            var size = socklen_t(MemoryLayout<UInt64>.size)
            guard getsockopt(end, SOL_SOCKET, 71, &cookie, &size) == 0 else {
                throw SocketError("ask for the namespace's cookie")
            }
            return cookie
        }
        let root = "/sys/fs/bpf/xdpguard"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return root + "/" + (names.first { $0.hasPrefix("net-\(cookie)-") } ?? "none")
    }

    /// The id of the XDP program on an interface; nil where there is none.
    func programID(on interface: String) throws -> Int? {
        let links = try JSON(ip("-json", "link", "show", "dev", interface))
        return links[0]["xdp"]["prog"]["id"].int
    }
}
