// SPDX-License-Identifier: Apache-2.0
// One frame of the suite, or a train of them, with its right judgement and the reason why that is right, and
// the small words that the families' tables are written in.
import NetworkTypes
import PolicyLanguage
import TestSupport

/// A frame in its place in a train.
struct Step: Sendable {
    /// What it is in the train; empty where it is the case's only one.
    var note = ""
    let frame: [UInt8]
    /// Nanoseconds since the train's start. The time that trains take is the engine's, so that one engine
    /// serves all of them; each has addresses or an identification of its own.
    var at: Int64 = 0
    let expected: Judgement
}

struct EvasionCase: Sendable {
    /// Which family's table it stands in.
    let family: String
    /// What is odd about the frame.
    let variant: String
    /// The packet that is dressed so.
    let carrying: String
    let scenario: Scenario
    /// In the order in which they come.
    let steps: [Step]
    /// Why the judgement is right, with the standard that says so.
    let why: String

    /// Whether its frames come at different times, which only a program's own clock can show.
    var takesTime: Bool { steps.contains { $0.at != 0 } }

    var name: String { "\(family), \(variant): \(carrying) under \(scenario.id)" }
}

/// A family's table under construction.
struct Cases {
    let family: String
    private(set) var all: [EvasionCase] = []

    init(_ family: String) { self.family = family }

    /// What stands the same in all the cases that are added together.
    struct Variant {
        var name: String
        var why: String
        init(_ name: String, _ why: String) {
            self.name = name
            self.why = why
        }
    }

    mutating func add(
        _ variant: Variant, _ carrying: String, _ frame: [UInt8], _ outcome: (Scenario, Judgement)
    ) {
        addTrain(variant, carrying, [Step(frame: frame, expected: outcome.1)], under: outcome.0)
    }

    /// Frames that come one after the other.
    mutating func addTrain(
        _ variant: Variant, _ carrying: String, _ steps: [Step], under scenario: Scenario
    ) {
        all.append(
            EvasionCase(
                family: family, variant: variant.name, carrying: carrying, scenario: scenario, steps: steps,
                why: variant.why))
    }
}

extension Judgement {
    static let web = Judgement(.pass, .rule, rule: "web")
    static let ping = Judgement(.pass, .rule, rule: "ping")
    static let telnet = Judgement(.drop, .rule, rule: "no telnet")
    static let worm = Judgement(.drop, .rule, rule: "worm")
    static let guests = Judgement(.drop, .rule, rule: "guests")
    static let dropped = Judgement(.drop, .default)
    static let passed = Judgement(.pass, .default)
    static let banned = Judgement(.drop, .ban)
    static let fragment = Judgement(.drop, .fragment)
    static let failsafe = Judgement(.pass, .failsafe)
    static let nonIP = Judgement(.pass, .nonIP)
    static func malformed(_ detail: String) -> Judgement { Judgement(.drop, .malformed, detail: detail) }
    static func spoofed(_ detail: String) -> Judgement { Judgement(.drop, .spoofed, detail: detail) }
    static func essential(_ detail: String) -> Judgement { Judgement(.pass, .essential, detail: detail) }

    /// The same, of a packet that `malformed: pass` or `spoofed: pass` let on.
    func noting(_ detail: String) -> Judgement {
        var noted = self
        noted.detail = detail
        return noted
    }
}

extension AddressFamily {
    /// A source that nothing holds against.
    var ordinary: String { self == .ipv4 ? "203.0.113.7" : "2001:db8:7::7" }
    var banned: String { self == .ipv4 ? "203.0.113.66" : "2001:db8:bad::66" }
    var host: String { self == .ipv4 ? "198.51.100.1" : "2001:db8::1" }
    var title: String { self == .ipv4 ? "IPv4" : "IPv6" }

    /// An address as it stands before a port.
    func bracketed(_ address: String) -> String { self == .ipv4 ? address : "[\(address)]" }

    func tcp(_ port: Int, from source: String? = nil, flags: String = "syn", more: String = "") -> String {
        "tcp \(bracketed(source ?? ordinary)):40000 > \(bracketed(host)):\(port) \(flags)\(more)"
    }

    func udp(_ sourcePort: Int, _ port: Int, from source: String? = nil, more: String = "") -> String {
        "udp \(bracketed(source ?? ordinary)):\(sourcePort) > \(bracketed(host)):\(port)\(more)"
    }

    func proto(_ number: Int, from source: String? = nil, more: String = "") -> String {
        "ip \(source ?? ordinary) > \(host) proto \(number)\(more)"
    }
}

/// A frame from packet text, with a part of it changed.
func packet(_ text: String, _ change: (inout PacketBuilder) -> Void = { _ in }) throws -> [UInt8] {
    var builder = try PacketBuilder(text)
    change(&builder)
    return builder.bytes
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

func big(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

/// 20 bytes that begin as a TCP header to `port`: what a parser that looks in the wrong place would believe.
func decoy(_ port: Int) -> [UInt8] { big(40000) + big(port) + zeros(8) + [0x50, 0x02, 4, 0, 0, 0, 0, 0] }

/// Something around a packet that must not change how it is judged, or that makes it malformed.
struct Dress {
    let variant: Cases.Variant
    /// The check that finds it malformed; nil: it is judged as if it were plain.
    let malformed: String?
    let wear: (inout PacketBuilder) -> Void

    init(
        _ name: String, _ why: String, malformed: String? = nil, wear: @escaping (inout PacketBuilder) -> Void
    ) {
        variant = Cases.Variant(name, why)
        self.malformed = malformed
        self.wear = wear
    }
}

extension Cases {
    /// A dress around a packet that a rule passes, one that a rule drops, one that no rule knows, and one
    /// from a banned source.
    mutating func add(_ dress: Dress, over ip: AddressFamily) throws {
        let fault = dress.malformed.map(Judgement.malformed)
        let kinds: [(String, String, Scenario, Judgement)] = [
            ("tcp/80", ip.tcp(80), .closed, .web),
            ("tcp/8080", ip.tcp(8080), .closed, .dropped),
            ("tcp/23", ip.tcp(23), .open, .telnet),
            ("tcp/8080", ip.tcp(8080), .open, .passed),
            ("banned source", ip.tcp(80, from: ip.banned), .closed, .banned),
            ("banned source", ip.tcp(8080, from: ip.banned), .open, .banned),
        ]
        for (name, text, scenario, plain) in kinds {
            add(
                dress.variant, "\(ip.title) \(name)", try packet(text, dress.wear),
                (scenario, fault ?? plain))
        }
    }
}
