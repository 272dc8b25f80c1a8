// SPDX-License-Identifier: Apache-2.0
// What is stored beside a running program, so that any process can say which policy runs.
import Foundation
import NetworkTypes

/// A generation's description; kept as JSON in a map of the program.
public struct GenerationInfo: Codable, Sendable {
    public struct RuleSlot: Codable, Sendable {
        public var name: String
        public var slot: UInt32
    }

    /// A range of addresses in text.
    public struct AddressRange: Codable, Sendable {
        public var first: String
        public var last: String

        func touches(_ prefix: Prefix) -> Bool {
            guard let first = IPAddress(first), let last = IPAddress(last),
                first.family == prefix.address.family
            else { return false }
            return first.bits <= prefix.bounds.upperBound && prefix.bounds.lowerBound <= last.bits
        }
    }

    /// The policy's name, its file as an absolute path, and when and by whom (user id) it was applied.
    public var policy: String
    public var file: String
    public var mode: String
    /// Nanoseconds since 1970-01-01T00:00Z.
    public var appliedNanoseconds: Int64
    public var user: UInt32
    /// xdpguard's version.
    public var version: String
    /// In the policy's order.
    public var rules: [RuleSlot]
    /// Bytes of the generation's tables.
    public var tableBytes: UInt64
    /// Where no ban holds.
    public var neverBan: [AddressRange]

    static func ranges(_ set: AddressSet) -> [AddressRange] {
        let v4 = set.v4.ranges.map { (IPAddress(v4: $0.lowerBound), IPAddress(v4: $0.upperBound)) }
        let v6 = set.v6.ranges.map { (IPAddress(v6: $0.lowerBound), IPAddress(v6: $0.upperBound)) }
        return (v4 + v6).map { AddressRange(first: $0.0.description, last: $0.1.description) }
    }

    public func encoded() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }
    public static func decoded(_ bytes: [UInt8]) -> GenerationInfo? {
        try? JSONDecoder().decode(GenerationInfo.self, from: Data(bytes))
    }
}
