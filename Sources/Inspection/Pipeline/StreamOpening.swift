// SPDX-License-Identifier: Apache-2.0
// Protocols that a connection's first command names, long before the detector has seen enough of it. In: the
// first bytes of both directions. Out: the signatures' word.
import Signatures

/// The first bytes of a connection, as far as they came in order.
struct StreamOpening {
    var client: [UInt8]
    /// Empty where the server has said nothing, or is not seen.
    var server: [UInt8]

    /// Bytes that are looked at.
    static let most = 128

    /// FTP (RFC 959) and SMTP (RFC 5321), by the client's first command and the server's greeting. Nil where
    /// it is neither, or cannot be told yet.
    var application: Signatures.ApplicationProtocol? {
        guard !client.isEmpty, server.isEmpty || isGreeted else { return nil }
        if Self.begins(client, with: "ehlo") || Self.begins(client, with: "helo") { return .smtp }
        if Self.begins(client, with: "feat") { return .ftp }
        // Without a greeting USER may be IRC's, which has more words behind it (RFC 1459 section 4.1.3).
        if Self.begins(client, with: "user") { return isGreeted || hasOneWord ? .ftp : nil }
        // What POP3 and IRC have too.
        guard isGreeted else { return nil }
        return Self.begins(client, with: "pass") || Self.begins(client, with: "auth") ? .ftp : nil
    }

    /// Whether a client that begins with this byte may say what is looked for: most do not.
    static func mayBegin(_ byte: UInt8) -> Bool { "aefhpu".utf8.contains(byte | 0x20) }

    /// RFC 959 section 4.2, RFC 5321 section 4.2: three digits, then a blank or a hyphen.
    private var isGreeted: Bool {
        server.count >= 4 && server[..<3].allSatisfy { (0x30...0x39).contains($0) }
            && (server[3] == 0x20 || server[3] == 0x2d)
    }

    /// The first line is whole, and one word stands behind its command.
    private var hasOneWord: Bool {
        guard let end = client.firstIndex(of: 0x0a) else { return false }
        return client[..<end].split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }.count == 2
    }

    /// Whether a command stands first, in either case, with a blank or its line's end behind it.
    private static func begins(_ line: [UInt8], with command: StaticString) -> Bool {
        let count = command.utf8CodeUnitCount
        guard line.count > count else { return false }
        let wanted = UnsafeBufferPointer(start: command.utf8Start, count: count)
        guard zip(line, wanted).allSatisfy({ $0 | 0x20 == $1 }) else { return false }
        return [0x20, 0x09, 0x0d, 0x0a].contains(line[count])
    }
}
