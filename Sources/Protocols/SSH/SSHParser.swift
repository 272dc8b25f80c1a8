// SPDX-License-Identifier: Apache-2.0
// One SSH connection's banners and key exchange offers (RFC 4253 sections 4.2, 6 and 7.1). In: both
// directions' bytes in order. Out: a record for each; then all is encrypted.
import NetworkTypes

/// One SSH connection.
public final class SSHParser {
    /// What is known so far.
    public let session = SSHSession()
    private let limits: ProtocolLimits
    private var reporter: AnomalyReporter
    private var sides = [Side(), Side()]

    private struct Side {
        var pending: [UInt8] = []
        var hasBanner = false
        var otherLines = 0
        /// Bytes of the line so far, which need not all be kept.
        var lineLength = 0
        var hasLongLine = false
        var isDone = false
    }

    /// A connection from its first byte on.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        reporter = AnomalyReporter(limit: limits.anomalies)
    }

    /// Nothing more can be read in either direction.
    public var isFinished: Bool { sides[0].isDone && sides[1].isDone }

    /// Anomalies that were not handed on because the flow had too many.
    public var suppressedAnomalies: Int { reporter.suppressed }

    /// A side begins with `SSH-`.
    public static func probe(_ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection) -> ProtocolMatch {
        let start: StaticString = "SSH-"
        let expected = UnsafeBufferPointer(start: start.utf8Start, count: start.utf8CodeUnitCount)
        guard zip(bytes, expected).allSatisfy({ $0 == $1 }) else { return .no }
        return bytes.count >= expected.count ? .match : .needMore
    }

    /// The next bytes of a direction.
    public func feed(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: (ProtocolRecord) -> Void
    ) {
        var rest = bytes
        while !rest.isEmpty, !sides[direction].isDone {
            let count =
                sides[direction].hasBanner
                ? readPacket(rest, direction, sink) : readLine(rest, direction, sink)
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Bytes of a direction were not seen: it cannot be read on.
    public func skip(_ count: Int, _ direction: FlowDirection) {
        if count > 0 { stop(direction) }
    }

    private func stop(_ direction: FlowDirection) {
        sides[direction].isDone = true
        sides[direction].pending = []
    }

    private func fail(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        stop(direction)
        report(name, direction, sink)
    }

    private func report(_ name: StaticString, _ direction: FlowDirection, _ sink: RecordSink) {
        if reporter.admits() { sink(.anomaly(ProtocolAnomaly(.ssh, direction, name))) }
    }
}

// MARK: - Banner

extension SSHParser {
    /// Lines that OpenSSH takes: their length with the line's end, and how many may stand before a server's
    /// banner.
    private static let mostLine = 8192
    private static let mostLines = 1024

    /// Reads up to a line's end, and says how many bytes that took. Of a line that is longer than RFC 4253
    /// allows the first bytes count.
    private func readLine(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Int {
        let part = bytes.prefix { $0 != 0x0a }
        let room = limits.sshBanner &+ 1 &- sides[direction].pending.count
        sides[direction].pending.append(contentsOf: part.prefix(max(0, room)))
        sides[direction].lineLength &+= part.count
        guard sides[direction].lineLength < Self.mostLine else {
            fail("long_banner", direction, sink)
            return bytes.count
        }
        guard part.count < bytes.count else { return bytes.count }
        var line = sides[direction].pending
        var length = sides[direction].lineLength
        sides[direction].pending = []
        sides[direction].lineLength = 0
        if line.count == length, line.last == 0x0d {
            line.removeLast()
            length &-= 1
        }
        if length > limits.sshBanner, !sides[direction].hasLongLine {
            sides[direction].hasLongLine = true
            report("long_banner", direction, sink)
        }
        take(Array(line.prefix(limits.sshBanner)), direction, sink)
        return part.count &+ 1
    }

    private func take(_ line: [UInt8], _ direction: FlowDirection, _ sink: RecordSink) {
        guard line.starts(with: "SSH-".utf8) else {
            // A server may send other lines first.
            sides[direction].otherLines &+= 1
            if sides[direction].otherLines >= Self.mostLines || direction == .toServer {
                fail("invalid_banner", direction, sink)
            }
            return
        }
        guard let banner = SSHBanner(line) else { return fail("invalid_banner", direction, sink) }
        sides[direction].hasBanner = true
        if direction == .toServer {
            session.client.banner = banner
            sink(.ssh(session, .clientBanner))
        } else {
            session.server.banner = banner
            sink(.ssh(session, .serverBanner))
        }
        // Version 1 exchanges keys otherwise.
        if banner.protocolVersion.first == 0x31, banner.protocolVersion != Array("1.99".utf8) {
            stop(direction)
        }
    }
}

extension SSHBanner {
    /// Splits `SSH-protoversion-softwareversion SP comments`; nil where a part is missing.
    init?(_ line: [UInt8]) {
        let parts = line.dropFirst(4)
        guard let dash = parts.firstIndex(of: 0x2d), dash > parts.startIndex else { return nil }
        let rest = parts[(dash + 1)...]
        let blank = rest.firstIndex(of: 0x20) ?? rest.endIndex
        guard blank > rest.startIndex else { return nil }
        self.line = line
        protocolVersion = Array(parts[..<dash])
        softwareVersion = Array(rest[..<blank])
        comment = Array(rest[blank...].dropFirst())
    }
}

// MARK: - Key exchange

extension SSHParser {
    /// Reads up to the first packet's end, which must be the key exchange offer.
    private func readPacket(
        _ bytes: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Int {
        let count = sides[direction].pending.count
        var wanted = 4
        if count >= 4 {
            let length = sides[direction].pending.withUnsafeBytes { ByteReader($0).first32 }
            guard length >= 12, length <= limits.sshKeyExchange else {
                fail("invalid_record", direction, sink)
                return bytes.count
            }
            wanted = 4 &+ length
        }
        let part = bytes.prefix(wanted &- count)
        sides[direction].pending.append(contentsOf: part)
        if wanted > 4, sides[direction].pending.count == wanted {
            let packet = sides[direction].pending
            stop(direction)
            packet.withUnsafeBytes { readKeyExchange($0, direction, sink) }
        }
        return part.count
    }

    private func readKeyExchange(
        _ packet: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) {
        var reader = ByteReader(packet)
        guard reader.u32() != nil, let padding = reader.u8(), reader.left >= Int(padding),
            reader.u8() == 20, reader.take(16) != nil
        else { return fail("invalid_record", direction, sink) }
        var lists: [[UInt8]] = []
        while lists.count < 8 {
            guard let length = reader.u32(), let list = reader.take(Int(length)) else {
                return fail("invalid_record", direction, sink)
            }
            lists.append([UInt8](list))
        }
        // Key exchange, then this direction's encryption, MAC and compression.
        let own = direction == .toServer ? 0 : 1
        let text = [lists[0], lists[2 + own], lists[4 + own], lists[6 + own]].joined(separator: [0x3b])
        let offer = SSHKeyExchange(hasshText: Array(text), hassh: Hashing.md5(Array(text)).hexadecimal)
        if direction == .toServer {
            session.client.keyExchange = offer
            sink(.ssh(session, .clientKeyExchange))
        } else {
            session.server.keyExchange = offer
            sink(.ssh(session, .serverKeyExchange))
        }
    }
}

extension ByteReader {
    /// The number in the first four bytes.
    fileprivate var first32: Int {
        var copy = self
        copy.seek(0)
        return Int(copy.u32() ?? 0)
    }
}
