// SPDX-License-Identifier: Apache-2.0
// Which line of a set file holds an address.
import Diagnostics
import NetworkTypes

/// The first line of a set file that gives an address.
/// - Returns: the line's number, from 1 on, and its first word; nil where no line does.
public func findInSetFile(_ source: SourceText, _ address: IPAddress) -> (line: Int, text: String)? {
    let bytes = source.bytes
    var (start, line) = (0, 1)
    while start < bytes.count {
        // A piece is read as a whole, as line by line takes long; then its lines, where it has the address.
        var (end, lines) = (start, 0)
        while end < bytes.count, lines < 1000 {
            if bytes[end] == 0x0a { lines += 1 }
            end += 1
        }
        let piece = Array(bytes[start..<end])
        if parseSetFile(SourceText(path: source.path, bytes: piece)).addresses.contains(address) {
            for (offset, text) in piece.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
            {
                let one = parseSetFile(SourceText(path: source.path, bytes: Array(text)))
                guard one.addresses.contains(address) else { continue }
                let word = text.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0xef || $0 == 0xbb || $0 == 0xbf }
                    .prefix { $0 > 0x20 && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
                return (line + offset, String(decoding: word, as: UTF8.self))
            }
        }
        (start, line) = (end, line + lines)
    }
    return nil
}
