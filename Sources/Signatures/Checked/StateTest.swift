// SPDX-License-Identifier: Apache-2.0
// What signatures remember: bits of flows, hosts and pairs, counters of flows, and rates of events.

/// Names that signatures share, as numbers. Kept from load to load, so that numbers keep their meaning.
public struct NameTable: Sendable {
    /// By number.
    public private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]

    public init() {}

    /// The number of a name; new names get the next one.
    public mutating func number(of name: String) -> Int {
        if let known = numbers[name] { return known }
        names.append(name)
        numbers[name] = names.count - 1
        return names.count - 1
    }
}

/// The names of all that is remembered, each kind with numbers of its own from 0.
public struct StateNames: Sendable {
    public internal(set) var flowBits = NameTable()
    /// Bits of hosts and pairs (`xbits`, `hostbits`).
    public internal(set) var hostBits = NameTable()
    public internal(set) var flowIntegers = NameTable()
    public init() {}
}

/// Whose a bit is.
public enum BitScope: Hashable, Sendable {
    /// `StateNames.flowBits`
    case flow
    /// The packet's source or destination address; `StateNames.hostBits`.
    case source, destination
    /// Both addresses, either way round.
    case addressPair
}

/// A test of what is remembered.
public enum StateTest: Hashable, Sendable {
    /// One of the bits is set (`isset a|b`); `isNegated`: one of them is not set (`isnotset a|b`).
    case bits([Int], BitScope, isNegated: Bool)
    /// A counter of the flow; it fails where the counter was never set.
    case integer(Int, IntegerComparison, IntegerOperand)
    /// Whether a counter of the flow was ever set.
    case integerIsSet(Int, isNegated: Bool)
}

/// Comparisons of `flowint`.
public enum IntegerComparison: String, Sendable {
    case less = "<"
    case lessOrEqual = "<="
    case equal = "=="
    case notEqual = "!="
    case greaterOrEqual = ">="
    case greater = ">"
}

/// The other side of a `flowint`.
public enum IntegerOperand: Hashable, Sendable {
    case literal(UInt32)
    /// Another counter of the flow; it fails where that was never set.
    case integer(Int)
}

/// A change that a match makes.
public enum StateChange: Hashable, Sendable {
    public enum BitOperation: String, Sendable { case set, unset, toggle }

    /// `expire`: seconds until it is forgotten; 0 for flow bits, which end with the flow.
    case bit(BitOperation, Int, BitScope, expire: UInt32)
    /// Sets, adds or subtracts (never below 0, never above 2^32-1); a counter that was never set is 0.
    case integer(Int, IntegerOperation, IntegerOperand)
}

/// What `flowint` does to a counter.
public enum IntegerOperation: String, Sendable {
    case set = "="
    case add = "+"
    case subtract = "-"
}

/// Whose matches a rate counts.
public enum RateTracking: String, Sendable {
    case bySource = "by_src"
    case byDestination = "by_dst"
    case byRule = "by_rule"
    case byBoth = "by_both"
    case byFlow = "by_flow"
}

/// How often a signature reports.
public struct Threshold: Hashable, Sendable {
    public enum Kind: String, Sendable {
        /// The first `count` in each span.
        case limit
        /// Each `count`-th in each span.
        case threshold
        /// Once in each span, at the `count`-th.
        case both
        /// At the `count`-th, then each time at `multiplier` times as many.
        case backoff
    }

    public internal(set) var kind: Kind
    public internal(set) var tracking: RateTracking
    public internal(set) var count: UInt32
    /// The span's length; 0 with `backoff`.
    public internal(set) var seconds: UInt32
    /// `backoff` alone; else 1.
    public internal(set) var multiplier: UInt32 = 1
}

/// Matches up to `count` within `seconds` are none.
public struct DetectionFilter: Hashable, Sendable {
    public internal(set) var tracking: RateTracking
    public internal(set) var count: UInt32
    public internal(set) var seconds: UInt32
    /// `unique_on`: only matches with a port of this kind that was not seen before in the span count; nil:
    /// all.
    public internal(set) var uniqueOn: Port?

    /// Which of a packet's ports.
    public enum Port: String, Sendable {
        case source = "src_port"
        case destination = "dst_port"
    }
}
