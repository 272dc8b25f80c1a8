// SPDX-License-Identifier: Apache-2.0
// Reads one DNS message (RFC 1035 section 4). In: its bytes. Out: the message, as far as it could be read,
// and what is wrong with it. Every expansion of a pointer counts against a budget.

/// Reads one message.
struct DNSReader {
    private let limits: ProtocolLimits
    private var reader: ByteReader
    private var message = DNSMessage()
    /// Bytes that names and data may still expand to.
    private var budget: Int
    private var recordsLeft: Int
    /// Names of anomalies, each once.
    private(set) var anomalies: [StaticString] = []

    init(_ bytes: UnsafeRawBufferPointer, limits: ProtocolLimits) {
        self.limits = limits
        reader = ByteReader(bytes)
        budget = limits.dnsExpanded
        recordsLeft = limits.dnsRecords
        message.length = bytes.count
    }

    /// What was read ends where the message does.
    var isAtEnd: Bool { reader.left == 0 }

    /// The message; nil where even the header is cut.
    mutating func read() -> DNSMessage? {
        guard let id = reader.u16(), let flags = reader.u16(), let questions = reader.u16(),
            let answers = reader.u16(), let authorities = reader.u16(), let additionals = reader.u16()
        else { return nil }
        message.id = id
        message.flags = flags
        if message.reservedBit { note("z_flag_set") }
        if message.opcode >= 7 { note("invalid_opcode") }
        for _ in 0..<questions where !message.isIncomplete { readQuestion() }
        readRecords(answers, \.answers)
        readRecords(authorities, \.authorities)
        readRecords(additionals, \.additionals)
        return message
    }

    private mutating func note(_ name: StaticString) {
        if anomalies.count < 8 { anomalies.append(name) }
    }

    private mutating func fail(_ name: StaticString) {
        if !message.isIncomplete { note(name) }
        message.isIncomplete = true
    }

    private mutating func countRecord() -> Bool {
        recordsLeft &-= 1
        if recordsLeft < 0 { fail("records_over_limit") }
        return recordsLeft >= 0
    }

    private mutating func readQuestion() {
        guard countRecord() else { return }
        guard let name = readName(), let type = reader.u16(), let kind = reader.u16() else {
            return fail("malformed_data")
        }
        message.questions.append(DNSQuestion(name: name, type: DNSType(rawValue: type), recordClass: kind))
    }

    private mutating func readRecords(
        _ count: UInt16, _ section: WritableKeyPath<DNSMessage, [DNSResource]>
    ) {
        for _ in 0..<count where !message.isIncomplete {
            guard countRecord() else { return }
            guard let record = readRecord() else { return fail("malformed_data") }
            // OPT describes the message and is no record of a name (RFC 6891).
            if record.type.rawValue != 41 { message[keyPath: section].append(record) }
        }
    }

    private mutating func readRecord() -> DNSResource? {
        guard let name = readName(), let type = reader.u16(), let kind = reader.u16(), let ttl = reader.u32(),
            let length = reader.u16()
        else { return nil }
        let place = reader.position
        guard let raw = reader.take(Int(length)) else { return nil }
        budget &-= raw.count
        let end = reader.position
        reader.seek(place)
        let data = budget < 0 ? DNSData.other([]) : readData(DNSType(rawValue: type), raw)
        reader.seek(end)
        return DNSResource(
            name: name, type: DNSType(rawValue: type), recordClass: kind, ttl: ttl, rawData: [UInt8](raw),
            data: data)
    }
}

// MARK: - Names

extension DNSReader {
    /// A name: labels joined with dots. Goes behind it; nil where it is cut or leads in a circle. A pointer
    /// may lead forwards too: RFC 1035 4.1.4 has none such, but there are servers that follow it (dnsmasq),
    /// and scanners that send it.
    mutating func readName() -> [UInt8]? {
        var name: [UInt8] = []
        var cursor = reader
        var behind: Int?
        for _ in 0..<256 {
            guard let length = cursor.u8() else { return nil }
            switch length >> 6 {
            case 0:
                guard length > 0 else {
                    reader.seek(behind ?? cursor.position)
                    return name
                }
                guard let label = cursor.take(Int(length)) else { return nil }
                guard append(label, to: &name) else { return nil }
            case 3:
                guard let low = cursor.u8() else { return nil }
                if behind == nil { behind = cursor.position }
                cursor.seek(Int(length & 0x3f) << 8 | Int(low))
            default: return nil
            }
        }
        note("infinite_loop")
        return nil
    }

    private mutating func append(_ label: UnsafeRawBufferPointer, to name: inout [UInt8]) -> Bool {
        budget &-= label.count &+ 1
        guard budget >= 0, name.count &+ label.count < 1025 else {
            note("name_too_long")
            return false
        }
        if !name.isEmpty { name.append(0x2e) }
        name.append(contentsOf: label)
        return true
    }
}

// MARK: - Data

extension DNSReader {
    /// A record's data, which `reader` stands at; what does not fit its type stays bytes.
    private mutating func readData(_ type: DNSType, _ raw: UnsafeRawBufferPointer) -> DNSData {
        switch type.rawValue {
        case 1 where raw.count == 4, 28 where raw.count == 16: return .address([UInt8](raw))
        case 2, 3, 4, 5, 7, 8, 9, 12, 39: if let name = readName() { return .name(name) }
        case 6: if let authority = readAuthority() { return .startOfAuthority(authority) }
        case 15:
            if let preference = reader.u16(), let name = readName() {
                return .mailExchange(preference: preference, name: name)
            }
        case 16, 99: return .text(Self.strings(raw))
        case 33:
            if let priority = reader.u16(), let weight = reader.u16(), let port = reader.u16(),
                let target = readName()
            {
                return .service(DNSService(priority: priority, weight: weight, port: port, target: target))
            }
        case 44 where raw.count > 2:
            return .keyFingerprint(algorithm: raw[0], type: raw[1], fingerprint: [UInt8](raw[2...]))
        case 257: if let data = Self.certificateAuthority(raw) { return data }
        default: break
        }
        return .other([UInt8](raw))
    }

    private mutating func readAuthority() -> DNSAuthority? {
        guard let primary = readName(), let mailbox = readName(), let serial = reader.u32(),
            let refresh = reader.u32(), let retry = reader.u32(), let expire = reader.u32(),
            let minimum = reader.u32()
        else { return nil }
        return DNSAuthority(
            primary: primary, mailbox: mailbox, serial: serial, refresh: refresh, retry: retry,
            expire: expire,
            minimum: minimum)
    }

    private static func strings(_ raw: UnsafeRawBufferPointer) -> [[UInt8]] {
        var items = ByteReader(raw)
        var strings: [[UInt8]] = []
        while strings.count < 256, let text = items.block8() { strings.append([UInt8](text)) }
        return strings
    }

    private static func certificateAuthority(_ raw: UnsafeRawBufferPointer) -> DNSData? {
        var items = ByteReader(raw)
        guard let flags = items.u8(), let tag = items.block8(), let value = items.take(items.left) else {
            return nil
        }
        return .certificateAuthority(flags: flags, tag: [UInt8](tag), value: [UInt8](value))
    }
}
