// SPDX-License-Identifier: Apache-2.0
// JSON text and timestamps, character by character.
import JSONOutput
import Testing

@Test func `objects keep their order and strings are escaped`() {
    let value: JSONValue = .object([
        ("b", 1), ("a", .array([.null, true, .number(1.5), .number(.infinity)])),
        ("text", .string("quote \" slash \\ line\nbell \u{7} c1 \u{9b} é")),
    ])
    #expect(
        value.text
            == #"{"b":1,"a":[null,true,1.5,null],"text":"quote \" slash \\ line\nbell \u0007 c1 \u009b é"}"#)
}

private let times: [(Int64, String)] = [
    (0, "1970-01-01T00:00:00.000000Z"), (1_767_322_985_678_901_234, "2026-01-02T03:03:05.678901Z"),
    (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"),
    (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999Z"),
    (-2_208_988_800_000_000_000, "1900-01-01T00:00:00.000000Z"),
]

@Test(arguments: times)
func `a time is RFC 3339 with microseconds`(nanoseconds: Int64, text: String) {
    #expect(timestamp(nanoseconds: nanoseconds) == text)
}
