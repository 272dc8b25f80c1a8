// SPDX-License-Identifier: Apache-2.0
// The handshake messages that are readable (RFC 8446 section 4, RFC 5246 section 7.4). In: one whole message.
// Out: the session filled, and a record.
import NetworkTypes

extension TLSParser {
    /// False where the message cannot be what its type says.
    func read(
        _ type: UInt8, _ body: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Bool {
        switch type {
        case 1: readClientHello(TLSClientHello(body, transport: "t"), sink)
        case 255: readClientHello(TLSClientHello(version2: body), sink)
        case 2: readServerHello(body, sink)
        case 11: readCertificates(body, direction, sink)
        default: true
        }
    }

    private func readClientHello(_ hello: TLSClientHello?, _ sink: RecordSink) -> Bool {
        guard let hello else { return false }
        // The first one is what fingerprints mean.
        if let first = session.clientHello {
            takeSecond(hello, behind: first, sink)
            return true
        }
        session.clientHello = hello
        sink(.tls(session, .clientHello))
        return true
    }

    private func takeSecond(_ hello: TLSClientHello, behind first: TLSClientHello, _ sink: RecordSink) {
        let isNew =
            hello.serverName != first.serverName && hello.serverName != nil
            || hello.applicationProtocols != first.applicationProtocols && !hello.applicationProtocols.isEmpty
        // Servers take no third one.
        guard isNew, session.secondHello == nil else { return }
        session.secondHello = hello
        report("client_hello_changed", .toServer, sink)
        sink(.tls(session, .secondHello))
    }

    private func readServerHello(_ body: UnsafeRawBufferPointer, _ sink: RecordSink) -> Bool {
        guard let hello = TLSServerHello(body) else { return false }
        if hello.isRetryRequest { isRetryAsked = true }
        guard session.serverHello == nil, !hello.isRetryRequest else { return true }
        session.serverHello = hello
        if let client = session.clientHello, !hello.sessionID.isEmpty, hello.version.rawValue < 0x0304 {
            session.isResumed = client.sessionID == hello.sessionID
        }
        sink(.tls(session, .serverHello))
        return true
    }

    private func readCertificates(
        _ body: UnsafeRawBufferPointer, _ direction: FlowDirection, _ sink: RecordSink
    ) -> Bool {
        var reader = ByteReader(body)
        guard let length = reader.u24(), let list = reader.take(length) else { return false }
        var certificates: [TLSCertificate] = []
        var items = ByteReader(list)
        while certificates.count < limits.tlsCertificates, let size = items.u24() {
            guard let der = items.take(size) else { return false }
            let one = TLSCertificate.read(der, keeping: limits.tlsCertificate)
            if one.isMalformed { report("invalid_certificate", direction, sink) }
            certificates.append(one.certificate)
        }
        if direction == .toClient {
            guard session.certificates.isEmpty else { return true }
            session.certificates = certificates
        } else {
            guard session.clientCertificates.isEmpty else { return true }
            session.clientCertificates = certificates
        }
        if !certificates.isEmpty {
            sink(.tls(session, direction == .toClient ? .certificates : .clientCertificates))
        }
        return true
    }
}

// MARK: - Hellos

extension TLSClientHello {
    /// Reads a ClientHello's body; `transport` is JA4's first letter (`t` TCP, `q` QUIC). Extensions that end
    /// early are passed over; nil where the fixed part is cut.
    init?(_ body: UnsafeRawBufferPointer, transport: Unicode.Scalar) {
        var reader = ByteReader(body)
        guard let version = reader.u16(), let random = reader.take(32), let id = reader.block8(),
            id.count <= 32, let suites = reader.block16(), reader.block8() != nil
        else { return nil }
        self.init()
        legacyVersion = TLSVersion(rawValue: version)
        self.random = [UInt8](random)
        sessionID = [UInt8](id)
        var suiteReader = ByteReader(suites)
        cipherSuites = suiteReader.words()
        if let block = reader.block16() { readExtensions(block) }
        fingerprint(transport: transport)
    }

