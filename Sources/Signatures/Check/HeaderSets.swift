// SPDX-License-Identifier: Apache-2.0
// Addresses and ports of a rule's header: variables, lists in brackets, negation. In: a run of the rule's
// text. Out: a set. `[a,!b]` is a without b, a list of negations alone is everything without them.
import NetworkTypes

/// A set that header lists are made of.
protocol HeaderSet {
    static var all: Self { get }
    var isEmpty: Bool { get }
    init(unionOf sets: [Self])
    func subtracting(_ other: Self) -> Self
    /// One element, neither list nor variable; nil where the text is none.
    init?(element: Slice)
    /// What is read, one and several of them, and an example of it.
    static var noun: String { get }
    static var nouns: String { get }
    static var example: String { get }
}

/// Reads the lists of one kind of set.
struct HeaderSetReader<Values: HeaderSet> {
    let variables: [String: String]
    let context: LoadContext
    /// Lists in lists, and variables in variables.
    private static var depthLimit: Int { 16 }

    func read(_ text: Slice) throws(RuleProblem) -> Values {
        let values = try read(text, depth: 0)
        guard !values.isEmpty else {
            throw empty(text)
        }
        return values
    }

    /// Where a variable has a part in it, the rule is right, and it is this host's variables that leave it
    /// out.
    private func empty(_ text: Slice) -> RuleProblem {
        var problem = RuleProblem(
            "empty-header", "'\(text.text)' leaves no \(Values.noun)", at: text.place,
            help: "use 'any', or take out less")
        guard text.contains(UInt8(ascii: "$")) else { return problem }
        problem.unsupported = String(text.text.prefix(48))
        problem.label = "the signature is left out"
        problem.help = "give the variable fewer \(Values.nouns) than all: in a policy, by a set of its name"
        return problem
    }

    private func read(_ text: Slice, depth: Int) throws(RuleProblem) -> Values {
        guard depth < Self.depthLimit else {
            throw RuleProblem(
                "header-depth", "lists or variables stand more than \(Self.depthLimit) deep", at: text.place)
        }
        if let negated = text.dropping(UInt8(ascii: "!")) {
            return Values.all.subtracting(try read(negated, depth: depth + 1))
        }
        if text.first == UInt8(ascii: "[") { return try list(text, depth) }
        if let name = text.dropping(UInt8(ascii: "$")) { return try variable(name.text, text, depth) }
        if text.count == 3, text.elementsEqual("any".utf8) { return .all }
        guard let element = Values(element: text) else {
            throw RuleProblem(
                "bad-\(Values.noun)", "'\(text.text)' is no \(Values.noun)", at: text.place,
                expected: Values.example)
        }
        return element
    }

    private func list(_ text: Slice, _ depth: Int) throws(RuleProblem) -> Values {
        guard text.last == UInt8(ascii: "]") else {
            throw RuleProblem("header-list", "the list does not end", at: text.place, expected: "']'")
        }
        var positive: [Values] = []
        var negative: [Values] = []
        for item in try items(text.dropFirst().dropLast()) {
            if let taken = item.dropping(UInt8(ascii: "!")) {
                negative.append(try read(taken, depth: depth + 1))
            } else {
                positive.append(try read(item, depth: depth + 1))
            }
        }
        let values = positive.isEmpty ? Values.all : Values(unionOf: positive)
        return negative.isEmpty ? values : values.subtracting(Values(unionOf: negative))
    }

    /// The parts between commas that stand in no inner list.
    private func items(_ text: Slice) throws(RuleProblem) -> [Slice] {
        var items: [Slice] = []
        var depth = 0
        var start = text.startIndex
        func take(_ end: Int) throws(RuleProblem) {
            let item = text[start..<end].trimmed
            guard !item.isEmpty else {
                throw RuleProblem(
                    "header-list", "an empty place in the list", at: text.place, expected: Values.example)
            }
            items.append(item)
        }
        for index in text.indices {
            switch text[index] {
            case UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                try take(index)
                start = index + 1
            default: break
            }
        }
        try take(text.endIndex)
        return items
    }

