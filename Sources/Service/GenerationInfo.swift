// SPDX-License-Identifier: Apache-2.0
// What is stored beside a running program, so that any process can say which policy runs.
import Foundation
import NetworkTypes

/// A generation's description, kept in a map of the program: the text fields as JSON, then the rules in
/// binary, as there may be a million of them, and the policy's own text.
public struct GenerationInfo: Sendable {
    public struct RuleSlot: Sendable, Hashable {
        public var name: String
        public var slot: UInt32
        /// It drops or rejects what it decides; false in descriptions of earlier versions.
        public var drops: Bool

        public init(name: String, slot: UInt32, drops: Bool = false) {
            self.name = name
            self.slot = slot
            self.drops = drops
        }
    }

    /// How the rules of one family are searched.
    public struct Classifier: Codable, Sendable, Hashable {
        /// "ipv4" or "ipv6".
        public var family: String
        /// "bit-vectors" or "tuple-space".
        public var engine: String
        /// Rules that can match the family, and those of them that are bits of rows.
        public var rules: Int
        public var bitRules: Int
        /// Of a tuple space: entries, tuples that they lie in, and the longest list of entries.
        public var entries: Int
        public var tuples: Int
        public var longestList: Int
        /// Its tables, but for those of addresses.
        public var bytes: Int
    }

    /// A failsafe entry.
    public struct Failsafe: Codable, Sendable, Hashable {
        /// Of the rows' head word: the address is one of its sources.
        public var bit: Int
        /// FILE:LINE.
        public var place: String
    }

    /// The fields that are few.
    public struct Header: Codable, Sendable {
        /// The policy's name, its file as an absolute path, and when and by whom (user id) it was applied.
        public var policy: String
        public var file: String
        public var mode: String
        /// Nanoseconds since 1970-01-01T00:00Z.
        public var appliedNanoseconds: Int64
        public var user: UInt32
        /// xdpguard's version.
        public var version: String
        /// Bytes of the generation's tables.
        public var tableBytes: UInt64
        /// What searches the rules, for IPv4 and for IPv6.
        public var classifiers: [Classifier] = []
        /// In the policy's order.
        public var limits: [LimitInfo] = []
        /// Failsafe entries in the policy's order; nil in descriptions of earlier versions.
        public var failsafe: [Failsafe]?
        /// What findings of inspectors may ask for, by their position in the policy; nil in descriptions of
        /// earlier versions.
        public var inspectorBounds: [InspectorInfo]?
        /// Sets that `run` reads again; nil in descriptions of earlier versions.
        public var refreshes: [SetRefresh]?
        /// Names of the inspectors in the policy's order, where some rule inspects, and what stands for them
        /// in samples; nil elsewhere, and in descriptions of earlier versions.
        public var inspectors: [String]?
        public var inspectorsSeed: UInt64?
        /// Where the inspectors' signatures come from; nil in descriptions of earlier versions.
        public var signaturePaths: [SignaturePath]?
        /// The policy's file, then those that it includes, where some rule inspects; nil elsewhere, and in
        /// descriptions of earlier versions.
        public var policyFiles: [PolicyFile]?
        /// Whether it is kept of rules that they drop; nil in descriptions of earlier versions.
        public var marksDrops: Bool?

        public init(
            policy: String, file: String, mode: String, appliedNanoseconds: Int64, user: UInt32,
            version: String, tableBytes: UInt64
        ) {
            self.policy = policy
            self.file = file
            self.mode = mode
            self.appliedNanoseconds = appliedNanoseconds
            self.user = user
            self.version = version
            self.tableBytes = tableBytes
        }
    }

    public var header: Header
    /// In the policy's order.
    public var rules: [RuleSlot]
    /// Of the header's `policyFiles` those that are kept, in their order.
    public internal(set) var texts: [[UInt8]] = []

    public init(header: Header, rules: [RuleSlot]) {
        self.header = header
        self.rules = rules
    }

    public func encoded() throws -> [UInt8] {
        var writer = DescriptionWriter()
        var header = header
        header.marksDrops = true
        writer.append(Array(try JSONEncoder().encode(header)))
        writer.append(UInt32(rules.count))
        for rule in rules {
            writer.append(rule.slot)
            writer.append(Array(rule.name.utf8))
        }
        writer.append(Bits(rules.map(\.drops)).bytes)
        for text in texts { writer.append(text) }
        return writer.bytes
    }

    /// Nil for bytes that no `encoded` made.
    public static func decoded(_ bytes: [UInt8]) -> GenerationInfo? {
        var reader = DescriptionReader(bytes: bytes)
        guard let text = reader.block(), let count = reader.number(UInt32.self),
            let header = try? JSONDecoder().decode(Header.self, from: Data(text))
        else { return nil }
        var info = GenerationInfo(header: header, rules: [])
        for _ in 0..<count {
            guard let slot = reader.number(UInt32.self), let name = reader.block() else { return nil }
            info.rules.append(RuleSlot(name: String(decoding: name, as: UTF8.self), slot: slot))
        }
        if header.marksDrops ?? false {
            guard let block = reader.block(), let drops = Bits(Array(block), count: info.rules.count) else {
                return nil
            }
            for index in info.rules.indices { info.rules[index].drops = drops[index] }
        }
        for file in header.policyFiles ?? [] where file.isKept {
            guard let text = reader.block() else { return nil }
            info.texts.append(Array(text))
        }
        return info
    }
}

/// Truths, eight a byte, the first in the lowest bit.
private struct Bits {
    private(set) var bytes: [UInt8]

    init(_ truths: [Bool]) {
        bytes = [UInt8](repeating: 0, count: (truths.count + 7) / 8)
        for (index, isTrue) in truths.enumerated() where isTrue { bytes[index / 8] |= 1 << UInt8(index % 8) }
    }

    /// Nil where these are not the bytes of so many.
    init?(_ bytes: [UInt8], count: Int) {
        guard bytes.count == (count + 7) / 8 else { return nil }
        self.bytes = bytes
    }

    subscript(index: Int) -> Bool { bytes[index / 8] >> UInt8(index % 8) & 1 != 0 }
}

/// Numbers in host order, and blocks of bytes behind their length.
struct DescriptionWriter {
    var bytes: [UInt8] = []

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ block: [UInt8]) {
        append(UInt32(block.count))
        bytes += block
    }
}

/// Reads what the writer wrote; nil where the bytes end early.
struct DescriptionReader {
    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard size <= bytes.count - position else { return nil }
        defer { position += size }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Number.self) }
    }

    mutating func block() -> ArraySlice<UInt8>? {
        guard let length = number(UInt32.self), Int(length) <= bytes.count - position else { return nil }
        defer { position += Int(length) }
        return bytes[position..<position + Int(length)]
    }
}
