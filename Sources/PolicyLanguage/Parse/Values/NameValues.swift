// SPDX-License-Identifier: Apache-2.0
// Names and references as text in, checked names out: of rules and policies, definitions, interfaces,
// files.
import Diagnostics
import NetworkTypes

/// Bytes of UTF-8 in a name: what the datapath keeps for one.
private let longestName = 127

/// A rule's or policy's name: printable text of 1 to 127 bytes.
public func parseName(_ text: String) throws(ValueError) -> String {
    // Names are ASCII nearly always, and Unicode's tables are slow.
    let isPlain = text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
    if isPlain, text.utf8.count <= longestName, text.utf8.contains(where: { $0 > 0x20 }) { return text }
    guard text.utf8.contains(where: { $0 > 0x20 }), text.contains(where: { !$0.isWhitespace }) else {
        throw ValueError(
            id: "empty-name", "the name is empty", help: "write a name that tells what it is for")
    }
    guard text.utf8.count <= longestName else {
        throw ValueError(
            id: "long-name", "the name has \(text.utf8.count) bytes, at most \(longestName) are kept",
            help: "shorten it")
    }
    guard printable(text) == text && !text.contains("\t") else {
        throw ValueError(
            id: "name-syntax", "the name holds characters that cannot be printed", help: "remove them")
    }
    return text
}

/// The name of a set, service, limit or inspector: letters, digits, `-`, `_` and `.`.
public func parseDefinitionName(_ text: String) throws(ValueError) -> String {
    let name = try parseName(text)
    guard name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) }) else {
        throw ValueError(
            id: "name-syntax", "'\(text)' cannot be a name that others refer to",
            help: "use letters, digits, '-', '_' and '.'")
    }
    return name
}

/// A file's path or glob as text; what it names is not looked at.
func parsePath(_ text: String) throws(ValueError) -> String {
    guard !text.isEmpty, !text.utf8.contains(0) else {
        throw ValueError(id: "empty-value", "the path is empty", help: "write a file's path")
    }
    return text
}

/// An interface name or glob of a rule; captures name interfaces in their own way, so that only blanks are
/// refused.
func parseInterfaceGlob(_ text: String) throws(ValueError) -> String {
    guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
        throw ValueError(
            id: "interface-syntax", "'\(text)' is no interface name",
            help: "write a name or a glob, as in eth0 or \"eth*\"")
    }
    return text
}

/// An interface to attach to: Linux names have 1 to 15 bytes and no slash (IFNAMSIZ, dev_valid_name).
func parseAttachedInterface(_ text: String) throws(ValueError) -> String {
    let glob = try parseInterfaceGlob(text)
    let isGlob = glob.contains { "*?[".contains($0) }
    guard isGlob || glob.utf8.count <= 15, !glob.contains("/"), glob != ".", glob != "..",
        !glob.hasPrefix("!")
    else {
        throw ValueError(
            id: "interface-syntax", "'\(text)' can be no interface's name",
            help: "names have at most 15 bytes and no '/'; globs such as \"eth*\" name several")
    }
    return glob
}

func parseAddressTerm(_ text: String) throws(ValueError) -> AddressTerm {
    if let name = reference(text) { return .named(name) }
    let plain = text.utf8.withContiguousStorageIfAvailable { plainPrefix($0) }
    if let prefix = plain ?? nil { return .literal(AddressSet(prefix)) }
    do throws(ValueError) {
        return .literal(try parseAddressItem(text, lenientHostBits: false).addresses)
    } catch {
        guard error.id == "address-syntax", text.first?.isLetter == true else { throw error }
        throw ValueError(
            id: error.id, error.message,
            help: "write $\(text) if a set is meant, else an address, prefix or range")
    }
}

func parseServiceTerm(_ text: String) throws(ValueError) -> ServiceTerm {
    if let name = reference(text) { return .named(name) }
    return .literal(ServiceSet(try parseServiceItem(text)))
}

/// Remembers services by their text: a large policy has many rules for few of them, which then share one
/// value's memory too.
final class ServiceMemo {
    private var known: [String: ServiceTerm] = [:]
    private static let most = 10_000

    func term(_ text: String) throws(ValueError) -> ServiceTerm {
        if let term = known[text] { return term }
        let term = try parseServiceTerm(text)
        if known.count < Self.most { known[text] = term }
        return term
    }
}

/// The name behind "$"; nil where the text is a value.
private func reference(_ text: String) -> String? {
    text.utf8.first == UInt8(ascii: "$") ? String(text.dropFirst()) : nil
}

func parsePortRange(_ text: String) throws(ValueError) -> ClosedRange<UInt16> {
    try narrowed(parseNumberRange(text, in: 0...65535, named: "port"))
}

/// 65535 stands for all lengths from there on: only IPv6 packets can be longer, by up to 40 bytes.
func parseLengthRange(_ text: String) throws(ValueError) -> ClosedRange<UInt16> {
    try narrowed(parseNumberRange(text, in: 0...65535, named: "length"))
}

/// Tags with id 0 are no tags to rules, hence from 1.
func parseTag(_ text: String) throws(ValueError) -> TagTerm {
    if text == "none" { return nil }
    return try narrowed(parseNumberRange(text, in: 1...4095, named: "vlan id"))
}

func parseTTLRange(_ text: String) throws(ValueError) -> ClosedRange<UInt8> {
    try narrowed(parseNumberRange(text, in: 0...255, named: "ttl"))
}

func parseDSCPRange(_ text: String) throws(ValueError) -> ClosedRange<UInt8> {
    try narrowed(parseNumberRange(text, in: 0...63, named: "dscp"))
}

/// The caller's limits fit the narrower type; clamping says so without a trap.
private func narrowed<Bound: FixedWidthInteger>(_ range: ClosedRange<UInt64>) -> ClosedRange<Bound> {
    let low = Bound(clamping: range.lowerBound)
    return low...max(low, Bound(clamping: range.upperBound))
}
