// SPDX-License-Identifier: Apache-2.0
// Sets in words and as JSON; addresses of the command line read.
import Diagnostics
import JSONOutput
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Service

/// A set's name as the user may write it, with or without "$".
func plainSetName(_ text: String) -> String { text.hasPrefix("$") ? String(text.dropFirst()) : text }

func entries(_ count: Int) -> String { count == 1 ? "entry" : "entries" }

/// An address, prefix or range of the command line.
func parseAddresses(_ text: String) throws -> AddressSet {
    do throws(ValueError) {
        return try parseAddressItem(text, lenientHostBits: false).addresses
    } catch {
        throw ServiceError(.usage, printable(error.message) + (error.help.map { "; \($0)" } ?? ""))
    }
}

extension AddressSet {
    /// Each range as a prefix or address where it is one, else as FIRST-LAST.
    var texts: [String] {
        let in4 = v4.ranges.map { text(IPAddress(v4: $0.lowerBound), IPAddress(v4: $0.upperBound)) }
        let in6 = v6.ranges.map { text(IPAddress(v6: $0.lowerBound), IPAddress(v6: $0.upperBound)) }
        return in4 + in6
    }

    var rangeCount: Int { v4.ranges.count + v6.ranges.count }
}

private func text(_ first: IPAddress, _ last: IPAddress) -> String {
    if first == last { return first.description }
    let width = first.family.bitWidth
    let different = (first.bits ^ last.bits).leadingZeroBitCount - (128 - width)
    if let prefix = Prefix(masking: first, length: max(0, min(width, different))),
        prefix.address == first, prefix.bounds.upperBound == last.bits
    {
        return prefix.description
    }
    return "\(first)-\(last)"
}

extension SetEntry {
    private var change: String {
        guard set.changedNanoseconds != 0 else { return "as applied" }
        let time = timestamp(nanoseconds: set.changedNanoseconds)
        return set.changes.isEmpty ? "refreshed \(time)" : "changed by hand, last \(time)"
    }

    private var origin: String { self.set.file.isEmpty ? "policy" : set.file }

    var line: String {
        guard let members else { return printable("\(set.name): not used by any rule, from \(origin)") }
        return printable(
            "\(set.name): \(members.rangeCount) \(members.rangeCount == 1 ? "range" : "ranges"), "
                + "\(hits.source) hits as source, \(hits.destination) as destination, from \(origin), "
                + change)
    }

    var json: [(String, JSONValue)] {
        [
            ("name", .string(set.name)), ("used", .bool(set.isUsed)),
            ("ranges", members.map { .integer(Int64($0.rangeCount)) } ?? .null),
            (
                "hits",
                .object([
                    ("source", .unsigned(hits.source)), ("destination", .unsigned(hits.destination)),
                ])
            ),
            ("origin", set.file.isEmpty ? "policy" : "file"),
            ("file", set.file.isEmpty ? .null : .string(set.file)),
            (
                "changed",
                set.changedNanoseconds == 0
                    ? .null : .string(timestamp(nanoseconds: set.changedNanoseconds))
            ), ("by_hand", .bool(!set.changes.isEmpty)),
        ]
    }
}

extension SetAnswer {
    func line(of set: String) -> String { "\(address) is \(isMember ? "in" : "not in") '\(set)': \(reason)" }

    var json: JSONValue {
        .object([
            ("address", .string(address.description)), ("member", .bool(isMember)),
            ("reason", .string(reason)), ("file", file.map(JSONValue.string) ?? .null),
            ("line", line.map { .integer(Int64($0)) } ?? .null),
        ])
    }
}

extension SetOutcome {
    var line: String {
        let what = isFile ? "\(count) \(entries(count)) read, " : ""
        return printable("\(name): \(what)\(isChanged ? "changed" : "unchanged")")
    }

    var json: JSONValue {
        .object([
            ("set", .string(name)), ("changed", .bool(isChanged)),
            ("entries", isFile ? .integer(Int64(count)) : .null),
        ])
    }
}
