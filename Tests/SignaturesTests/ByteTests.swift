// SPDX-License-Identifier: Apache-2.0
// byte_test, byte_jump, byte_extract, byte_math and isdataat: each option, its default and its bounds.
import Signatures
import Testing

@Suite struct ByteTests {
    @Test func `byte_test reads, compares and moves nothing`() throws {
        guard
            case .byteTest(let test) = try inspections(
                "content:\"a\"; byte_test:4,>,1000,-20,relative,little;")[1]
        else { return }
        #expect(test.field.count == .literal(4) && test.field.offset == .literal(-20))
        #expect(test.field.isRelative && test.field.isLittleEndian && test.field.text == nil)
        #expect(test.comparison == .greater && !test.isNegated && test.value == .literal(1000))
    }

    @Test(arguments: [
        ("<", ByteTest.Comparison.less, false), (">", .greater, false), ("=", .equal, false),
        ("<=", .lessOrEqual, false), (">=", .greaterOrEqual, false), ("&", .and, false), ("^", .xor, false),
        ("!=", .equal, true), ("!", .equal, true), ("!&", .and, true), ("! <", .less, true),
    ])
    func `a comparison may be negated`(text: String, comparison: ByteTest.Comparison, isNegated: Bool) throws
    {
        guard case .byteTest(let test) = try inspections("byte_test:1,\(text),5,0;")[0] else { return }
        #expect(test.comparison == comparison && test.isNegated == isNegated)
    }

    @Test(arguments: [
        ("string,dec", NumberField.Text.decimal), ("string,hex", .hexadecimal), ("string,oct", .octal),
        ("string", .decimal), ("dec,string", .decimal), ("string hex", .hexadecimal),
        ("hex,string", .hexadecimal),
    ])
    func `a number may be text`(options: String, text: NumberField.Text) throws {
        guard case .byteTest(let test) = try inspections("byte_test:5,>,256,0,\(options);")[0] else { return }
        #expect(test.field.text == text)
    }

    @Test(arguments: [
        ("byte_test:8,=,1,0;", true), ("byte_test:9,=,1,0;", false), ("byte_test:0,=,1,0;", false),
        ("byte_test:0,=,1,0,string,dec;", true), ("byte_test:23,=,1,0,string,dec;", true),
        ("byte_test:24,=,1,0,string,dec;", false), ("byte_jump:0,0;", true), ("byte_jump:9,0;", false),
        ("byte_extract:0,0,n;", false), ("byte_test:1,=,0xff,0;", true),
        ("byte_test:1,=,1,2147483648;", false),
        ("byte_test:1,=,18446744073709551615,0;", false), ("byte_test:1,=,1,0,bitmask 0;", false),
        ("byte_test:1,=,1,0,bitmask 0x80;", true), ("byte_test:1,=,1,0,bitmask;", false),
        ("byte_jump:1,0,multiplier 65536;", false), ("byte_jump:1,0,multiplier 2;", true),
        ("byte_jump:1,0,multiplier;", false), ("byte_jump:1,,relative;", false), ("isdataat:!1;", true),
        ("isdataat:x;", false), ("isdataat:1,relatively;", false), ("byte_extract:1,0,n,align 3;", false),
        ("byte_extract:1,0,n,align 4;", true), ("byte_test:1,=,1,0,endian middle;", false),
        ("byte_math:bytes 1, offset 0, oper +, rvalue 1;", false),
        ("byte_math:bytes 1, offset 0, oper %, rvalue 1, result x;", false),
    ])
    func `numbers stay within their bounds`(options: String, loads: Bool) {
        let set = load("alert tcp any any -> any any (\(options) sid:1;)")
        #expect(set.counts.loaded == (loads ? 1 : 0), "\(set.diagnostics.map { $0.rendered() })")
        #expect(set.counts.unsupported == 0)
    }

    @Test func `byte_jump knows its origin, factor, rounding and what is added`() throws {
        guard
            case .byteJump(let jump) = try inspections(
                "byte_jump:4,-10,little,from_beginning,align,multiplier 3,post_offset -1,bitmask 0xff00;")[0]
        else { return }
        #expect(jump.field.offset == .literal(-10) && jump.field.isLittleEndian)
        #expect(jump.origin == .bufferStart && jump.isAligned && jump.multiplier == 3)
        #expect(jump.postOffset == .literal(-1) && jump.field.bitmask == 0xff00)
        guard case .byteJump(let end) = try inspections("byte_jump:2,0,string,from_end;")[0] else { return }
        #expect(end.origin == .bufferEnd && end.field.text == .decimal && end.postOffset == .literal(0))
        guard case .byteJump(let plain) = try inspections("byte_jump:2,1;")[0] else { return }
        #expect(plain.origin == .field && plain.multiplier == 1 && !plain.isAligned)
    }

