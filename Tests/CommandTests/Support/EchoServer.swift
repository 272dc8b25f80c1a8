// SPDX-License-Identifier: Apache-2.0
// A TCP server that sends back what it gets, and what a kernel knows of a connection.
import Dispatch
import Glibc
import Synchronization

/// What TCP_INFO says of a connection (linux/tcp.h, struct tcp_info).
struct ConnectionInfo: Sendable {
    /// Timestamps 1, SACK 2, window scaling 4.
    var options: UInt8
    var sendScale: UInt8
    var receiveScale: UInt8
    /// Bytes of payload in the largest segment that it sends.
    var sendMSS: UInt32

    init?(_ socket: Int32) {
        var bytes = [UInt8](repeating: 0, count: 104)
        var size = socklen_t(bytes.count)
        // TCP_INFO is 11.
        guard getsockopt(socket, Int32(IPPROTO_TCP), 11, &bytes, &size) == 0, size >= 24 else { return nil }
        options = bytes[5]
        sendScale = bytes[6] & 15
        receiveScale = bytes[6] >> 4
        sendMSS = bytes[16..<20].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Serves each connection on a thread of its own until the other side ends it.
final class EchoServer: Sendable {
    private let listener: Socket
    private let group = DispatchGroup()
    private let queue = DispatchQueue(label: "echo", attributes: .concurrent)
    private let infos = Mutex<[ConnectionInfo]>([])
    private let isStopped = Atomic<Bool>(false)

    init(_ listener: Socket) {
        self.listener = listener
        queue.async(group: group) { [self] in accept() }
    }

    /// Of the connections that brought data, in the order in which they did.
    var connections: [ConnectionInfo] { infos.withLock { $0 } }

    /// Ends once all connections have.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        group.wait()
    }

    deinit { isStopped.store(true, ordering: .relaxed) }

    private func accept() {
        while !isStopped.load(ordering: .relaxed) {
            var polled = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 20) > 0 else { continue }
            let end = Glibc.accept(listener.descriptor, nil, nil)
            guard end >= 0 else { continue }
            let socket = Socket(owning: end)
            queue.async(group: group) { [self] in echo(socket) }
        }
    }

    private func echo(_ socket: Socket) {
        socket.giveUp(afterSeconds: 10)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var isFirst = true
        while true {
            let count = recv(socket.descriptor, &chunk, chunk.count, 0)
            guard count > 0, socket.sendAll(chunk[..<count]) else { return }
            if isFirst, let info = ConnectionInfo(socket.descriptor) { infos.withLock { $0.append(info) } }
            isFirst = false
        }
    }
}

extension Socket {
    /// Blocking calls fail then.
    func giveUp(afterSeconds seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    func sendAll(_ bytes: some Collection<UInt8>) -> Bool {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Whether so many bytes come back as they were sent.
    func echoes(_ count: Int) -> Bool {
        giveUp(afterSeconds: 5)
        _ = fcntl(descriptor, F_SETFL, 0)
        let sent = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        guard sendAll(sent) else { return false }
        var got: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while got.count < count {
            let more = recv(descriptor, &chunk, chunk.count, 0)
            guard more > 0 else { return false }
            got += chunk[..<more]
        }
        return got == sent
    }
}
