// SPDX-License-Identifier: Apache-2.0
// Names of protocols, for a policy's `protocols: { forbid: [bittorrent, tor] }`. In: a name as an operator
// writes it. Out: nDPI's number, or an error that tells the nearest name.

import CNDPI
import Diagnostics

/// The protocols that can be detected, by name and by number.
public struct ProtocolNames: Sendable {
    private let names: [String]
    private let numbers: [String: ProtocolID]

    init(_ module: OpaquePointer) {
        var names: [String] = []
        var numbers: [String: ProtocolID] = [:]
        for number in 0..<UInt16(clamping: ndpi_get_num_supported_protocols(module)) {
            let name = ndpi_get_proto_name(module, number).map { String(cString: $0) } ?? ""
            names.append(name)
            // A name that two protocols share means the first.
            if !name.isEmpty, numbers[name.lowercased()] == nil {
                numbers[name.lowercased()] = ProtocolID(rawValue: number)
            }
        }
        self.names = names
        self.numbers = numbers
    }

    /// All names as ndpiReader prints them, in the alphabet's order without regard to case.
    public var all: [String] { numbers.values.map(name).sorted { $0.lowercased() < $1.lowercased() } }

    /// The name of a number, "Unknown" where it has none.
    public func name(_ id: ProtocolID) -> String {
        Int(id.rawValue) < names.count && !names[Int(id.rawValue)].isEmpty
            ? names[Int(id.rawValue)] : "Unknown"
    }

    /// The number of a name, in whatever case it is written. "Unknown" is a name too: that of flows of which
    /// nothing was recognised.
    public func id(named name: String) throws(UnknownProtocolName) -> ProtocolID {
        guard let id = find(name) else { throw UnknownProtocolName(name: name, nearest: near(name)) }
        return id
    }

    /// Likewise, for who does not ask what else may have been meant, which takes longer; nil: no name.
    public func find(_ name: String) -> ProtocolID? { numbers[name.lowercased()] }

    /// The nearest by spelling, else those that hold the word or are held by it, as `google` and
    /// `GoogleMaps`; at most three.
    private func near(_ word: String) -> [String] {
        if let nearest = nearest(to: word, among: all) { return [nearest] }
        let spelt = word.lowercased()
        guard spelt.utf8.count >= 3, spelt.utf8.count <= 64 else { return [] }
        let holding = all.filter { name in
            let name = name.lowercased()
            return name.contains(spelt) || name.utf8.count >= 3 && spelt.contains(name)
        }
        return Array(holding.prefix(3))
    }
}

/// A policy named a protocol that the detector does not know.
public struct UnknownProtocolName: Error, Hashable, Sendable {
    /// The name as it was written.
    public let name: String
    /// Names that may have been meant; may be empty.
    public let nearest: [String]

    /// What is wrong, lower case, no full stop.
    public var message: String { "protocol '\(name)' is not one that the detector knows" }

    /// The way out.
    public var help: String {
        nearest.isEmpty
            ? "use a name as the detector prints it, such as 'BitTorrent', 'Tor' or 'SSH'"
            : "did you mean " + nearest.map { "'\($0)'" }.joined(separator: " or ") + "?"
    }
}
