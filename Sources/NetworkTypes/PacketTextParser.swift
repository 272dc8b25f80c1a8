// SPDX-License-Identifier: Apache-2.0
// The reader of packet text: splits the line into words, reads protocol, endpoints and options, then checks
// that they go together. In: one line. Out: a PacketDescription, or the first error with its byte offset.

struct PacketTextParser {
    struct Word {
        let text: Substring
        /// Bytes from the line's start.
        let offset: Int
    }

    struct Endpoint {
        let address: IPAddress
        let port: UInt16?
        let word: Word
    }

    static let shape = "write it as 'tcp 192.0.2.1:40000 > 198.51.100.1:22 syn'"

    private var words: ArraySlice<Word>
    private let end: Int

    init(_ text: String) {
        let blanks: Set<Character> = [" ", "\t", "\n", "\r", "\r\n"]
        words =
            text.split(whereSeparator: blanks.contains).map {
                Word(text: $0, offset: text.utf8.distance(from: text.startIndex, to: $0.startIndex))
            }[...]
        end = text.utf8.count
    }

    mutating func parse() throws(PacketTextError) -> PacketDescription {
        let protocolWord = try take("protocol", help: Self.shape)
        guard protocolWord.text == "ip" || IPProtocol(name: protocolWord.text) != nil else {
            throw PacketTextError(
                "unknown protocol '\(protocolWord.text)'", at: protocolWord.offset,
                help: "use \(IPProtocol.names.map(\.name).joined(separator: ", ")), or 'ip' with 'proto N'")
        }
        let source = try endpoint("source")
        let arrow = try take("'>' and destination", help: Self.shape)
        guard arrow.text == ">" else {
            throw PacketTextError("expected '>', not '\(arrow.text)'", at: arrow.offset, help: Self.shape)
        }
        let destination = try endpoint("destination")
        var options = PacketTextOptions()
        while let word = next() { try option(word, into: &options) }
        return try describe(protocolWord, source, destination, options)
    }

    // MARK: Words

    private mutating func next() -> Word? { words.popFirst() }

    private mutating func take(_ what: String, help: String?) throws(PacketTextError) -> Word {
        guard let word = next() else { throw PacketTextError("the \(what) is missing", at: end, help: help) }
        return word
    }

    private mutating func number(_ range: ClosedRange<Int>, of word: Word) throws(PacketTextError) -> Int {
        let help = "'\(word.text)' takes a number from \(range.lowerBound) to \(range.upperBound)"
        let value = try take("number after '\(word.text)'", help: help)
        if let meant = meantNumber(value.text), meant <= UInt64(range.upperBound), range.contains(Int(meant))
        {
            throw PacketTextError.leadingZero(
                "'\(word.text)'", of: value.text, at: value.offset, meant: "\(word.text) \(meant)")
        }
        guard let number = decimalNumber(value.text.utf8), number <= UInt64(range.upperBound),
            range.contains(Int(number))
        else {
            throw PacketTextError(
                "'\(value.text)' is no value for '\(word.text)'", at: value.offset, help: help)
        }
        return Int(number)
    }

    // MARK: Endpoints

    private mutating func endpoint(_ name: String) throws(PacketTextError) -> Endpoint {
        let word = try take(name, help: Self.shape)
        let parts = Self.splitPort(word)
        guard let address = IPAddress(parts.address), !parts.bracketed || address.family == .ipv6 else {
            throw Self.noAddress(word)
        }
        guard let portText = parts.port else { return Endpoint(address: address, port: nil, word: word) }
        if let meant = meantNumber(portText), meant <= UInt64(UInt16.max) {
            throw PacketTextError.leadingZero(
                "port", of: portText, at: word.offset + word.text.utf8.count - portText.utf8.count,
                meant: Self.text(address, parts.bracketed, port: "\(meant)"))
        }
        guard let number = decimalNumber(portText.utf8), let port = UInt16(exactly: number) else {
            let offset = word.offset + word.text.utf8.count - portText.utf8.count
            throw PacketTextError(
                "'\(portText)' is not a port", at: offset, help: "use a number from 0 to 65535")
        }
        return Endpoint(address: address, port: port, word: word)
    }

