// SPDX-License-Identifier: Apache-2.0
// Numbers, texts and lists to bytes and back: 64 bits a number, in this machine's order, as nothing else reads
// them.

struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ number: Int) {
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ text: String) {
        put(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func put<Element>(_ list: [Element], _ body: (inout ByteWriter, Element) -> Void) {
        put(list.count)
        for element in list { body(&self, element) }
    }
}

struct ByteReader {
    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func int() throws(DamagedImage) -> Int {
        guard bytes.count - position >= 8 else { throw DamagedImage() }
        defer { position += 8 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Int.self) }
    }

    mutating func string() throws(DamagedImage) -> String {
        let count = try int()
        guard count >= 0, count <= bytes.count - position else { throw DamagedImage() }
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }

    mutating func array<Element>(
        _ element: (inout ByteReader) throws(DamagedImage) -> Element
    ) throws(DamagedImage) -> [Element] {
        let count = try int()
        guard count >= 0, count <= (bytes.count - position) / 8 else { throw DamagedImage() }
        var found: [Element] = []
        found.reserveCapacity(count)
        for _ in 0..<count { found.append(try element(&self)) }
        return found
    }

    mutating func ints() throws(DamagedImage) -> [Int] {
        try array { input throws(DamagedImage) in try input.int() }
    }
}
