// SPDX-License-Identifier: Apache-2.0
// What happened to the inspector itself, among its events: EVE's `engine`, as Suricata writes its own
// messages. In: a sentence. Out: one line with its end.
import JSONOutput

/// - Parameter members: further fields of the `engine` object.
func engineEvent(_ message: String, _ members: [(String, JSONValue)] = []) -> [UInt8] {
    let time = timestamp(nanoseconds: wallClock()).dropLast() + "+0000"
    let event = JSONValue.object([
        ("timestamp", .string(String(time))), ("event_type", .string("engine")),
        ("engine", .object([("message", .string(message))] + members)),
    ])
    return Array(event.text.utf8) + [UInt8(ascii: "\n")]
}
