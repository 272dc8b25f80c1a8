// SPDX-License-Identifier: Apache-2.0
// Reads X.509 certificates (RFC 5280) as far as signatures and events look. In: DER bytes of an attacker's
// choice. Out: names, serial number, validity, fingerprint; what cannot be read stays empty.

/// A certificate, and whether its DER could be read.
struct ReadCertificate {
    var certificate: TLSCertificate
    var isMalformed: Bool
}

extension TLSCertificate {
    /// Reads a certificate; keeps its bytes where they are at most `limit`.
    static func read(_ der: UnsafeRawBufferPointer, keeping limit: Int) -> ReadCertificate {
        var certificate = TLSCertificate()
        let bytes = [UInt8](der)
        certificate.fingerprint = Hashing.sha1(bytes).hexadecimal(separator: 0x3a, digits: "0123456789abcdef")
        if bytes.count <= limit { certificate.der = bytes }
        let isRead = certificate.readFields(der)
        return ReadCertificate(certificate: certificate, isMalformed: !isRead)
    }

    private mutating func readFields(_ der: UnsafeRawBufferPointer) -> Bool {
        var outer = DERReader(der)
        guard let whole = outer.next(0x30) else { return false }
        var parts = DERReader(whole)
        guard let signed = parts.next(0x30) else { return false }
        var fields = DERReader(signed)
        // [0] is the version, which the oldest certificates leave out.
        _ = fields.next(0xa0)
        guard let number = fields.next(0x02) else { return false }
        serial = [UInt8](number.prefix(64)).hexadecimal(separator: 0x3a, digits: "0123456789ABCDEF")
        guard fields.next(0x30) != nil, let issuerName = fields.next(0x30) else { return false }
        issuer = DistinguishedName.text(issuerName)
        guard let validity = fields.next(0x30) else { return false }
        var times = DERReader(validity)
        notBefore = times.time()
        notAfter = times.time()
        guard let subjectName = fields.next(0x30) else { return false }
        subject = DistinguishedName.text(subjectName)
        guard fields.next(0x30) != nil else { return false }
        readExtensions(&fields)
        return notBefore != nil && notAfter != nil
    }

    private mutating func readExtensions(_ fields: inout DERReader) {
        while let (tag, value) = fields.any() {
            guard tag == 0xa3 else { continue }
            var wrapped = DERReader(value)
            guard let list = wrapped.next(0x30) else { return }
            var items = DERReader(list)
            while let item = items.next(0x30) {
                var parts = DERReader(item)
                // 2.5.29.17 is subjectAltName.
                guard let id = parts.next(0x06), id.elementsEqual([0x55, 0x1d, 0x11]) else { continue }
                _ = parts.next(0x01)
                if let data = parts.next(0x04) { readAlternativeNames(data) }
            }
        }
    }

    private mutating func readAlternativeNames(_ data: UnsafeRawBufferPointer) {
        var outer = DERReader(data)
        guard let list = outer.next(0x30) else { return }
        var names = DERReader(list)
        while alternativeNames.count < 64, let (tag, value) = names.any() {
            if tag == 0x82 { alternativeNames.append([UInt8](value.prefix(255))) }
        }
    }
}

/// Steps through DER elements: one byte of tag, a length of up to four bytes.
struct DERReader {
    private var reader: ByteReader

    init(_ bytes: UnsafeRawBufferPointer) { reader = ByteReader(bytes) }

    /// The next element, whatever it is.
    mutating func any() -> (tag: UInt8, value: UnsafeRawBufferPointer)? {
        guard let tag = reader.u8(), let first = reader.u8() else { return nil }
        var length = Int(first)
        if first & 0x80 != 0 {
            let count = Int(first & 0x7f)
            guard count >= 1, count <= 4 else { return nil }
            length = 0
            for _ in 0..<count {
                guard let byte = reader.u8() else { return nil }
                length = length << 8 | Int(byte)
            }
        }
        return reader.take(length).map { (tag, $0) }
    }

    /// The next element, where it has that tag; else nothing is read.
    mutating func next(_ tag: UInt8) -> UnsafeRawBufferPointer? {
        let before = reader
        guard let element = any(), element.tag == tag else {
            reader = before
            return nil
        }
        return element.value
    }

