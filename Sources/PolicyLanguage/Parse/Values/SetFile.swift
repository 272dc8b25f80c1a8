// SPDX-License-Identifier: Apache-2.0
// A set file's text in, its addresses and what is wrong with it out. Bytes all the way: lists have a
// million lines.
import Diagnostics
import NetworkTypes

/// Reads a list of addresses: the first word of a line is an address, prefix or range; what follows white
/// space, `#` or `;` is ignored, and so are lines without a word. Bits beyond a prefix's length are masked,
/// with a warning.
/// - Returns: `entries` counts the lines that gave addresses.
public func parseSetFile(
    _ source: consuming SourceText
) -> (addresses: AddressSet, entries: Int, diagnostics: [Diagnostic]) {
    let list = readLines(source)
    // The text is no longer needed: sorting takes its place in memory.
    return (
        AddressSet(v4: IntervalSet(consuming: list.v4), v6: IntervalSet(consuming: list.v6)), list.entries,
        list.diagnostics
    )
}

/// Ranges in the order of the file.
private typealias AddressLines = (
    v4: [ClosedRange<UInt32>], v6: [ClosedRange<UInt128>], entries: Int, diagnostics: [Diagnostic]
)

private func readLines(_ source: consuming SourceText) -> AddressLines {
    let bytes = source.bytes
    var reader = SetFileReader(source: source)
    bytes.withUnsafeBufferPointer { reader.read($0) }
    return (reader.v4, reader.v6, reader.entries, reader.allDiagnostics)
}

private struct SetFileReader {
    /// Of either kind this many are told one by one, then only counted.
    static let told = 5
    let source: SourceText
    var v4: [ClosedRange<UInt32>] = []
    var v6: [ClosedRange<UInt128>] = []
    var entries = 0
    private var lines = 0
    var diagnostics: [Diagnostic] = []
    var masked = (count: 0, firstUntold: 0...0)
    var bad = (count: 0, firstUntold: 0...0)

    init(source: SourceText) { self.source = source }

    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) {
        lines = bytes.reduce(1) { $1 == 0x0a ? $0 + 1 : $0 }
        let hasMark = bytes.starts(with: [0xef, 0xbb, 0xbf])
        var index = hasMark ? 3 : 0
        while index < bytes.count {
            while index < bytes.count, isBlank(bytes[index]) { index += 1 }
            let start = index
            if let range = plainV4(bytes, &index) {
                entries += 1
                append(range)
            } else {
                while index < bytes.count, !endsWord(bytes[index]) { index += 1 }
                if index > start { entry(bytes, start, index) }
            }
            while index < bytes.count, bytes[index] != 0x0a { index += 1 }
            index += 1
        }
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
    private func endsWord(_ byte: UInt8) -> Bool {
        byte <= 0x20 ? isBlank(byte) || byte == 0x0a : byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";")
    }

    private mutating func entry(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) {
        let word = UnsafeBufferPointer(rebasing: bytes[start..<end])
        if let prefix = plainPrefix(word) {
            entries += 1
            return append(prefix)
        }
        let text = String(decoding: word, as: UTF8.self)
        do {
            let item = try parseAddressItem(text, lenientHostBits: true)
            entries += 1
            v4 += item.addresses.v4.ranges
            v6 += item.addresses.v6.ranges
            if let prefix = item.maskedHostBits { noteMasked(text, prefix, start, end) }
        } catch {
            noteBad(error, start, end)
        }
    }

    private mutating func append(_ prefix: Prefix) {
        let bounds = prefix.bounds
        if let low = prefix.address.v4Bits {
            append(low...max(low, UInt32(truncatingIfNeeded: bounds.upperBound)))
        } else {
            // Growing step by step would take half as much again.
            if v6.isEmpty { v6.reserveCapacity(lines) }
            v6.append(bounds)
        }
    }

    private mutating func append(_ range: ClosedRange<UInt32>) {
        if v4.isEmpty { v4.reserveCapacity(lines) }
        v4.append(range)
    }

    /// A whole word that is an IPv4 address or prefix without host bits, in one pass; nil, the index as it
    /// was, for what takes a closer look.
    private func plainV4(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> ClosedRange<UInt32>? {
        var at = index
        var low: UInt32 = 0
        for part in 0..<4 {
            guard let octet = number(bytes, &at, to: 255) else { return nil }
            low = low << 8 | octet
            if part == 3 { break }
            guard at < bytes.count, bytes[at] == UInt8(ascii: ".") else { return nil }
            at += 1
        }
        var hostMask: UInt32 = 0
        if at < bytes.count, bytes[at] == UInt8(ascii: "/") {
            at += 1
            guard let length = number(bytes, &at, to: 32) else { return nil }
            hostMask = length == 0 ? UInt32.max : (1 << (32 - length)) - 1
        }
        guard at == bytes.count || endsWord(bytes[at]), low & hostMask == 0 else { return nil }
        index = at
        return low...(low | hostMask)
    }

    /// Up to three digits without leading zeros, at most `most`.
    private func number(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, to most: UInt32
    ) -> UInt32? {
        let start = index
        var value: UInt32 = 0
        while index < bytes.count, bytes[index] &- 0x30 <= 9 {
            guard index == start || value != 0, index - start < 3 else { return nil }
            value = value * 10 + UInt32(bytes[index] - 0x30)
            index += 1
        }
        return index > start && value <= most ? value : nil
    }

    private mutating func noteMasked(_ text: String, _ prefix: Prefix, _ start: Int, _ end: Int) {
        masked.count += 1
        if masked.count == Self.told + 1 { masked.firstUntold = start...end }
        guard masked.count <= Self.told else { return }
        diagnostics.append(
            Diagnostic(
                .warning, id: "host-bits", "prefix '\(text)' has host bits set; read as \(prefix)",
                at: SourceRange(source, start, end), help: "write \(prefix) in the list"))
    }

    private mutating func noteBad(_ error: ValueError, _ start: Int, _ end: Int) {
        bad.count += 1
        if bad.count == Self.told + 1 { bad.firstUntold = start...end }
        guard bad.count <= Self.told else { return }
        diagnostics.append(
            Diagnostic(id: error.id, error.message, at: SourceRange(source, start, end), help: error.help))
    }

    var allDiagnostics: [Diagnostic] {
        var all = diagnostics
        let (moreMasked, moreBad) = (masked.count - Self.told, bad.count - Self.told)
        if moreMasked > 0 {
            let range = SourceRange(source, masked.firstUntold.lowerBound, masked.firstUntold.upperBound)
            let message = "\(moreMasked) more from here on with host bits set, read without them"
            all.append(Diagnostic(.warning, id: "host-bits", message, at: range))
        }
        if moreBad > 0 {
            let range = SourceRange(source, bad.firstUntold.lowerBound, bad.firstUntold.upperBound)
            all.append(Diagnostic(id: "address-syntax", "\(moreBad) more bad lines from here on", at: range))
        }
        return all
    }
}
