// SPDX-License-Identifier: Apache-2.0
// byte_test, byte_jump, byte_extract and byte_math: tables, and fields against a model that is nothing
// but the definition.

import Signatures
import Testing

@testable import SignatureMatching

struct ByteCase: Sendable, CustomTestStringConvertible {
    var options: String
    var payload: [UInt8]
    var matches: Bool
    var testDescription: String { "\(options) on \(payload)" }

    init(_ options: String, _ payload: [UInt8], _ matches: Bool) {
        self.options = options
        self.payload = payload
        self.matches = matches
    }

    init(_ options: String, _ text: String, _ matches: Bool) { self.init(options, Array(text.utf8), matches) }
}

@Test(arguments: [
    ByteCase("byte_test:2,=,258,0;", [1, 2], true),
    ByteCase("byte_test:2,=,513,0,little;", [1, 2], true),
    ByteCase("byte_test:2,=,513,0;", [1, 2], false),
    ByteCase("byte_test:2,!=,513,0;", [1, 2], true),
    ByteCase("byte_test:2,>,257,0;", [1, 2], true),
    ByteCase("byte_test:2,<,258,0;", [1, 2], false),
    ByteCase("byte_test:2,<=,258,0;", [1, 2], true),
    ByteCase("byte_test:1,&,6,0;", [4], true),
    ByteCase("byte_test:1,&,3,0;", [4], false),
    ByteCase("byte_test:1,^,4,0;", [4], false),
    ByteCase("byte_test:1,^,5,0;", [4], true),
    ByteCase("byte_test:2,=,1,1;", [1, 2], false),
    ByteCase("byte_test:2,!=,1,1;", [1, 2], false),
    ByteCase("byte_test:3,=,123,0,string,dec;", "123", true),
    ByteCase("byte_test:4,=,123,0,string,dec;", " 123", true),
    ByteCase("byte_test:4,=,123,0,string,dec;", "123x", true),
    ByteCase("byte_test:4,=,123,0,string,dec;", "x123", false),
    ByteCase("byte_test:4,=,0x1f,0,string,hex;", "0x1f", true),
    ByteCase("byte_test:2,=,8,0,string,oct;", "10", true),
    ByteCase("content:\"ab\"; byte_test:1,=,7,0,relative;", [0x61, 0x62, 7], true),
    ByteCase("content:\"ab\"; byte_test:1,=,7,-3,relative;", [7, 0x61, 0x62], true),
    ByteCase("content:\"ab\"; byte_test:1,=,7,1,relative;", [0x61, 0x62, 7], false),
    ByteCase("byte_test:2,=,3,0,bitmask 0x0ff0;", [0x00, 0x30], true),
    ByteCase("byte_jump:1,0; content:\"x\"; within:1;", [2, 0, 0, 0x78], true),
    ByteCase("byte_jump:1,0; content:\"x\"; within:1;", [1, 0, 0, 0x78], false),
    ByteCase("byte_jump:1,0,multiplier 2; content:\"x\"; within:1;", [1, 0, 0, 0x78], true),
    ByteCase("byte_jump:1,0,from_beginning; content:\"x\"; within:1;", [3, 0, 0, 0x78], true),
    ByteCase("byte_jump:1,0,align; content:\"x\"; within:1;", [1, 0, 0, 0, 0, 0x78], true),
    ByteCase("byte_jump:1,0,post_offset 1; content:\"x\"; within:1;", [1, 0, 0, 0x78], true),
    ByteCase("byte_jump:1,0; isdataat:!1,relative;", [2, 0, 0], true),
    ByteCase("byte_jump:1,0; isdataat:!1,relative;", [3, 0, 0], false),
    ByteCase("byte_jump:1,0,from_end, post_offset -1; content:\"x\"; within:1;", [0, 1, 0x78], true),
    ByteCase("byte_extract:1,0,n; content:\"x\"; offset:n;", [2, 0, 0x78], true),
    ByteCase("byte_extract:1,0,n; content:\"x\"; offset:n;", [3, 0, 0x78, 0], false),
    ByteCase("byte_extract:1,0,n; byte_test:1,=,n,1;", [5, 5], true),
    ByteCase("byte_extract:1,0,n; byte_test:1,=,n,1;", [5, 6], false),
    ByteCase("byte_extract:1,0,n,multiplier 4; isdataat:!n;", [1, 2, 3, 4], true),
    ByteCase(
        "byte_extract:1,0,n; content:\"a\"; content:\"b\"; distance:n; within:1;", [1, 0x61, 0, 0x62], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper +, rvalue 2, result n; byte_test:1,=,n,1;", [3, 5], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper -, rvalue 2, result n; byte_test:1,=,n,1;", [3, 1], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper *, rvalue 2, result n; byte_test:1,=,n,1;", [3, 6], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper /, rvalue 2, result n; byte_test:1,=,n,1;", [7, 3], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper <<, rvalue 2, result n; byte_test:1,=,n,1;", [3, 12], true),
    ByteCase(
        "byte_math:bytes 1, offset 0, oper >>, rvalue 1, result n; byte_test:1,=,n,1;", [7, 3], true),
    ByteCase(
        "byte_extract:1,0,d; byte_math:bytes 1, offset 1, oper /, rvalue d, result n; byte_test:1,>=,0,0;",
        [0, 8], false),
])
func `numbers in payloads are read as the documentation says`(_ given: ByteCase) throws {
    let rule = "alert udp any any -> any any (msg:\"m\"; \(given.options) sid:1;)"
    let found = try matcher(rule).sids(given.payload, header(.udp))
    #expect(found == (given.matches ? [1] : []))
}

/// The definition of a binary field.
private func obviousBinary(_ place: FieldPlace, _ bytes: [UInt8]) -> UInt64? {
    guard place.start >= 0, place.count <= 8, place.start + place.count <= bytes.count else { return nil }
    let field = bytes[place.start..<place.start + place.count]
    let ordered = place.isLittleEndian ? Array(field.reversed()) : Array(field)
    let number = ordered.reduce(UInt64(0)) { $0 * 256 + UInt64($1) }
    guard let mask = place.bitmask, mask > 0 else { return number }
    var shifted = number & mask
    var rest = mask
    while rest % 2 == 0 {
        rest /= 2
        shifted /= 2
    }
    return shifted
}

@Test(arguments: [UInt64(21), 22, 23])
func `binary fields are what their definition says`(_ seed: UInt64) {
    var random = Seeded(seed)
    for round in 0..<3_000 {
        let bytes = random.bytes(0...12, from: UInt8.min...UInt8.max)
        var place = FieldPlace(
            start: Int.random(in: -2...13, using: &random), count: 0, isLittleEndian: false)
        place.count = Int.random(in: 0...9, using: &random)
        place.isLittleEndian = random.next() % 2 == 0
        if random.next() % 3 == 0 { place.bitmask = random.next() >> (random.next() % 64) }
        let found = bytes.withUnsafeBytes { readField(place, in: $0)?.number }
        #expect(found == obviousBinary(place, bytes), "seed \(seed) round \(round): \(place) in \(bytes)")
    }
}

@Test(arguments: [UInt64(31), 32])
func `numbers in text are what Swift reads of their digits`(_ seed: UInt64) {
    var random = Seeded(seed)
    let bases: [NumberField.Text] = [.octal, .decimal, .hexadecimal]
    for round in 0..<3_000 {
        let base = bases[Int(random.next() % 3)]
        let text = random.bytes(1...8, from: " 01289afF-+x".utf8)
        let place = FieldPlace(start: 0, count: text.count, isLittleEndian: false, text: base)
        let found = text.withUnsafeBytes { readField(place, in: $0)?.number }
        #expect(
            found == obviousText(text, base.rawValue), "seed \(seed) round \(round): \(text) base \(base)")
    }
}

