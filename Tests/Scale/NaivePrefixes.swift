// SPDX-License-Identifier: Apache-2.0
// Prefixes with values, looked up in the most obvious way. In: the lines of a list or a routing table. Out:
// whether an address is in one, and in which longest one.
import NetworkTypes
import TestSupport

struct NaivePrefixes {
    /// The values by prefix: one look for each possible length finds what holds an address.
    private(set) var values: [Prefix: String] = [:]
    /// In the order of their lines, the host bits masked.
    private(set) var prefixes: [Prefix] = []
    private var lengths: [AddressFamily: Set<Int>] = [:]

    /// The first word of a line is a prefix or an address, the second its value; from `#` or `;` on it is a
    /// comment.
    init(list: [UInt8]) throws {
        for line in list.split(separator: 0x0a) {
            let said = line.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
            let words = said.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
            guard let first = words.first else { continue }
            guard let prefix = Prefix(text: first) else {
                throw ExamError(description: "no prefix: '\(String(decoding: line, as: UTF8.self))'")
            }
            prefixes.append(prefix)
            values[prefix] = words.count > 1 ? String(decoding: words[1], as: UTF8.self) : ""
            lengths[prefix.address.family, default: []].insert(prefix.length)
        }
    }

    var families: [AddressFamily] { AddressFamily.allCases.filter { lengths[$0] != nil } }

    /// The lengths that occur, the longest first.
    func lengths(_ family: AddressFamily) -> [Int] { lengths[family, default: []].sorted(by: >) }

    /// The longest prefix that holds the address.
    func longest(_ address: IPAddress) -> Prefix? {
        lengths(address.family).lazy.compactMap { Prefix(masking: address, length: $0) }
            .first { values[$0] != nil }
    }

    /// First and last addresses of entries and the addresses beside them, and addresses from anywhere.
    func probes(_ count: Int, seed: UInt64) -> [IPAddress] {
        guard !prefixes.isEmpty else { return [] }
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { number in
            let prefix = random.pick(prefixes)
            let family = prefix.address.family
            let bits: UInt128 =
                switch number % 5 {
                case 0: prefix.bounds.lowerBound
                case 1: prefix.bounds.upperBound
                case 2: prefix.bounds.lowerBound &- 1
                case 3: prefix.bounds.upperBound &+ 1
                default: UInt128(random.next()) << 64 | UInt128(random.next())
                }
            return IPAddress(family: family, bits: bits)
        }
    }
}