    @Test func `byte_extract fills a slot for each name, the same for the same name`() throws {
        let signature = try signature(
            "byte_extract:1,0,a; byte_extract:2,1,b,little,multiplier 4; byte_extract:1,3,a;")
        let slots = signature.matches[0].inspections.compactMap { inspection -> Int? in
            if case .byteExtract(let extract) = inspection { extract.slot } else { nil }
        }
        #expect(slots == [0, 1, 0] && signature.variableCount == 2)
    }

    @Test func `names are of one signature, and at most 32`() {
        let first = "alert tcp any any -> any any (byte_extract:1,0,n; sid:1;)"
        let second = "alert tcp any any -> any any (byte_test:1,=,n,0; sid:2;)"
        #expect(load("\(first)\n\(second)").signatures.map(\.sid) == [1])
        func many(_ count: Int) -> Int {
            let options = (0..<count).map { "byte_extract:1,0,n\($0);" }.joined(separator: " ")
            return load("alert tcp any any -> any any (\(options) sid:1;)").counts.loaded
        }
        #expect(many(SignatureLimits.variables) == 1 && many(SignatureLimits.variables + 1) == 0)
    }

    @Test(arguments: [
        ("+", ByteMath.Operation.add), ("-", .subtract), ("*", .multiply), ("/", .divide), ("<<", .shiftLeft),
        (">>", .shiftRight),
    ])
    func `byte_math has six operations`(sign: String, operation: ByteMath.Operation) throws {
        guard
            case .byteMath(let math) = try inspections(
                "byte_math:bytes 2, offset 3, oper \(sign), rvalue 7, result sum, relative, endian little;")[
                    0]
        else { return }
        #expect(math.operation == operation && math.value == .literal(7) && math.slot == 0)
        #expect(
            math.field.count == .literal(2) && math.field.offset == .literal(3) && math.field.isLittleEndian)
        #expect(!math.field.isRelative, "relative to nothing is from the start")
    }

    @Test func `byte_math goes on with what was read, in any order of its parts`() throws {
        let chain = try inspections(
            "byte_extract:1,0,n; byte_math:result x,rvalue n,oper *,offset 0,bytes n; byte_test:1,=,x,0;")
        guard case .byteMath(let math) = chain[1], case .byteTest(let test) = chain[2] else { return }
        #expect(math.value == .variable(0) && math.field.count == .variable(0) && math.slot == 1)
        #expect(math.operation == .multiply && test.value == .variable(1))
    }

    @Test func `isdataat asks for bytes, or for none`() throws {
        guard case .dataAt(let some) = try inspections("content:\"a\"; isdataat:10,relative;")[1] else {
            return
        }
        #expect(some.distance == .literal(10) && some.isRelative && !some.isNegated)
        guard case .dataAt(let none) = try inspections("isdataat:!1,relative;")[0] else { return }
        #expect(none.isNegated && !none.isRelative)
    }

    @Test func `no byte behind a content is its endswith`() throws {
        let old = try signature("content:!\"a\"; http_host; isdataat:!1,relative; content:\"b\";").matches
        #expect(old == (try signature("content:!\"a\"; http_host; endswith; content:\"b\";").matches))
        let named = try signature("http.host; content:\"a\"; nocase; isdataat:!1,relative;").matches
        #expect(named == (try signature("http.host; content:\"a\"; nocase; endswith;").matches))
        // The newest inspection is another one, or of another buffer.
        for text in [
            "content:\"a\"; pcre:\"/b/R\"; isdataat:!1,relative;",
            "http.host; content:\"a\"; http.uri; isdataat:!1,relative;",
            "content:\"a\"; isdataat:!2,relative;", "content:\"a\"; isdataat:1,relative;",
            "content:\"a\"; isdataat:!1;",
        ] {
            let inspections = try signature(text).matches.flatMap(\.inspections)
            let tests = inspections.filter { if case .dataAt = $0 { true } else { false } }
            #expect(tests.count == 1, "\(text)")
        }
    }
}
