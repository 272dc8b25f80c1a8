// SPDX-License-Identifier: Apache-2.0
// SYN cookies and the sockets that a segment meets behind the program: connections of this process with
// itself over loopback, and frames with their ends.
import CBPF
import Glibc
import NetworkTypes
import TestSupport
import Testing

@testable import Dataplane

/// A TCP socket of this process, closed with the object.
private final class End {
    let descriptor: Int32
    private let isV6: Bool

    init(isV6: Bool) {
        self.isV6 = isV6
        descriptor = socket(isV6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    }

    private init(owning descriptor: Int32, isV6: Bool) { (self.descriptor, self.isV6) = (descriptor, isV6) }

    deinit { close(descriptor) }

    /// Port 0: one that is free.
    func with(
        port: UInt16, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var six = sockaddr_in6()
        var four = sockaddr_in()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        withUnsafeMutableBytes(of: &six.sin6_addr) { $0[15] = 1 }
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = port.bigEndian
        four.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result =
            isV6
            ? withUnsafeBytes(of: &six) {
                $0.withMemoryRebound(to: sockaddr.self) {
                    call(descriptor, $0.baseAddress.unsafelyUnwrapped, 28)
                }
            }
            : withUnsafeBytes(of: &four) {
                $0.withMemoryRebound(to: sockaddr.self) {
                    call(descriptor, $0.baseAddress.unsafelyUnwrapped, 16)
                }
            }
        try #require(result == 0, "errno \(errno)")
    }

    func accepted() throws -> End {
        let taken = accept(descriptor, nil, nil)
        try #require(taken >= 0)
        return End(owning: taken, isV6: isV6)
    }

    /// Its own port.
    var port: UInt16 {
        var bytes = [UInt8](repeating: 0, count: 28)
        var size = socklen_t(bytes.count)
        _ = bytes.withUnsafeMutableBytes { room in
            room.withMemoryRebound(to: sockaddr.self) { getsockname(descriptor, $0.baseAddress, &size) }
        }
        return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
}

/// A listener with a connection, by one family's loopback address.
private final class Loopback {
    let isV6: Bool
    let listener: End
    let port: UInt16
    var client: End?
    var server: End?
    let clientPort: UInt16

    init(isV6: Bool) throws {
        self.isV6 = isV6
        listener = End(isV6: isV6)
        try listener.with(port: 0) { bind($0, $1, $2) }
        try #require(listen(listener.descriptor, 4) == 0)
        port = listener.port
        let client = End(isV6: isV6)
        try client.with(port: 0) { bind($0, $1, $2) }
        (self.client, clientPort) = (client, client.port)
    }

    /// As in packet text, from the client's port or another.
    func ends(from port: UInt16? = nil) -> String {
        let host = isV6 ? "[::1]" : "127.0.0.1"
        return "\(host):\(port ?? clientPort) > \(host):\(self.port)"
    }

    func establish() throws {
        try #require(client).with(port: port) { connect($0, $1, $2) }
        server = try listener.accepted()
    }

    /// What /proc/net/tcp says of the listener's end of the connection.
    var state: ConnectionState? {
        guard let text = try? readAll(isV6 ? "/proc/net/tcp6" : "/proc/net/tcp") else { return nil }
        let hex = { (port: UInt16) in
            let digits = String(port, radix: 16, uppercase: true)
            return ":" + String(repeating: "0", count: 4 - digits.count) + digits
        }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 3, words[1].hasSuffix(hex(port)), words[2].hasSuffix(hex(clientPort)) else {
                continue
            }
            return ConnectionState(rawValue: String(words[3]))
        }
        return nil
    }

    enum ConnectionState: String { case established = "01", timeWait = "06" }

    /// The kernel closes within the moment, but maybe on another CPU.
    func waits(for wanted: ConnectionState?) -> Bool {
        let end = programClock() + 5_000_000_000
        while state != wanted, programClock() < end { sched_yield() }
        return state == wanted
    }

    private func readAll(_ path: String) throws -> String {
        let file = open(path, O_RDONLY)
        defer { close(file) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(file, &chunk, chunk.count), count > 0 { text += chunk[..<count] }
        return String(decoding: text, as: UTF8.self)
    }
}

@Suite(.enabled(if: KernelTests.areWanted), .serialized)
struct SynCookieSocketTests {
    /// The program on the loopback interface, its rule's bucket empty.
    private func program(_ loopback: Loopback) throws -> LiveProgram {
        let program = try asking(on: [.init(name: "lo", index: 1)])
        #expect(try program.run(syn(loopback.ends(from: 9), options: [])).action == .pass)
        return program
    }

    @Test(arguments: [false, true])
    func `a SYN that meets a connection or TIME_WAIT passes to the stack, others get cookies`(isV6: Bool)
        throws
    {
        let loopback = try Loopback(isV6: isV6)
        let program = try program(loopback)
        let again = try syn(loopback.ends(), options: mss1460)
        #expect(try program.run(again).action == .send, "only the listener is there")
        try loopback.establish()
        #expect(loopback.waits(for: .established))
        #expect(try program.run(again).action == .pass, "established")
        #expect(try program.run(syn(loopback.ends(from: 10), options: [])).action == .send, "another port")
        // Who closes first has the TIME_WAIT.
        loopback.server = nil
        loopback.client = nil
        #expect(loopback.waits(for: .timeWait))
        #expect(try program.run(again).action == .pass, "TIME_WAIT")
        let counts = try program.state.answerCounts()
        #expect(counts.cookies["sent"] == 2 && counts.withheld.values.allSatisfy { $0 == 0 })
        #expect(try program.state.ruleCounts(slots: [0])[0].decided.packets == 5)
    }

    /// Without state the numbers alone would say that a connection is new for as long as it is symmetric.
    @Test(arguments: [false, true])
    func `a segment of a connection that lives brings no cookie, whatever its numbers`(isV6: Bool) throws {
        let loopback = try Loopback(isV6: isV6)
        let program = try program(loopback)
        let answer = try program.run(syn(loopback.ends(), options: mss1460))
        #expect(answer.action == .send)
        let valid = try acknowledgement(loopback.ends(), of: #require(AnswerFrame(answer.frame)))
        #expect(try program.run(valid).action == .pass, "no connection is there yet")
        try loopback.establish()
        #expect(loopback.waits(for: .established))
        #expect(try program.run(valid).action == .drop, "no rule lets it in but as a SYN")
        loopback.server = nil
        loopback.client = nil
        #expect(loopback.waits(for: .timeWait))
        #expect(try program.run(valid).action == .pass, "TIME_WAIT has no numbers of its own to defend")
        #expect(try program.state.answerCounts().cookies == ["sent": 1, "valid": 2, "invalid": 0])
    }
}
