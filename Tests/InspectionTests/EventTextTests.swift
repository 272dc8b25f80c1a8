// SPDX-License-Identifier: Apache-2.0
// What somebody sent, as it stands in events: always valid text, bounded, and reversible by eye.
import Testing

@testable import Inspection

struct EventTextCase: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let text: String
    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8], _ text: String) {
        self.name = name
        self.bytes = bytes
        self.text = text
    }
}

@Test(arguments: [
    EventTextCase("plain", Array("GET /".utf8), "GET /"),
    EventTextCase("nothing", [], ""),
    EventTextCase("UTF-8 of two bytes", [0xc3, 0xa4], "\u{e4}"),
    EventTextCase("a byte alone", [0x41, 0xff, 0x42], "A\\xffB"),
    EventTextCase("an overlong form", [0xc0, 0xaf], "\\xc0\\xaf"),
    EventTextCase("a surrogate", [0xed, 0xa0, 0x80], "\\xed\\xa0\\x80"),
    EventTextCase("cut in a character", [0x41, 0xe2, 0x82], "A\\xe2\\x82"),
    EventTextCase("good behind bad", [0x80, 0xe2, 0x82, 0xac, 0xf4], "\\x80\u{20ac}\\xf4"),
])
func `bytes that somebody sent become valid text`(_ example: EventTextCase) {
    #expect(eventText(example.bytes) == example.text)
}

@Test func `a field longer than its bound is cut and says so`() {
    let text = eventText([UInt8](repeating: 0x61, count: 600), limit: 512)
    #expect(text == String(repeating: "a", count: 512) + "...")
    #expect(eventText([UInt8](repeating: 0x61, count: 512), limit: 512).utf8.count == 512)
}

@Test func `every single byte gives text without a control character in JSON`() {
    for byte in UInt8.min...UInt8.max {
        let json = eventValue([byte]).text
        #expect(json.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "byte \(byte): \(json)")
    }
}

@Test(arguments: [
    (0 as Int64, "1970-01-01T00:00:00.000000+0000"),
    (1_767_323_045_678_901_000, "2026-01-02T03:04:05.678901+0000"),
    (-1, "1969-12-31T23:59:59.999999+0000"),
])
func `EVE writes times with microseconds and a zone`(_ nanoseconds: Int64, _ text: String) {
    #expect(eveTimestamp(nanoseconds) == text)
}