    /// Reads SSL 2.0's body: version, three lengths, suites of three bytes, session id, challenge.
    init?(version2 body: UnsafeRawBufferPointer) {
        var reader = ByteReader(body)
        guard let version = reader.u16(), let suiteBytes = reader.u16(), reader.u16() != nil,
            reader.u16() != nil, let suites = reader.take(Int(suiteBytes))
        else { return nil }
        self.init()
        legacyVersion = TLSVersion(rawValue: version)
        var items = ByteReader(suites)
        while let kind = items.u8(), let suite = items.u16() {
            // Suites of TLS have a zero in front.
            if kind == 0 { cipherSuites.append(suite) }
        }
    }

    private mutating func readExtensions(_ block: UnsafeRawBufferPointer) {
        var reader = ByteReader(block)
        while let type = reader.u16() {
            extensions.append(type)
            guard let data = reader.block16() else { return }
            readExtension(type, ByteReader(data))
        }
    }

    private mutating func readExtension(_ type: UInt16, _ data: ByteReader) {
        var reader = data
        switch type {
        case 0: readServerName(&reader)
        case 10: readWords(&reader, \.groups)
        case 11: if let formats = reader.block8() { pointFormats = [UInt8](formats) }
        case 13: readWords(&reader, \.signatureAlgorithms)
        case 16: readProtocols(&reader)
        case 43:
            guard let list = reader.block8() else { return }
            var items = ByteReader(list)
            supportedVersions = items.words().map { TLSVersion(rawValue: $0) }
        default: break
        }
    }

    private mutating func readWords(_ reader: inout ByteReader, _ list: WritableKeyPath<Self, [UInt16]>) {
        guard let block = reader.block16() else { return }
        var items = ByteReader(block)
        self[keyPath: list] = items.words()
    }

    /// The first host name; an empty extension has none, but counts as an extension.
    private mutating func readServerName(_ reader: inout ByteReader) {
        guard serverName == nil, let list = reader.block16() else { return }
        var items = ByteReader(list)
        while let kind = items.u8(), let name = items.block16() {
            guard kind == 0 else { continue }
            serverName = [UInt8](name)
            return
        }
    }

    private mutating func readProtocols(_ reader: inout ByteReader) {
        guard let list = reader.block16() else { return }
        applicationProtocols = []
        var items = ByteReader(list)
        while applicationProtocols.count < 64, let name = items.block8() {
            applicationProtocols.append([UInt8](name))
        }
    }
}

extension TLSServerHello {
    /// Reads a ServerHello's body; nil where the fixed part is cut.
    init?(_ body: UnsafeRawBufferPointer) {
        var reader = ByteReader(body)
        guard let version = reader.u16() else { return nil }
        self.init()
        legacyVersion = TLSVersion(rawValue: version)
        self.version = legacyVersion
        guard let random = reader.take(32) else { return nil }
        self.random = [UInt8](random)
        // Drafts of TLS 1.3 up to 21 had neither session id nor compression method.
        let isEarlyDraft = (0x7f00...0x7f15).contains(version)
        if !isEarlyDraft {
            guard let id = reader.block8(), id.count <= 32 else { return nil }
            sessionID = [UInt8](id)
        }
        guard let suite = reader.u16() else { return nil }
        cipherSuite = suite
        if !isEarlyDraft, reader.u8() == nil { return nil }
        if let block = reader.block16() { readExtensions(block) }
        fingerprint()
    }

    private mutating func readExtensions(_ block: UnsafeRawBufferPointer) {
        var reader = ByteReader(block)
        while let type = reader.u16() {
            extensions.append(type)
            guard let data = reader.block16() else { return }
            var inner = ByteReader(data)
            if type == 43, let chosen = inner.u16() { version = TLSVersion(rawValue: chosen) }
            if type == 16, let list = inner.block16() {
                var items = ByteReader(list)
                if let name = items.block8() { applicationProtocol = [UInt8](name) }
            }
        }
    }

    /// RFC 8446 section 4.1.3: a hello with this random asks for another ClientHello.
    var isRetryRequest: Bool {
        random.starts(with: [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02])
    }
}
