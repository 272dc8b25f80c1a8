// SPDX-License-Identifier: Apache-2.0
// What a load of signature files gives: the signatures, the names they share, and what was left out.
import Diagnostics
import NetworkTypes

/// The signatures of one or more files, in order of their texts, unique by gid and sid.
public struct SignatureSet: Sendable {
    public internal(set) var signatures: [Signature] = []
    /// The names behind the numbers of `StateTest` and `StateChange`.
    public internal(set) var names = StateNames()
    /// By file and place. Errors and unsupported keywords (warnings) name the signature's place each; at most
    /// `SignatureLimits.diagnostics` are kept.
    public internal(set) var diagnostics: [Diagnostic] = []
    public internal(set) var counts = SignatureCounts()

    public init() {}

    /// Takes their own `threshold` and `detection_filter` from signatures whose rate another file sets.
    public mutating func removeRates(where isSetElsewhere: (Signature) -> Bool) {
        for place in signatures.indices where signatures[place].hasRate && isSetElsewhere(signatures[place]) {
            signatures[place].threshold = nil
            signatures[place].detectionFilter = nil
        }
    }
}

extension Signature {
    /// It says itself how often it is told, or from which match on.
    public var hasRate: Bool { threshold != nil || detectionFilter != nil }
}

/// What became of the rules of a load. `rules` = `loaded` + `unsupported` + `errors` + `superseded`.
public struct SignatureCounts: Sendable, Hashable {
    /// Rules in the text, those that are commented out not counted.
    public internal(set) var rules = 0
    public internal(set) var loaded = 0
    public internal(set) var unsupported = 0
    public internal(set) var errors = 0
    /// Left out for another one with the same gid and sid.
    public internal(set) var superseded = 0
    /// Rules left out by the keyword that is not supported; each counts once, for the first such keyword.
    public internal(set) var unsupportedKeywords: [String: Int] = [:]

    public init() {}
}

/// What a load takes beside the text.
public struct SignatureSettings: Sendable {
    /// Address variables without `$`, as text in rule syntax; they replace or join the defaults.
    public var addressVariables: [String: String]
    /// Port variables without `$`, as text in rule syntax.
    public var portVariables: [String: String]
    /// Names of classes: short name to description and priority; they replace or join the built-in table.
    public var classifications: [String: Classification]
    /// Events of protocol parsers that the inspector raises, as in "http.missing_host_header"; a signature
    /// that waits for another one is unsupported.
    public var events: Set<String>
    /// What `requires: feature` may ask for.
    public var features: Set<String> = ["ja3", "ja4", "true_crypto"]

    /// The address variables that need not be set, without `$`.
    public static var knownAddressVariables: [String] { DefaultVariables.addresses.keys.sorted() }

    public init(
        addressVariables: [String: String] = [:], portVariables: [String: String] = [:],
        classifications: [String: Classification] = [:], events: Set<String> = []
    ) {
        self.addressVariables = addressVariables
        self.portVariables = portVariables
        self.classifications = classifications
        self.events = events
    }
}

/// A line of classification.config.
public struct Classification: Hashable, Sendable {
    public let description: String
    /// 1 (gravest) to 255.
    public let priority: UInt8
    public init(description: String, priority: UInt8) {
        self.description = description
        self.priority = priority
    }
}
