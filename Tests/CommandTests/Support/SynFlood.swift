// SPDX-License-Identifier: Apache-2.0
// SYNs with sources that nobody has, from a thread of its own, beside what the test does.
import CLinux
import Dispatch
import Glibc
import NetworkTypes
import Synchronization
import TestSupport

final class SynFlood: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let count = Atomic<Int>(0)
    private let group = DispatchGroup()
    private let socket: Socket
    private let interface: Int32

    /// - Parameter frames: are sent in turn, 64 at a time: a multiple of that.
    init(outOf name: String, of namespace: Namespace, _ frames: [[UInt8]]) throws {
        (socket, interface) = try namespace.inside {
            (try Socket(AF_PACKET, SOCK_RAW, protocol: 0), Int32(if_nametoindex(name)))
        }
        DispatchQueue(label: "flood").async(group: group) { [self] in
            while !isStopped.load(ordering: .relaxed) {
                for start in stride(from: 0, to: frames.count, by: 64) {
                    send(frames[start..<start + 64])
                }
            }
        }
    }

    private func send(_ frames: ArraySlice<[UInt8]>) {
        var target = sockaddr_ll()
        target.sll_family = sa_family_t(AF_PACKET)
        target.sll_ifindex = interface
        for frame in frames where !isStopped.load(ordering: .relaxed) {
            let sent = withUnsafeBytes(of: &target) { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) {
                    sendto(socket.descriptor, frame, frame.count, 0, $0.baseAddress, socklen_t(bytes.count))
                }
            }
            if sent == frame.count { count.add(1, ordering: .relaxed) }
        }
        // The pace: a busy machine has to answer them.
        poll(nil, 0, 1)
    }

    /// How many were sent so far.
    var sent: Int { count.load(ordering: .relaxed) }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        group.wait()
    }

    deinit { isStopped.store(true, ordering: .relaxed) }
}
