// SPDX-License-Identifier: Apache-2.0
// Which flows signatures' headers could match packets of: by protocol, ports and addresses of either end.
import NetworkTypes
import Signatures
import TestSupport
import Testing

private func ports(_ ranges: ClosedRange<UInt16>...) -> IntervalSet<UInt16> { IntervalSet(ranges) }

/// Networks of /24.
private func networks(_ first: UInt32...) -> AddressSet {
    AddressSet(v4: IntervalSet(first.map { $0...$0 + 255 }))
}

private func rule(_ header: String, _ sid: Int = 1) -> String {
    #"alert \#(header) (msg:"x"; content:"needle"; sid:\#(sid);)"# + "\n"
}

private func scope(_ headers: String...) -> FlowScope {
    let text = headers.enumerated().map { rule($0.element, $0.offset + 1) }.joined()
    return FlowScope(of: load(text).signatures)
}

@Test func `a header's narrower end counts, on whichever side of the arrow it stands`() {
    for header in ["tcp any any -> any 8080", "tcp any 8080 -> any any", "tcp any any <> any 8080"] {
        #expect(scope(header).tcpPorts == ports(8080...8080), "\(header)")
        #expect(scope(header).udpPorts.isEmpty)
        #expect(scope(header).protocols.ranges == [6...6])
    }
    #expect(scope("tcp any 1024: -> any [25,110:143]").tcpPorts == ports(25...25, 110...143))
    #expect(scope("udp any !53 -> any ![0:1023]").udpPorts == ports(1024...65_535))
}

@Test func `what is recognised on any port needs every port of its transports`() {
    #expect(scope("http any any -> any any").tcpPorts.isAll)
    #expect(scope("http any any -> any any").udpPorts.isEmpty)
    let dns = scope("dns any any -> any any")
    #expect(dns.tcpPorts.isAll && dns.udpPorts.isAll && dns.protocols.ranges == [6...6, 17...17])
    #expect(scope("tls any any -> any 443").tcpPorts == ports(443...443))
}

@Test func `protocols without ports are needed as a whole`() {
    #expect(scope("ip any any -> any any").protocols.isAll)
    let icmp = scope("icmp any any -> any any")
    #expect(icmp.protocols.contains(1) && icmp.protocols.contains(58) && !icmp.protocols.contains(6))
}

@Test func `several signatures need what each of them does`() {
    let both = scope("tcp any any -> any 80", "udp any any -> any 53", "tcp any any -> any 443")
    #expect(both.tcpPorts == ports(80...80, 443...443) && both.udpPorts == ports(53...53))
    #expect(both.addresses.v4.isAll && both.addresses.v6.isAll)
    #expect(scope() == FlowScope.none)
}

@Test func `networks count where every signature names one`() {
    let one = scope("tcp 192.0.2.0/24 any -> any 80", "tcp any any -> 198.51.100.0/24 80")
    #expect(one.addresses == networks(0xc000_0200, 0xc633_6400))
    #expect(scope("tcp 192.0.2.0/24 any -> any 80", "tcp any any -> any 81").addresses == .all)
    let inner = scope("tcp 192.0.2.0/24 any -> !192.0.2.0/24 any")
    #expect(inner.addresses == networks(0xc000_0200))
}

@Test func `a random packet that a random header admits is of a flow in scope`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let ends = ["any", "192.0.2.0/24", "!192.0.2.0/24", "[198.51.100.7,2001:db8::/32]"]
    let ports = ["any", "80", "!80", "[0:1023]", "[1000:2000,!1500]"]
    let words = ["tcp", "udp", "ip", "icmp", "http", "dns"]
    for _ in 0..<300 {
        let headers = (0...random.below(3)).map { _ in
            let arrow = random.pick(["->", "->", "<>"])
            return "\(random.pick(words)) \(random.pick(ends)) \(random.pick(ports)) \(arrow) "
                + "\(random.pick(ends)) \(random.pick(ports))"
        }
        let text = headers.enumerated().map { rule($0.element, $0.offset + 1) }.joined()
        let signatures = load(text).signatures
        let scope = FlowScope(of: signatures)
        for _ in 0..<20 {
            let packet = RandomEnds(&random)
            if signatures.contains(where: { packet.isAdmitted(by: $0.header) }) {
                #expect(packet.isIn(scope), "seed \(seed): \(headers), \(packet)")
            }
        }
    }
}

/// A packet as headers see it.
private struct RandomEnds {
    var proto: IPProtocol
    var addresses: [IPAddress]
    var ports: [UInt16]

    init(_ random: inout SeededGenerator) {
        proto = random.pick([.tcp, .udp, .icmp, .gre])
        let all = ["192.0.2.7", "198.51.100.7", "203.0.113.9", "2001:db8::1", "2001:db9::1"]
        let known = all.compactMap { IPAddress($0) }
        addresses = [random.pick(known), random.pick(known)]
        let port: [UInt16] = [0, 53, 80, 1023, 1024, 1500, 1999, 40_000]
        ports = proto.hasPorts ? [random.pick(port), random.pick(port)] : [0, 0]
    }

    func isAdmitted(by header: SignatureHeader) -> Bool {
        guard header.transports.contains(proto) else { return false }
        func fits(_ from: Int, _ to: Int) -> Bool {
            header.source.contains(addresses[from]) && header.destination.contains(addresses[to])
                && header.sourcePorts.contains(ports[from]) && header.destinationPorts.contains(ports[to])
        }
        return fits(0, 1) || header.isBidirectional && fits(1, 0)
    }

    func isIn(_ scope: FlowScope) -> Bool {
        let wanted = proto == .tcp ? scope.tcpPorts : proto == .udp ? scope.udpPorts : .all
        return scope.protocols.contains(proto.rawValue) && ports.contains(where: wanted.contains)
            && addresses.contains(where: scope.addresses.contains)
    }
}
