// SPDX-License-Identifier: Apache-2.0
// The options of one line of threshold.config. In: "gen_id 1, sig_id 2019, track by_src, ip 192.0.2.0/24".
// Out: an entry, or what is wrong.
import NetworkTypes

struct ThresholdOptions {
    private var values: [(name: String, value: String)] = []
    private var unread: Set<String> = []

    /// - Parameter text: blanks are single.
    init(_ text: String) throws(ThresholdProblem) {
        for part in Self.parts(text) {
            let words = part.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else {
                throw ThresholdProblem(
                    message: "'\(part)' is no option", help: "write NAME VALUE, with commas between options")
            }
            guard unread.insert(String(words[0])).inserted else {
                throw ThresholdProblem(
                    message: "'\(words[0])' stands there twice", help: "remove one of them")
            }
            values.append((String(words[0]), String(words[1])))
        }
    }

    /// Splits at commas outside of brackets: an address list has commas of its own.
    private static func parts(_ text: String) -> [String] {
        var parts = [""]
        var depth = 0
        for character in text {
            if character == "[" { depth += 1 }
            if character == "]" { depth -= 1 }
            if character == ",", depth <= 0 {
                parts.append("")
            } else if !(parts[parts.count - 1].isEmpty && character == " ") {
                parts[parts.count - 1].append(character)
            }
        }
        // A blank may stand before a comma too.
        return parts.map { $0.last == " " ? String($0.dropLast()) : $0 }.filter { !$0.isEmpty }
    }

    mutating func entry(
        _ kind: String, _ variables: [String: AddressSet]
    ) throws(ThresholdProblem) -> ThresholdEntry {
        let selector = SignatureSelector(generator: try number("gen_id"), sid: try number("sig_id"))
        switch kind {
        case "suppress": return try suppression(selector, variables)
        case "threshold", "event_filter":
            return .rate(
                selector,
                EventRate(
                    kind: try word("type"), tracking: try word("track"), count: try positive("count"),
                    seconds: try positive("seconds")))
        case "rate_filter":
            return .action(
                selector,
                ActionRate(
                    tracking: try word("track"), count: try positive("count"),
                    seconds: try positive("seconds"), newAction: try word("new_action"),
                    timeout: try number("timeout")))
        default:
            throw ThresholdProblem(
                message: "'\(kind)' is no kind of entry",
                help: "use suppress, threshold, event_filter or rate_filter")
        }
    }

    func requireAllRead() throws(ThresholdProblem) {
        guard let name = values.first(where: { unread.contains($0.name) })?.name else { return }
        throw ThresholdProblem(message: "'\(name)' does not belong here", help: "remove it")
    }

    private mutating func suppression(
        _ selector: SignatureSelector, _ variables: [String: AddressSet]
    ) throws(ThresholdProblem) -> ThresholdEntry {
        guard unread.contains("track") else { return .suppress(selector, .byEither, nil) }
        let tracking: ThresholdTracking = try word("track")
        let list = try value("ip")
        guard let addresses = Self.addresses(list, variables) else {
            throw ThresholdProblem(
                message: "'\(list)' is no address, prefix, list of them or variable",
                help: "write 192.0.2.1, 192.0.2.0/24, !192.0.2.1, [192.0.2.1, 192.0.2.5] or $NAME")
        }
        return .suppress(selector, tracking, addresses)
    }

    /// "[a, b, !c]", "$NAME", "192.0.2.0/24", "!$NAME": all but those where none is given.
    private static func addresses(_ text: String, _ variables: [String: AddressSet]) -> AddressSet? {
        if text.hasPrefix("$") { return variables[String(text.dropFirst())] }
        var given: AddressSet?
        var taken: AddressSet?
        let inner = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
        for item in inner.split(separator: ",") {
            var word = item.drop { $0 == " " }
            if word.last == " " { word.removeLast() }
            let isNegated = word.hasPrefix("!")
            let name = isNegated ? word.dropFirst() : word
            guard let one = name.hasPrefix("$") ? variables[String(name.dropFirst())] : prefix(name) else {
                return nil
            }
            if isNegated { taken = taken?.union(one) ?? one } else { given = given?.union(one) ?? one }
        }
        guard let taken else { return given }
        return (given ?? .all).subtracting(taken)
    }

    private static func prefix(_ text: some StringProtocol) -> AddressSet? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first), parts.count <= 2 else { return nil }
        let length = parts.count == 2 ? Int(parts[1]) : address.family.bitWidth
        guard let length, let prefix = Prefix(masking: address, length: length) else { return nil }
        let bounds = prefix.bounds
        guard address.family == .ipv4 else { return AddressSet(v6: IntervalSet(bounds)) }
        let (low, high) = (bounds.lowerBound, bounds.upperBound)
        return AddressSet(v4: IntervalSet(UInt32(truncatingIfNeeded: low)...UInt32(truncatingIfNeeded: high)))
    }
}

extension ThresholdOptions {
    private mutating func value(_ name: String) throws(ThresholdProblem) -> String {
        guard let found = values.first(where: { $0.name == name }) else {
            throw ThresholdProblem(message: "the entry has no '\(name)'", help: "add ', \(name) VALUE'")
        }
        unread.remove(name)
        return found.value
    }

    private mutating func number(_ name: String) throws(ThresholdProblem) -> UInt32 {
        let text = try value(name)
        guard let number = UInt32(text) else {
            throw ThresholdProblem(
                message: "'\(text)' is no number for '\(name)'", help: "use 0 to \(UInt32.max)")
        }
        return number
    }

    private mutating func positive(_ name: String) throws(ThresholdProblem) -> UInt32 {
        let number = try number(name)
        guard number > 0 else {
            throw ThresholdProblem(message: "'\(name)' is 0", help: "use a number above 0")
        }
        return number
    }

    private mutating func word<Word: RawRepresentable<String> & CaseIterable>(
        _ name: String
    ) throws(ThresholdProblem) -> Word {
        let text = try value(name)
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw ThresholdProblem(message: "'\(text)' is no value of '\(name)'", help: "use \(words)")
        }
        return word
    }
}