    private func variable(_ name: String, _ text: Slice, _ depth: Int) throws(RuleProblem) -> Values {
        guard let definition = variables[name] else {
            let near = context.suggestion(for: "$" + name, among: variables.keys.map { "$" + $0 }.sorted())
            throw RuleProblem(
                "undefined-variable", "variable '$\(name)' is not defined", at: text.place,
                help: near.map { "did you mean '\($0)'?" } ?? "define it, or write its \(Values.noun) here")
        }
        do {
            return try read(Array(definition.utf8)[...].trimmed, depth: depth + 1)
        } catch {
            var problem = error
            // Its places are those of the definition, which is not the rule's text.
            problem.place = text.place
            problem.message = "variable '$\(name)': \(error.message)"
            throw problem
        }
    }
}

extension AddressSet: HeaderSet {
    static var noun: String { "address" }
    static var nouns: String { "addresses" }
    static var example: String { "an address as in '192.0.2.0/24', a '$variable', a '[list]' or 'any'" }

    init(unionOf sets: [AddressSet]) {
        if sets.count == 1 {
            self = sets[0]
        } else {
            self.init(
                v4: IntervalSet(sets.flatMap(\.v4.ranges)), v6: IntervalSet(sets.flatMap(\.v6.ranges)))
        }
    }

    /// An address, a prefix (by length or by IPv4 mask, host bits are passed over), or a range.
    init?(element: Slice) {
        let text = element.text
        if let dash = text.firstIndex(of: "-") {
            guard let low = IPAddress(text[..<dash]), let high = IPAddress(text[text.index(after: dash)...]),
                low.family == high.family, low.bits <= high.bits
            else { return nil }
            self.init(low.family, low.bits...high.bits)
        } else if let slash = text.firstIndex(of: "/") {
            guard let address = IPAddress(text[..<slash]),
                let length = Self.length(text[text.index(after: slash)...], address.family),
                let prefix = Prefix(masking: address, length: length)
            else { return nil }
            self.init(address.family, prefix.bounds)
        } else {
            guard let address = IPAddress(text) else { return nil }
            self.init(address.family, address.bits...address.bits)
        }
    }

    private init(_ family: AddressFamily, _ bounds: ClosedRange<UInt128>) {
        if family == .ipv4 {
            let (low, high) = (UInt32(truncatingIfNeeded: bounds.lowerBound), bounds.upperBound)
            self.init(v4: IntervalSet(low...UInt32(truncatingIfNeeded: high)))
        } else {
            self.init(v6: IntervalSet(bounds))
        }
    }

    /// "24", or IPv4's "255.255.255.0".
    private static func length(_ text: Substring, _ family: AddressFamily) -> Int? {
        if let length = Int(text), length >= 0 { return length }
        guard family == .ipv4, let mask = IPAddress(text)?.v4Bits else { return nil }
        let length = (~mask).leadingZeroBitCount
        return mask == (length == 0 ? 0 : UInt32.max << UInt32(32 - length)) ? length : nil
    }
}

extension IntervalSet<UInt16>: HeaderSet {
    static var noun: String { "port" }
    static var nouns: String { "ports" }
    static var example: String { "a port as in '80' or '1024:', a '$variable', a '[list]' or 'any'" }

    init(unionOf sets: [IntervalSet]) {
        self = sets.count == 1 ? sets[0] : IntervalSet(sets.flatMap(\.ranges))
    }

    /// "80", "80:90", "1024:", ":1023"; "80-90" is one too.
    init?(element: Slice) {
        let separator = element.firstIndex { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "-") }
        guard let separator else {
            guard let port = element.number, let port = UInt16(exactly: port) else { return nil }
            self.init(port...port)
            return
        }
        let (before, behind) = (element[..<separator].trimmed, element[(separator + 1)...].trimmed)
        guard !before.isEmpty || !behind.isEmpty, let low = before.isEmpty ? 0 : before.number,
            let high = behind.isEmpty ? 65535 : behind.number, low <= high,
            let first = UInt16(exactly: low), let last = UInt16(exactly: high)
        else { return nil }
        self.init(first...last)
    }
}
