// SPDX-License-Identifier: Apache-2.0
// Real sockets in namespaces: datagrams, connections, raw frames.
import CLinux
import Glibc
import NetworkTypes

struct SocketError: Error, CustomStringConvertible {
    let description: String
    init(_ operation: String) {
        description = "cannot \(operation): \(String(cString: strerror(errno)))"
    }
}

/// An address and port of either family.
struct Endpoint {
    let address: IPAddress
    let port: UInt16

    init(_ address: String, _ port: UInt16) throws {
        guard let parsed = IPAddress(address) else { throw SocketError("read '\(address)'") }
        self.address = parsed
        self.port = port
    }

    var family: Int32 { address.family == .ipv4 ? AF_INET : AF_INET6 }

    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if let bits = address.v4Bits {
            var value = sockaddr_in()
            value.sin_family = sa_family_t(AF_INET)
            value.sin_port = port.bigEndian
            value.sin_addr.s_addr = bits.bigEndian
            return Self.lend(&value, body)
        }
        var value = sockaddr_in6()
        value.sin6_family = sa_family_t(AF_INET6)
        value.sin6_port = port.bigEndian
        withUnsafeMutableBytes(of: &value.sin6_addr) { bytes in
            for index in 0..<16 {
                bytes[index] = UInt8(truncatingIfNeeded: address.bits >> (120 - 8 * index))
            }
        }
        return Self.lend(&value, body)
    }

    private static func lend<Value, Result>(
        _ value: inout Value, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Value>.size))
            }
        }
    }
}

/// A socket that is closed with the object.
final class Socket: Sendable {
    let descriptor: Int32

    init(_ family: Int32, _ type: __socket_type, protocol number: Int32 = 0) throws {
        descriptor = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), number)
        if descriptor < 0 { throw SocketError("make a socket") }
    }

    init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    func bind(_ endpoint: Endpoint) throws {
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        // Room for whatever comes before it is read: a loss must be the product's. SO_RCVBUFFORCE is 33.
        var room: Int32 = 1 << 28
        setsockopt(descriptor, SOL_SOCKET, 33, &room, 4)
        guard endpoint.withSocketAddress({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw SocketError("bind to \(endpoint.address) port \(endpoint.port)")
        }
    }

    func send(_ bytes: [UInt8], to endpoint: Endpoint) throws {
        let sent = endpoint.withSocketAddress { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
        guard sent == bytes.count else { throw SocketError("send to \(endpoint.address)") }
    }

    /// The next datagram; nil where none comes within the time.
    func receive(milliseconds: Int32) -> [UInt8]? {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, milliseconds) > 0 else { return nil }
        var chunk = [UInt8](repeating: 0, count: 2048)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        return count < 0 ? nil : Array(chunk[..<count])
    }
}

extension Namespace {
    /// A datagram socket bound to an address of this namespace.
    func datagrams(at address: String, _ port: UInt16) throws -> Socket {
        try inside {
            let endpoint = try Endpoint(address, port)
            let end = try Socket(endpoint.family, SOCK_DGRAM)
            try end.bind(endpoint)
            return end
        }
    }

    /// Sends datagrams of 8 bytes payload from an address of this namespace, each from a port of its own.
    func send(_ count: Int, from source: String, to address: String, _ port: UInt16) throws {
        let target = try Endpoint(address, port)
        for _ in 0..<count {
            try datagrams(at: source, 0).send([UInt8](repeating: 0x55, count: 8), to: target)
        }
    }

    /// Sends whole frames out of an interface.
    func send(frames: [[UInt8]], outOf interface: String) throws {
        try inside {
            let end = try Socket(AF_PACKET, SOCK_RAW, protocol: 0)
            var target = sockaddr_ll()
            target.sll_family = sa_family_t(AF_PACKET)
            target.sll_ifindex = Int32(if_nametoindex(interface))
            for frame in frames {
                let sent = withUnsafeBytes(of: &target) { bytes in
                    bytes.withMemoryRebound(to: sockaddr.self) {
                        sendto(end.descriptor, frame, frame.count, 0, $0.baseAddress, socklen_t(bytes.count))
                    }
                }
                guard sent == frame.count else { throw SocketError("send a frame out of \(interface)") }
            }
        }
    }

    /// A listening TCP socket.
    func listener(at address: String, _ port: UInt16) throws -> Socket {
        try inside {
            let endpoint = try Endpoint(address, port)
            let end = try Socket(endpoint.family, SOCK_STREAM)
            try end.bind(endpoint)
            guard listen(end.descriptor, 16) == 0 else { throw SocketError("listen") }
            return end
        }
    }

    /// Whether a TCP connection comes about within the time.
    func connects(from source: String, to address: String, _ port: UInt16, milliseconds: Int32) throws -> Bool
    {
        try inside {
            let target = try Endpoint(address, port)
            let end = try Socket(target.family, SOCK_STREAM)
            try end.bind(Endpoint(source, 0))
            _ = fcntl(end.descriptor, F_SETFL, O_NONBLOCK)
            _ = target.withSocketAddress { Glibc.connect(end.descriptor, $0, $1) }
            var polled = pollfd(fd: end.descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&polled, 1, milliseconds) > 0 else { return false }
            var problem: Int32 = 0
            var size = socklen_t(4)
            getsockopt(end.descriptor, SOL_SOCKET, SO_ERROR, &problem, &size)
            return problem == 0
        }
    }
}
