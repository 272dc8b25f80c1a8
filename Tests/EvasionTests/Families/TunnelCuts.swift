// SPDX-License-Identifier: Apache-2.0
// Tunnels that are cut: behind every byte of the tunnel's header and of the headers in it, by a right outer
// length, by the frame's end, and by fragmentation.
import NetworkTypes
import PolicyLanguage
import TestSupport

extension TunnelKind {
    private static let probe = [UInt8](1...14)

    /// Whether an Ethernet header stands in the tunnel.
    var carriesEthernet: Bool { wrap(Self.probe).suffix(14).elementsEqual(Self.probe) }

    /// Bytes of the tunnel's own header.
    var headerLength: Int { wrap(Self.probe).count - (carriesEthernet ? 14 : 0) }

    /// What is found wrong with a content of `count` bytes, tunnel header and all, that should have been
    /// `whole`; nil: nothing.
    func fault(_ count: Int, of whole: Int, _ inner: AddressFamily, isFragment: Bool = false) -> String? {
        if count < headerLength { return "truncated tunnel header" }
        let ethernet = headerLength + (carriesEthernet ? 14 : 0)
        if count < ethernet { return "truncated ethernet header" }
        let header = ethernet + (inner == .ipv4 ? 20 : 40)
        if count < header { return "truncated ip header" }
        if isFragment { return count < header + 20 ? "tiny fragment" : nil }
        return count < whole ? "truncated packet" : nil
    }

    /// An outer packet whose lengths say that the content ends where it ends.
    func frame(_ ip: AddressFamily, containing content: [UInt8]) throws -> [UInt8] {
        try TunnelKind(
            name: name, word: word, outer: outer, inner: inner, proto: proto, port: port, standard: standard,
            wrap: { _ in content }
        ).frame(ip, around: [])
    }
}

func tunnelCutCases() throws -> [EvasionCase] {
    var cases = Cases("Tunnels, cut everywhere")
    for kind in tunnelKinds {
        for outer in kind.outer {
            for inner in kind.inner {
                try addContents(&cases, kind, outer, inner)
                try addFrames(&cases, kind, outer, inner)
                try addFragments(&cases, kind, outer, inner)
            }
        }
    }
    return cases.all
}

private func addContents(
    _ cases: inout Cases, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    let whole = kind.wrap(try packet(inner.tcp(80)))
    let strict = Cases.Variant(
        "\(kind.name) with a right outer length",
        "POLICY 1: truncation is malformed in the layers that rules judge; \(kind.standard)")
    let lenient = Cases.Variant(
        "\(strict.name), under malformed: pass",
        "docs/policy.md, Layers 5: where the inner addresses could not be read, the layer around is judged")
    for count in 0..<whole.count {
        guard let fault = kind.fault(count, of: whole.count, inner) else { continue }
        let frame = try kind.frame(outer, containing: Array(whole.prefix(count)))
        let title = "\(outer.title) around \(inner.title), \(count) bytes"
        cases.add(strict, title, frame, (.opened, .malformed(fault)))
        // A TCP header that is cut has no ports, so that no rule matches.
        let right = fault == "truncated packet" ? Judgement.passed : .noTunnels
        cases.add(lenient, title, frame, (.lenientOpened, right.noting(fault)))
    }
}

/// The outer length says more than there is.
private func addFrames(
    _ cases: inout Cases, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    let whole = try kind.frame(outer, around: try packet(inner.tcp(80)))
    let start = outer == .ipv4 ? 34 : 54
    for count in start..<whole.count {
        let frame = Array(whole.prefix(count))
        cases.add(
            .init("\(kind.name), frame cut", "POLICY 1: truncation is malformed, the outer header's first"),
            "\(outer.title) around \(inner.title), \(count - start) bytes behind the outer header", frame,
            (.opened, .malformed("truncated packet")))
    }
}

/// First fragments of every length.
private func addFragments(
    _ cases: inout Cases, _ kind: TunnelKind, _ outer: AddressFamily, _ inner: AddressFamily
) throws {
    let whole = kind.wrap(try packet(inner.tcp(80)) { $0.segment += zeros(400) })
    let strict = Cases.Variant(
        "\(kind.name), first fragment that ends there",
        "RFC 1858 3.1, RFC 7112 5: the headers that are judged must be in the first fragment")
    let udp = kind.port == nil ? 0 : 8
    let lengths = stride(from: 0, through: (udp + kind.headerLength + 14 + 40 + 20 + 7) / 8 * 8, by: 8)
    for length in lengths {
        let frame = try kind.frame(outer, around: try packet(inner.tcp(80)) { $0.segment += zeros(400) }) {
            $0.segment = Array($0.segment.prefix(length))
            $0.beFirst(outer, id: 900)
        }
        let fault =
            length < udp
            ? "tiny fragment" : kind.fault(length - udp, of: whole.count, inner, isFragment: true)
        let title = "\(outer.title) around \(inner.title), \(length) bytes"
        cases.add(strict, title, frame, (.opened, fault.map(Judgement.malformed) ?? .web))
    }
}

extension PacketBuilder {
    /// Makes it the first fragment of a datagram.
    mutating func beFirst(_ ip: AddressFamily, id: Int) { beFragment(ip, id: id, at: 0, more: true) }

    /// - Parameter offset: in units of 8 bytes.
    mutating func beFragment(_ ip: AddressFamily, id: Int, at offset: Int, more: Bool) {
        if ip == .ipv4 {
            ipHeader.replaceSubrange(4..<6, with: big(id))
            ipHeader.replaceSubrange(6..<8, with: big(offset | (more ? 0x2000 : 0)))
        } else {
            let rest = [0] + big(offset << 3 | (more ? 1 : 0)) + [0, 0] + big(id)
            extensions.append(.init(44, rest: rest))
        }
    }
}
