// SPDX-License-Identifier: Apache-2.0
// A packet's layers: the outer header, what tunnels carry inside, and which of them is judged;
// docs/policy.md, "Layers".
import NetworkTypes
import PolicyLanguage

/// How many layers behind the outer header are read.
private let mostInnerLayers = 2

/// A frame as far as the policy lets it be looked into.
struct Layers {
    /// The headers around the judged one, the outer first.
    private(set) var around: [PacketReading] = []
    /// The one that rules, failsafe and never-ban judge.
    private(set) var judged: PacketReading
    /// The first check that failed, the outer layers' first.
    private(set) var malformed: MalformedCheck?

    init(frame: [UInt8], decapsulating names: Set<Encapsulation>) {
        judged = PacketReading(frame: frame)
        malformed = judged.malformed
        while around.count < mostInnerLayers, let tunnel = judged.tunnel, names.contains(tunnel) {
            guard let inner = open(tunnel) else { break }
            around.append(judged)
            judged = inner
        }
    }

    /// The inner layer where its addresses could be read; its faults count in any case.
    private mutating func open(_ tunnel: Encapsulation) -> PacketReading? {
        switch judged.content(of: tunnel) {
        case .none: return nil
        case .truncated:
            fail(.truncatedTunnel)
            return nil
        case .layer(let inner):
            if let check = inner.malformed { fail(check) }
            return inner.source == nil ? nil : inner
        }
    }

    /// Only the first check that fails counts.
    mutating func fail(_ check: MalformedCheck) {
        if malformed == nil { malformed = check }
    }

    /// Outer to judged.
    var all: [PacketReading] { around + [judged] }

    /// The sources of further layers inside the judged one, as far as they can be read, whatever the policy
    /// names.
    var sourcesBelow: [IPAddress] {
        var found: [IPAddress] = []
        var layer = judged
        while around.count + found.count < mostInnerLayers, let tunnel = layer.tunnel {
            guard case .layer(let inner) = layer.content(of: tunnel), let source = inner.source else { break }
            found.append(source)
            layer = inner
        }
        return found
    }
}
