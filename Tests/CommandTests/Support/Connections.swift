// SPDX-License-Identifier: Apache-2.0
// Connections whose outcome matters: the error that a client's own kernel tells, and a veth pair that takes
// what an XDP program sends back.
import Glibc

extension TwoHosts {
    /// What a program on a veth sends, its peer takes at once only where it runs one too.
    func answersReachPeer() throws { try BPFPrograms.attachForeign(to: "peer0", in: client) }
}

extension Socket {
    /// The pending error, which is taken by asking; 0: none.
    func problem() -> Int32 {
        var problem: Int32 = 0
        var size = socklen_t(4)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &size)
        return problem
    }
}

extension Namespace {
    /// A listening TCP socket whose buffers are the kernel's own: the window's scale depends on them.
    func plainListener(at address: String, _ port: UInt16) throws -> Socket {
        try inside {
            let endpoint = try Endpoint(address, port)
            let end = try Socket(endpoint.family, SOCK_STREAM)
            guard endpoint.withSocketAddress({ Glibc.bind(end.descriptor, $0, $1) }) == 0,
                listen(end.descriptor, 16) == 0
            else { throw SocketError("listen on \(address) port \(port)") }
            return end
        }
    }

    /// The error that a connection ends in; 0 where it comes about, ETIMEDOUT where nothing is heard in time.
    func connecting(from source: String, to address: String, _ port: UInt16) throws -> Int32 {
        let end = try starting(from: source, to: address, port)
        var polled = pollfd(fd: end.descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&polled, 1, 5000) > 0 else { return ETIMEDOUT }
        return end.problem()
    }

    /// A socket that has begun to connect.
    /// - Parameters:
    ///   - sourcePort: 0: one that is free.
    ///   - mss: bytes of the largest segment that it says to take; nil: the interface's.
    func starting(
        from source: String, sourcePort: UInt16 = 0, to address: String, _ port: UInt16, mss: Int32? = nil
    ) throws -> Socket {
        try inside {
            let target = try Endpoint(address, port)
            let end = try Socket(target.family, SOCK_STREAM)
            try end.bind(Endpoint(source, sourcePort))
            // TCP_MAXSEG is 2.
            if var mss { setsockopt(end.descriptor, Int32(IPPROTO_TCP), 2, &mss, 4) }
            _ = fcntl(end.descriptor, F_SETFL, O_NONBLOCK)
            _ = target.withSocketAddress { Glibc.connect(end.descriptor, $0, $1) }
            return end
        }
    }
}