    /// UTCTime `YYMMDDhhmm[ss]Z` or GeneralizedTime `YYYYMMDDhhmmssZ`, as seconds since 1970.
    mutating func time() -> Int64? {
        guard let (tag, text) = any(), tag == 0x17 || tag == 0x18 else { return nil }
        let digits = text.prefix { (0x30...0x39).contains($0) }.map { Int64($0) - 0x30 }
        var pairs = stride(from: 0, to: digits.count - digits.count % 2, by: 2).map {
            digits[$0] * 10 + digits[$0 + 1]
        }
        let year: Int64
        if tag == 0x17 {
            guard pairs.count >= 5 else { return nil }
            // RFC 5280 section 4.1.2.5.1: 50 to 99 are 19xx.
            year = pairs.removeFirst()
            return seconds(year < 50 ? 2000 + year : 1900 + year, pairs)
        }
        guard pairs.count >= 6 else { return nil }
        year = pairs[0] * 100 + pairs[1]
        return seconds(year, Array(pairs.dropFirst(2)))
    }

    /// Month, day, hour, minute and, where there, second behind the year.
    private func seconds(_ year: Int64, _ parts: [Int64]) -> Int64? {
        guard parts.count >= 4, (1...12).contains(parts[0]), (1...31).contains(parts[1]), parts[2] < 25,
            parts[3] < 60
        else { return nil }
        // Days of the proleptic Gregorian calendar, counted from March on.
        let shifted = parts[0] <= 2 ? year - 1 : year
        let era = shifted / 400
        let ofEra = shifted - era * 400
        let ofYear = (153 * (parts[0] + (parts[0] > 2 ? -3 : 9)) + 2) / 5 + parts[1] - 1
        let days = era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
        return days * 86_400 + parts[2] * 3600 + parts[3] * 60 + (parts.count > 4 ? min(parts[4], 60) : 0)
    }
}

/// A name as text: `C=US, O=Example, CN=www.example.org`.
enum DistinguishedName {
    /// At most 64 parts and 1024 bytes.
    static func text(_ name: UnsafeRawBufferPointer) -> [UInt8] {
        var text: [UInt8] = []
        var sets = DERReader(name)
        var parts = 0
        while parts < 64, text.count < 1024, let set = sets.next(0x31) {
            parts &+= 1
            var pairs = DERReader(set)
            var isFirst = true
            while text.count < 1024, let pair = pairs.next(0x30) {
                if !text.isEmpty { text.append(contentsOf: isFirst ? ", ".utf8 : " + ".utf8) }
                isFirst = false
                append(pair, to: &text)
            }
        }
        return text
    }

    private static func append(_ pair: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        var reader = DERReader(pair)
        guard let id = reader.next(0x06), let (_, value) = reader.any() else { return }
        if let known = names.first(where: { $0.id.elementsEqual(id) }) {
            text.append(contentsOf: known.name.utf8)
        } else {
            appendNumbers(id, to: &text)
        }
        text.append(0x3d)
        text.append(contentsOf: value.prefix(256))
    }

    /// An identifier in dotted decimal, at most 16 numbers.
    private static func appendNumbers(_ id: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        var number: UInt64 = 0
        var isFirst = true
        for byte in id.prefix(64) {
            number = number << 7 | UInt64(byte & 0x7f)
            guard byte & 0x80 == 0 else { continue }
            if isFirst {
                let root = min(number / 40, 2)
                text.appendDecimal(root)
                number -= root * 40
                isFirst = false
            }
            text.append(0x2e)
            text.appendDecimal(number)
            number = 0
        }
    }

    private static let names: [(id: [UInt8], name: String)] = [
        ([0x55, 0x04, 0x03], "CN"), ([0x55, 0x04, 0x04], "SN"), ([0x55, 0x04, 0x05], "serialNumber"),
        ([0x55, 0x04, 0x06], "C"), ([0x55, 0x04, 0x07], "L"), ([0x55, 0x04, 0x08], "ST"),
        ([0x55, 0x04, 0x09], "STREET"), ([0x55, 0x04, 0x0a], "O"), ([0x55, 0x04, 0x0b], "OU"),
        ([0x55, 0x04, 0x0c], "title"), ([0x55, 0x04, 0x0d], "description"),
        ([0x55, 0x04, 0x0f], "businessCategory"), ([0x55, 0x04, 0x11], "postalCode"),
        ([0x55, 0x04, 0x29], "name"), ([0x55, 0x04, 0x2a], "GN"), ([0x55, 0x04, 0x2d], "UID"),
        ([0x55, 0x04, 0x61], "organizationIdentifier"),
        ([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
        ([0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
        ([0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    ]
}
