// SPDX-License-Identifier: Apache-2.0
// Evasions in bodies: chunked, packed, and with lengths that lie.

private let payload = Array("the evil payload here".utf8)
private let answer = Array("the evil answer here".utf8)

/// Chunks of a size; with what some servers take beside the plain form.
private func chunked(_ bytes: [UInt8], _ size: Int, line: (Int) -> String = { String($0, radix: 16) })
    -> [UInt8]
{
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
        let part = bytes[start..<min(bytes.count, start + size)]
        text += Array(line(part.count).utf8) + [13, 10] + part + [13, 10]
    }
    return text + Array("0\r\n\r\n".utf8)
}

private func upload(_ name: String, _ headers: String, _ body: [UInt8]) -> MessageEvasion {
    let head = "POST / HTTP/1.1\r\nHost: www.example.com\r\n\(headers)\r\n"
    return MessageEvasion(name, Array(head.utf8) + body, finds: [.upload])
}

private func download(_ name: String, _ headers: String, _ body: [UInt8]) -> MessageEvasion {
    let request = Array("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n".utf8)
    return MessageEvasion(
        name, request, answer: Array("HTTP/1.1 200 OK\r\n\(headers)\r\n".utf8) + body, finds: [.download])
}

private let isChunked = "Transfer-Encoding: chunked\r\n"

private func packed(_ coding: String, _ bytes: [UInt8]) -> (String, [UInt8]) {
    ("Content-Encoding: \(coding)\r\nContent-Length: \(bytes.count)\r\n", bytes)
}

extension MessageEvasion {
    private typealias Maker = (String, String, [UInt8]) -> MessageEvasion

    static let uploads: [MessageEvasion] =
        chunks(upload, "upload", payload)
        + codings(upload, "upload", payload) + [
            upload("upload: 100-continue", "Expect: 100-continue\r\nContent-Length: 21\r\n", payload),
            upload("upload: a length twice", "Content-Length: 21\r\nContent-Length: 21\r\n", payload),
            upload("upload: a length with a sign", "Content-Length: +21\r\n", payload),
            upload("upload: both lengths", "Content-Length: 3\r\n" + isChunked, chunked(payload, 4)),
        ]

    static let downloads: [MessageEvasion] =
        chunks(download, "download", answer)
        + codings(download, "download", answer) + [
            download("download: until the connection ends", "", answer),
            download("download: a longer length than sent", "Content-Length: 4000\r\n", answer),
            MessageEvasion(
                "download: behind 100 (Continue)", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
                answer: Array("HTTP/1.1 100 Continue\r\n\r\n".utf8) + plainResponse, finds: [.download]),
            MessageEvasion(
                "download: line ends without CR", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8),
                answer: Array("HTTP/1.1 200 OK\nContent-Length: 20\n\n".utf8) + answer, finds: [.download]),
        ]

    private static func chunks(_ make: Maker, _ word: String, _ bytes: [UInt8]) -> [MessageEvasion] {
        [
            make("\(word): chunked", isChunked, chunked(bytes, 7)),
            make("\(word): a chunk for each byte", isChunked, chunked(bytes, 1)),
            make("\(word): chunk extensions", isChunked, chunked(bytes, 3) { "\($0);a=\"b\"" }),
            make("\(word): zeros before chunk lengths", isChunked, chunked(bytes, 3) { "0000\($0)" }),
            make("\(word): blanks behind chunk lengths", isChunked, chunked(bytes, 3) { "\($0)  " }),
            make("\(word): another case of chunked", "transfer-encoding: CHUNKED\r\n", chunked(bytes, 5)),
            make("\(word): a folded coding", "Transfer-Encoding:\r\n chunked\r\n", chunked(bytes, 5)),
            make("\(word): a blank before the colon", "Transfer-Encoding : chunked\r\n", chunked(bytes, 5)),
        ]
    }

    private static func codings(_ make: Maker, _ word: String, _ bytes: [UInt8]) -> [MessageEvasion] {
        let all: [(String, (String, [UInt8]))] = [
            ("gzip", packed("gzip", Deflate.gzip(bytes))),
            ("x-gzip", packed("x-gzip", Deflate.gzip(bytes))),
            ("another case of gzip", packed("GZip", Deflate.gzip(bytes))),
            ("deflate", packed("deflate", Deflate.zlib(bytes))),
            ("deflate without zlib's frame", packed("deflate", Deflate.raw(bytes))),
            ("gzip twice", packed("gzip, gzip", Deflate.gzip(Deflate.gzip(bytes)))),
            ("gzip in chunks", ("Content-Encoding: gzip\r\n" + isChunked, chunked(Deflate.gzip(bytes), 3))),
            ("gzip that is deflate", packed("gzip", Deflate.zlib(bytes))),
            ("deflate that is gzip", packed("deflate", Deflate.gzip(bytes))),
            ("gzip behind an empty member", packed("gzip", Deflate.gzip([]) + Deflate.gzip(bytes))),
            ("gzip in members of a byte", packed("gzip", bytes.flatMap { Deflate.gzip([$0]) })),
        ]
        return all.map { name, message in make("\(word): \(name)", message.0, message.1) }
    }
}