    private static func noAddress(_ word: Word) -> PacketTextError {
        let parts = splitPort(word)
        let fixed = withoutLeadingZeros(inAddress: parts.address)
        if fixed != parts.address, let address = IPAddress(fixed),
            !parts.bracketed || address.family == .ipv6
        {
            return .leadingZero(
                "address", of: parts.address, at: word.offset + (parts.bracketed ? 1 : 0),
                meant: text(address, parts.bracketed, port: parts.port.map { withoutLeadingZeros($0) }))
        }
        return PacketTextError(
            "'\(word.text)' is not an address", at: word.offset,
            help: "write 192.0.2.1, 192.0.2.1:80, 2001:db8::1 or [2001:db8::1]:80")
    }

    private static func text(_ address: IPAddress, _ bracketed: Bool, port: String?) -> String {
        (bracketed ? "[\(address)]" : "\(address)") + (port.map { ":\($0)" } ?? "")
    }

    /// "[v6]:port", "[v6]", "v4:port", "v4" or a bare "v6"; more than one colon without brackets is an
    /// address.
    private static func splitPort(_ word: Word) -> (address: Substring, port: Substring?, bracketed: Bool) {
        let text = word.text
        if text.first == "[", let close = text.lastIndex(of: "]") {
            let rest = text[text.index(after: close)...]
            let address = text[text.index(after: text.startIndex)..<close]
            if rest.isEmpty { return (address, nil, true) }
            return rest.first == ":" ? (address, rest.dropFirst(), true) : (text, nil, false)
        }
        guard let colon = text.firstIndex(of: ":"), colon == text.lastIndex(of: ":") else {
            return (text, nil, false)
        }
        return (text[..<colon], text[text.index(after: colon)...], false)
    }

    // MARK: Options

    private mutating func option(_ word: Word, into options: inout PacketTextOptions) throws(PacketTextError)
    {
        switch word.text {
        case "len": try options.set(\.length, to: try number(0...65_575, of: word), word)
        case "ttl": try options.set(\.ttl, to: try number(0...255, of: word), word)
        case "dscp": try options.set(\.dscp, to: try number(0...63, of: word), word)
        case "proto": try options.set(\.proto, to: try number(0...255, of: word), word)
        case "vlan": try options.addVLAN(try number(1...4095, of: word), word)
        case "frag": try options.set(\.fragment, to: try fragmentKind(), word)
        case "on":
            try options.set(\.interface, to: String(try take("interface after 'on'", help: nil).text), word)
        case "established": try options.set(\.established, to: true, word)
        case "payload": try options.set(\.payload, to: try payload(), word)
        case "type": try options.set(\.type, to: try take("ICMP type", help: "as in 'type 8'"), word)
        default: try options.addOther(word)
        }
    }

    private mutating func fragmentKind() throws(PacketTextError) -> FragmentKind {
        let word = try take("word after 'frag'", help: "write 'frag first' or 'frag later'")
        switch word.text {
        case "first": return .first
        case "later": return .later
        default:
            throw PacketTextError(
                "unknown fragment '\(word.text)'", at: word.offset, help: "write 'frag first' or 'frag later'"
            )
        }
    }

    /// Hexadecimal pairs, in one word or several, up to the next option or the line's end.
    private mutating func payload() throws(PacketTextError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let word = words.first, bytes.isEmpty || !PacketTextOptions.keywords.contains(word.text) {
            words.removeFirst()
            guard let pairs = Self.hexBytes(word.text) else {
                throw PacketTextError(
                    "'\(word.text)' is not hexadecimal bytes", at: word.offset,
                    help: "write two digits a byte, as in 'payload 000e3863' or 'payload 00 0e 38 63'")
            }
            bytes += pairs
        }
        guard !bytes.isEmpty else {
            throw PacketTextError(
                "the bytes after 'payload' are missing", at: end, help: "as in 'payload 000e3863'")
        }
        return bytes
    }

    private static func hexBytes(_ text: Substring) -> [UInt8]? {
        let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}
