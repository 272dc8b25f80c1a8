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

    /// The server is seen: these protocols begin with its greeting.
    var isServerSeen = false

    /// FTP (RFC 959) and SMTP (RFC 5321), by the client's first command and the server's greeting. Nil where
    /// it is neither, or cannot be told yet.
    var application: Signatures.ApplicationProtocol? {
        let isGreeted = server.count >= 4 && !Self.isNoGreeting(server)
        guard !client.isEmpty, isGreeted || server.isEmpty && !isServerSeen else { return nil }
        if Self.begins(client, with: "ehlo") || Self.begins(client, with: "helo") { return .smtp }
        if Self.begins(client, with: "feat") { return .ftp }
        // What POP3 and IRC have too.
        guard isGreeted else { return nil }
        let isLogin = ["user", "pass", "auth"].contains { Self.begins(client, with: $0) }
        return isLogin ? .ftp : nil
    }

    /// Whether a client that begins with this byte may say what is looked for: most do not.
    static func mayBegin(_ byte: UInt8) -> Bool { "aefhpu".utf8.contains(byte | 0x20) }

    /// RFC 959 section 5.4, RFC 5321 section 4.3.2: 220, of FTP 120 too, of SMTP 554; then a blank or a
    /// hyphen.
    /// - Parameter server: its first bytes, as far as they came.
    static func isNoGreeting(_ server: [UInt8]) -> Bool {
        let codes = ["220", "120", "554"].map { Array($0.utf8) }
        guard codes.contains(where: { $0.starts(with: server.prefix(3)) }) else { return true }
        return server.count >= 4 && server[3] != 0x20 && server[3] != 0x2d
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
