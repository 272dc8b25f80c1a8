// SPDX-License-Identifier: Apache-2.0
// Reads the TCP, UDP, SCTP, ICMP or ICMPv6 header and finds the payload; the numbered steps are those of
// docs/policy.md.
import NetworkTypes

extension PacketReading {
    /// - Parameter left: what is left of the IP packet behind its headers. Never called for later fragments.
    mutating func readL4(_ left: Window) {
        guard let proto else { return }
        // 1
        if left.count < proto.fixedHeaderLength {
            return fail(isWhole ? .truncatedL4 : .tinyFragment)
        }
        // 2
        readPortsAndTypes(left, proto)
        // 3 to 5
        switch proto {
        case .tcp: readTCP(left)
        case .udp: readUDP(left)
        default: payload = left.behind(proto.fixedHeaderLength).bytes
        }
    }

    private mutating func readPortsAndTypes(_ left: Window, _ proto: IPProtocol) {
        if proto.hasPorts {
            sourcePort = left.number(0)
            destinationPort = left.number(2)
        }
        if proto.hasTypes {
            icmpType = left.byte(0)
            icmpCode = left.byte(1)
            icmpIdentifier = left.number(4)
        }
    }

    private mutating func readTCP(_ left: Window) {
        let flags = TCPFlags(rawValue: left.byte(13))
        tcpFlags = flags
        tcpNumbers = TCPNumbers(sequence: left.longNumber(4), acknowledged: left.longNumber(8))
        let headerLength = Int(left.byte(12) >> 4) * 4
        let lengthIsPossible = headerLength >= IPProtocol.tcp.fixedHeaderLength && headerLength <= left.count
        if !lengthIsPossible, isWhole { fail(.tcpHeaderLength) }
        if isSentByNoStack(flags) { fail(.tcpFlags) }
        if lengthIsPossible { payload = left.behind(headerLength).bytes }
    }

    private mutating func readUDP(_ left: Window) {
        let fixed = IPProtocol.udp.fixedHeaderLength
        if !isWhole {
            payload = left.behind(fixed).bytes
            return
        }
        let ownLength = Int(left.number(4))
        let lengthIsPossible = ownLength >= fixed && ownLength <= left.count
        if !lengthIsPossible { fail(.udpLength) }
        payload = (lengthIsPossible ? left.upTo(ownLength) : left).behind(fixed).bytes
    }
}

private func isSentByNoStack(_ flags: TCPFlags) -> Bool {
    let judged: TCPFlags = [.fin, .syn, .rst, .psh, .ack, .urg]
    let set = flags.intersection(judged)
    if set.isEmpty || set == judged { return true }
    if set.isSuperset(of: [.syn, .fin]) || set.isSuperset(of: [.syn, .rst]) { return true }
    return set.contains(.fin) && !set.contains(.ack)
}