/// strtoull by its description: blanks, sign, prefix, the longest run of digits.
private func obviousText(_ text: [UInt8], _ base: Int) -> UInt64? {
    var rest = String(decoding: text, as: UTF8.self)[...].drop { $0 == " " }
    let isNegative = rest.first == "-"
    if rest.first == "-" || rest.first == "+" { rest = rest.dropFirst() }
    let isDigit = { (digit: Character) in
        digit.isASCII && Int(String(digit), radix: base) != nil && digit != "+" && digit != "-"
    }
    if base == 16, rest.hasPrefix("0x"), rest.dropFirst(2).first.map(isDigit) == true {
        rest = rest.dropFirst(2)
    }
    guard let number = UInt64(rest.prefix(while: isDigit), radix: base) else { return nil }
    return isNegative ? 0 &- number : number
}

@Test func `a number beyond 64 bits is none`() {
    for text in ["18446744073709551616", "99999999999999999999999"] {
        let bytes = Array(text.utf8)
        let place = FieldPlace(start: 0, count: bytes.count, isLittleEndian: false, text: .decimal)
        #expect(bytes.withUnsafeBytes { readField(place, in: $0) } == nil)
    }
}

@Test(arguments: ["byte_jump:8,0;", "byte_jump:8,0,multiplier 65535;", "byte_jump:8,0,from_end;"])
func `a jump by a number that overflows goes nowhere`(_ options: String) throws {
    let rule = "alert udp any any -> any any (msg:\"m\"; \(options) content:\"x\"; distance:0; sid:1;)"
    let matcher = try matcher(rule)
    for first in [0x7f, 0x80, 0xff] as [UInt8] {
        let payload = [first] + [UInt8](repeating: 0xff, count: 7) + [0x78]
        _ = matcher.sids(payload, header(.udp))
    }
    #expect(matcher.counters.inspections == 3, "and nothing trapped")
}
