// SPDX-License-Identifier: Apache-2.0
// The fields of one object of an event, in order; those without a value are left out, as Suricata does.
import JSONOutput

struct EventMembers {
    private(set) var all: [(String, JSONValue)] = []

    var object: JSONValue { .object(all) }
    var isEmpty: Bool { all.isEmpty }

    mutating func add(_ name: String, _ value: JSONValue) { all.append((name, value)) }

    /// Bytes that somebody sent, bounded; nothing where there are none.
    mutating func text(_ name: String, _ bytes: some Collection<UInt8>, limit: Int = longestField) {
        if !bytes.isEmpty { all.append((name, eventValue(bytes, limit: limit))) }
    }

    mutating func text(_ name: String, _ bytes: [UInt8]?, limit: Int = longestField) {
        if let bytes { text(name, bytes[...], limit: limit) }
    }

    /// A flag, where it is set.
    mutating func flag(_ name: String, _ value: Bool) { if value { add(name, true) } }
}
