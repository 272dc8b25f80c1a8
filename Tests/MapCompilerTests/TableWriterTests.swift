// SPDX-License-Identifier: Apache-2.0
// Tables lie one behind the other, aligned, and rows have the shape that the XDP program reads.
import NetworkTypes
import Testing

@testable import MapCompiler

@Test func `every table begins at a multiple of 8 and padding is zero`() {
    var writer = TableWriter()
    #expect(writer.append([UInt16](arrayLiteral: 0x0102, 0x0304, 0x0506)) == 0)
    #expect(writer.append([UInt32(7)]) == 8)
    #expect(writer.append([UInt64]()) == 16, "an empty table takes no room")
    #expect(writer.append([UInt64.max]) == 16)
    #expect(writer.bytes.count == 24 && writer.bytes[6...7].allSatisfy { $0 == 0 })
    #expect(writer.bytes[12...15].allSatisfy { $0 == 0 } && writer.bytes[16...].allSatisfy { $0 == 0xff })
}

@Test func `a row is its head, the summary of the words that are not zero, and the words`() {
    var one = Row(words: 4)
    for bit in [0, 63, 64 + 5, 192 + 63] { one[bit] = true }
    var writer = TableWriter()
    _ = writer.append(rows: [one, Row(words: 4)])
    let words = writer.bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    #expect(words == [1 << 63 | 1, 0b101, 1 << 5, 0, 1 << 63, 0, 0, 0, 0, 0])
}

@Test func `a bit that is set and cleared leaves the row as it was`() {
    var row = Row(words: 2)
    row[100] = true
    #expect(row[100] && !row[99])
    row[100] = false
    #expect(row == Row(words: 2))
}
