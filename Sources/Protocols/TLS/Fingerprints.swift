// SPDX-License-Identifier: Apache-2.0
// JA3, JA3S (MD5) and JA4 (SHA-256, cut) of hellos. In: a hello's lists. Out: the texts and their hashes.

extension TLSClientHello {
    mutating func fingerprint(transport: Unicode.Scalar) {
        ja3Text = makeJA3Text()
        ja3 = Hashing.md5(ja3Text).hexadecimal
        ja4 = makeJA4(transport: transport)
    }

    /// Version, suites, extensions, groups, point formats in decimal, without GREASE.
    private func makeJA3Text() -> [UInt8] {
        var text: [UInt8] = []
        text.appendDecimal(legacyVersion.rawValue)
        for list in [cipherSuites, extensions, groups] { text.appendJA3List(list.filter { !isGrease($0) }) }
        text.appendJA3List(pointFormats)
        return text
    }

    private func makeJA4(transport: Unicode.Scalar) -> [UInt8] {
        let suites = cipherSuites.filter { !isGrease($0) }
        let types = extensions.filter { !isGrease($0) }
        var text = [UInt8(truncatingIfNeeded: transport.value)]
        text.append(contentsOf: Self.ja4Version(highestVersion).utf8)
        text.append(extensions.contains(0) ? 0x64 : 0x69)
        text.appendTwoDigits(suites.count)
        text.appendTwoDigits(types.count)
        text += ja4Protocol
        text.append(0x5f)
        text += Self.cutHash(Self.joined(suites.sorted()))
        text.append(0x5f)
        // The server's name and ALPN change with the destination.
        var tail = Self.joined(types.filter { $0 != 0 && $0 != 16 }.sorted())
        let algorithms = signatureAlgorithms.filter { !isGrease($0) }
        if !algorithms.isEmpty, !types.isEmpty { tail += [0x5f] + Self.joined(algorithms) }
        text += types.isEmpty ? [UInt8](repeating: 0x30, count: 12) : Self.cutHash(tail)
        return text
    }

    private static func ja4Version(_ version: TLSVersion) -> String {
        switch version.rawValue {
        case 0x0304: "13"
        case 0x0303: "12"
        case 0x0302: "11"
        case 0x0301: "10"
        case 0x0300: "s3"
        case 0x0002: "s2"
        default: "00"
        }
    }

    /// The first protocol's first and last character; of the hexadecimal form where one is no letter or
    /// digit.
    private var ja4Protocol: [UInt8] {
        guard let name = applicationProtocols.first, let first = name.first, let last = name.last else {
            return [0x30, 0x30]
        }
        if Self.isAlphanumeric(first), Self.isAlphanumeric(last) { return [first, last] }
        let digits = [first, last].hexadecimal
        return [digits[0], digits[3]]
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }

    private static func joined(_ words: [UInt16]) -> [UInt8] {
        var text: [UInt8] = []
        for word in words {
            if !text.isEmpty { text.append(0x2c) }
            text += [UInt8(word >> 8), UInt8(word & 0xff)].hexadecimal
        }
        return text
    }

    /// The hash's first 12 digits; zeros for nothing.
    private static func cutHash(_ text: [UInt8]) -> [UInt8] {
        text.isEmpty
            ? [UInt8](repeating: 0x30, count: 12) : [UInt8](Hashing.sha256(text).prefix(6)).hexadecimal
    }
}

extension TLSServerHello {
    mutating func fingerprint() {
        var text: [UInt8] = []
        text.appendDecimal(legacyVersion.rawValue)
        text.append(0x2c)
        text.appendDecimal(cipherSuite)
        text.appendJA3List(extensions)
        ja3sText = text
        ja3s = Hashing.md5(text).hexadecimal
    }
}

extension Array<UInt8> {
    /// A comma, then the numbers joined with dashes.
    fileprivate mutating func appendJA3List(_ numbers: [some UnsignedInteger]) {
        append(0x2c)
        for (index, number) in numbers.enumerated() {
            if index > 0 { append(0x2d) }
            appendDecimal(number)
        }
    }

    fileprivate mutating func appendTwoDigits(_ number: Int) {
        let shown = UInt8(Swift.min(Swift.max(0, number), 99))
        append(0x30 + shown / 10)
        append(0x30 + shown % 10)
    }
}
