// SPDX-License-Identifier: Apache-2.0
// Numbered datagrams at some thousands a second from a thread of its own, beside what the test does.
import Dispatch
import Glibc
import Synchronization

/// Sends until it is stopped: to one port what shall arrive, to another what shall not.
final class Traffic: Sendable {
    private let wanted: Socket
    private let unwanted: Socket
    private let isStopped = Atomic<Bool>(false)
    private let counts = Mutex((wanted: 0, unwanted: 0, failed: 0))
    private let group = DispatchGroup()

    /// - Parameters:
    ///   - source: an address of the client.
    ///   - ports: of the server: the one whose datagrams shall arrive, then the other.
    init(from source: String, of client: Namespace, to address: String, ports: (UInt16, UInt16)) throws {
        wanted = try client.datagrams(at: source, 0)
        unwanted = try client.datagrams(at: source, 0)
        let targets = (try Endpoint(address, ports.0), try Endpoint(address, ports.1))
        DispatchQueue(label: "traffic").async(group: group) { [self] in
            while !isStopped.load(ordering: .relaxed) {
                send(4, to: targets.0, and: targets.1)
                // The pace: a veth takes more than a busy machine can count.
                poll(nil, 0, 1)
            }
        }
    }

    private func send(_ burst: Int, to target: Endpoint, and other: Endpoint) {
        counts.withLock { counts in
            for _ in 0..<burst {
                let number = withUnsafeBytes(of: UInt64(counts.wanted).bigEndian) { Array($0) }
                if (try? wanted.send(number, to: target)) != nil {
                    counts.wanted += 1
                } else {
                    counts.failed += 1
                }
            }
            if (try? unwanted.send([0], to: other)) != nil { counts.unwanted += 1 }
        }
    }

    /// How many were sent so far, and how often the sender's own stack refused one.
    var sent: (wanted: Int, unwanted: Int, failed: Int) { counts.withLock { $0 } }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        group.wait()
    }

    deinit { isStopped.store(true, ordering: .relaxed) }
}

/// The numbers that have come to a socket, until none comes any more.
func numbers(from socket: Socket, milliseconds: Int32) -> [Int] {
    var numbers: [Int] = []
    while let bytes = socket.receive(milliseconds: milliseconds) {
        numbers.append(bytes.reduce(0) { $0 << 8 | Int($1) })
    }
    return numbers
}
