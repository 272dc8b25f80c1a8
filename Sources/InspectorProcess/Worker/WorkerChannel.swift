// SPDX-License-Identifier: Apache-2.0
// The worker's end of the messages. Findings and heartbeats wait until the controller takes them; events do
// not: what finds no room is counted and lost, so that a slow disk never makes the firewall blind.
import CProcess
import Glibc

/// Sends to the controller and hears from it.
public struct WorkerChannel {
    private let socket: Int32
    private var buffer: [UInt8] = []
    public private(set) var findings: UInt64 = 0
    public private(set) var events: UInt64 = 0
    public private(set) var eventsLost: UInt64 = 0
    /// The controller has gone, or does not take findings any more.
    public private(set) var isClosed = false

    /// How long the controller may leave a finding lying.
    private static let patienceMilliseconds: Int32 = 30_000

    public init(socket: Int32 = WorkerProgram.socket) { self.socket = socket }

    /// Sends a message, and waits until there is room for it.
    public mutating func send(_ message: WorkerMessage) {
        if case .finding = message { findings &+= 1 }
        let bytes = message.encoded()
        while !isClosed {
            switch tryToSend(bytes) {
            case .sent: return
            case .closed: isClosed = true
            case .full:
                var polled = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
                if poll(&polled, 1, Self.patienceMilliseconds) == 0 { isClosed = true }
            }
        }
    }

    /// Takes lines of events, each with its end.
    public mutating func add(lines: [UInt8]) {
        var rest = lines[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[...end]
            rest = rest[(end + 1)...]
            guard line.count <= WorkerMessage.mostEventBytes else {
                eventsLost &+= 1
                continue
            }
            if buffer.count + line.count > WorkerMessage.mostEventBytes { flush() }
            buffer += line
        }
    }

    /// Sends what was added.
    public mutating func flush() {
        guard !buffer.isEmpty, !isClosed else { return }
        let count = UInt64(buffer.count { $0 == UInt8(ascii: "\n") })
        switch tryToSend(WorkerMessage.events(buffer).encoded()) {
        case .sent: events &+= count
        case .full: eventsLost &+= count
        case .closed: isClosed = true
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// What the controller asks for; nil: nothing. That it is gone is an order to stop.
    public mutating func nextOrder() -> ControllerMessage? {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return isClosed ? .stop : nil }
        guard count > 0 else {
            isClosed = true
            return .stop
        }
        return bytes.withUnsafeBytes {
            try? ControllerMessage(decoding: UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
        }
    }

    private enum Attempt { case sent, full, closed }

    private func tryToSend(_ bytes: [UInt8]) -> Attempt {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        while true {
            let count = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, flags) }
            if count == bytes.count { return .sent }
            if errno == EINTR { continue }
            return errno == EAGAIN || errno == ENOBUFS ? .full : .closed
        }
    }
}
