// SPDX-License-Identifier: Apache-2.0
// Connections that begin while a policy comes to their interface, or did before it came: none of them is cut.
import CLinux
import Dispatch
import Glibc
import Synchronization
import Testing

/// Connected datagram sockets of a host, opened one after the other from a thread of its own; each asks its
/// peer once.
private final class Askers: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let sockets = Mutex<[Socket]>([])
    private let group = DispatchGroup()

    init(of host: Namespace, to peer: Endpoint) {
        nonisolated(unsafe) let host = host
        DispatchQueue(label: "askers").async(group: group) { [self] in
            try? host.inside {
                while !isStopped.load(ordering: .relaxed) {
                    let made = try asker(peer)
                    sockets.withLock { $0.append(made) }
                    poll(nil, 0, 1)
                }
            }
        }
    }

    var count: Int { sockets.withLock { $0.count } }

    /// No more are opened.
    func stop() -> [Socket] {
        isStopped.store(true, ordering: .relaxed)
        group.wait()
        return sockets.withLock { $0 }
    }
}

/// A socket of the namespace that this thread is in.
private func asker(_ peer: Endpoint) throws -> Socket {
    let end = try Socket(peer.family, SOCK_DGRAM)
    guard peer.withSocketAddress({ connect(end.descriptor, $0, $1) }) == 0, write(end.descriptor, "?", 1) == 1
    else { throw SocketError("ask \(peer.address)") }
    return end
}

/// Answers whoever has asked so far.
private func answerAll(_ server: Socket) {
    var (from, size) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
    var byte: UInt8 = 0
    withUnsafeMutablePointer(to: &from) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { from in
            while recvfrom(server.descriptor, &byte, 1, Int32(MSG_DONTWAIT), from, &size) == 1 {
                sendto(server.descriptor, "!", 1, 0, from, size)
            }
        }
    }
}

extension LiveTests {
    @Suite struct FirstApplyTests {
        let net: TwoHosts
        let peer: Socket
        private let peerEnd: Endpoint

        private static let closed = "policy: closed\ndefault: drop\n"

        init() throws {
            net = try TwoHosts()
            peer = try net.client.datagrams(at: "192.0.2.7", 5353)
            peerEnd = try Endpoint("192.0.2.7", 5353)
        }

        private func apply(to interfaces: [String]) throws {
            let words = try ["apply", net.policy(Self.closed)] + interfaces.flatMap { ["--dev", $0] }
            let outcome = try run(net.server.entering([Product.path] + words))
            #expect(outcome.exit == 0, "\(outcome)")
        }

        @Test func `no connection that is opened while a first apply runs is cut`() throws {
            for number in 1...8 { try net.addPair(number) }
            let askers = Askers(of: net.server, to: peerEnd)
            #expect(eventually { askers.count > 100 })
            try apply(to: (0...8).map { "guard\($0)" })
            let sockets = askers.stop()
            answerAll(peer)
            let cut = sockets.count { $0.receive(milliseconds: 500) == nil }
            #expect(cut == 0 && sockets.count > 200, "\(cut) of \(sockets.count)")
        }

        @Test func `a connection goes on over an interface that the policy is put on later`() throws {
            try net.addPair(1)
            try apply(to: ["guard1"])
            let end = try net.server.inside { try asker(peerEnd) }
            try apply(to: ["guard0", "guard1"])
            answerAll(peer)
            #expect(end.receive(milliseconds: 2000) == [0x21])
        }

        @Test func `a connection goes on that was opened while no interface had the policy`() throws {
            try net.addPair(1)
            try apply(to: ["guard1"])
            try net.server.ip("link", "delete", "guard1")
            let end = try net.server.inside { try asker(peerEnd) }
            try apply(to: ["guard0"])
            answerAll(peer)
            #expect(end.receive(milliseconds: 2000) == [0x21])
        }

        /// An earlier policy has learnt more of it than its socket tells.
        @Test func `what is known of a connection stays as an interface is added`() throws {
            try apply(to: ["guard0"])
            let end = try net.server.inside { try asker(peerEnd) }
            answerAll(peer)
            #expect(end.receive(milliseconds: 2000) == [0x21])
            let before = try net.server.report("flows")["flows"].elements
            try net.addPair(1)
            try apply(to: ["guard0", "guard1"])
            let after = try net.server.report("flows")["flows"].elements
            #expect(before.count == 1 && after.count == 1)
            #expect(after[0]["packets"].int == before[0]["packets"].int && before[0]["packets"].int == 2)
        }
    }
}
