// SPDX-License-Identifier: Apache-2.0
// A connection's `tls.*`, `ja3*`, `ja4*`, `quic.*` and `ssh.*` buffers. In: the record and how far it has
// come. Out: the side that has something new.
import NetworkTypes
import Protocols
import SignatureMatching
import Signatures

/// Both sides of a handshake as signatures see them.
final class HandshakeBuffers {
    let client: InspectedTransaction
    let server: InspectedTransaction

    init(_ application: Signatures.ApplicationProtocol) {
        client = InspectedTransaction(direction: .toServer, application: application)
        server = InspectedTransaction(direction: .toClient, application: application)
        server.request = client
    }

    func side(_ direction: FlowDirection) -> InspectedTransaction {
        direction == .toServer ? client : server
    }
}

extension HandshakeBuffers {
    /// Nil where the stage brings nothing that signatures look at.
    func update(_ session: TLSSession, _ stage: TLSStage) -> InspectedTransaction? {
        switch stage {
        case .clientHello:
            guard let hello = session.clientHello else { return nil }
            fill(client, with: hello)
        case .secondHello:
            guard let first = session.clientHello, let second = session.secondHello else { return nil }
            add(client, second, behind: first)
        case .serverHello:
            guard let hello = session.serverHello else { return nil }
            fill(server, with: hello)
        case .certificates: fill(server, with: session.certificates)
        case .clientCertificates: fill(client, with: session.clientCertificates)
        case .alert: break
        case .finished: (client.isComplete, server.isComplete) = (true, true)
        }
        updateFields(session)
        switch stage {
        case .clientHello, .secondHello, .clientCertificates: return client
        default: return server
        }
    }

    private func updateFields(_ session: TLSSession) {
        var states: TLSStates = []
        if session.clientHello != nil { states.insert(.clientHello) }
        if session.serverHello != nil { states.insert(.serverHello) }
        for side in [client, server] {
            side.fields.tlsStates = states
            side.fields.tlsVersion = session.version.map(TLSVersions.init) ?? []
        }
    }

    private func fill(_ side: InspectedTransaction, with hello: TLSClientHello) {
        if let name = hello.serverName { side.set(.tlsSNI, name) }
        for name in hello.applicationProtocols.prefix(16) { side.append(.tlsALPN, name) }
        side.setFilled(.ja3Hash, hello.ja3)
        side.setFilled(.ja3String, hello.ja3Text)
        side.setFilled(.ja4Hash, hello.ja4)
        side.setRandom(hello.random)
    }

    /// What the second one says anew stands beside what the first one said.
    private func add(
        _ side: InspectedTransaction, _ second: TLSClientHello, behind first: TLSClientHello
    ) {
        if let name = second.serverName, name != first.serverName { side.append(.tlsSNI, name) }
        let known = first.applicationProtocols.prefix(16)
        for name in second.applicationProtocols.prefix(16) where !known.contains(name) {
            side.append(.tlsALPN, name)
        }
    }

    private func fill(_ side: InspectedTransaction, with hello: TLSServerHello) {
        if let name = hello.applicationProtocol { side.append(.tlsALPN, name) }
        side.setFilled(.ja3sHash, hello.ja3s)
        side.setFilled(.ja3sString, hello.ja3sText)
        side.setRandom(hello.random)
    }

    private func fill(_ side: InspectedTransaction, with chain: [TLSCertificate]) {
        guard let first = chain.first else { return }
        side.setFilled(.tlsCertificateSubject, first.subject)
        side.setFilled(.tlsCertificateIssuer, first.issuer)
        side.setFilled(.tlsCertificateSerial, first.serial)
        side.setFilled(.tlsCertificateFingerprint, first.fingerprint)
        for name in first.alternativeNames.prefix(32) { side.append(.tlsSubjectAltName, name) }
        for certificate in chain.prefix(8) where !certificate.der.isEmpty {
            side.append(.tlsCertificates, certificate.der)
        }
    }

    func update(_ hello: QUICHello) -> InspectedTransaction {
        let side = side(hello.direction)
        if let name = hello.serverName {
            side.set(.quicSNI, name)
            side.set(.tlsSNI, name)
        }
        if let client = hello.clientHello { fill(side, with: client) }
        if let server = hello.serverHello { fill(side, with: server) }
        return side
    }

    /// Nil where the stage brings nothing that signatures look at.
    func update(_ session: SSHSession, _ stage: SSHStage) -> InspectedTransaction? {
        switch stage {
        case .clientBanner: fill(client, with: session.client)
        case .serverBanner: fill(server, with: session.server)
        case .clientKeyExchange, .serverKeyExchange: nil
        }
    }

    private func fill(_ side: InspectedTransaction, with peer: SSHPeer) -> InspectedTransaction? {
        guard let banner = peer.banner else { return nil }
        side.setFilled(.sshProtocol, banner.protocolVersion)
        side.setFilled(.sshSoftware, banner.softwareVersion)
        side.fields.sshVersion = banner.protocolVersion
        return side
    }
}

extension InspectedTransaction {
    /// Sets a buffer; nothing where there are no bytes.
    fileprivate func setFilled(_ buffer: Buffer, _ bytes: [UInt8]) {
        if !bytes.isEmpty { set(buffer, bytes) }
    }

    /// TLS's random: 4 bytes of time and 28 of random, before TLS 1.3.
    fileprivate func setRandom(_ random: [UInt8]) {
        guard random.count == 32 else { return }
        set(.tlsRandom, random)
        set(.tlsRandomTime, Array(random[..<4]))
        set(.tlsRandomBytes, Array(random[4...]))
    }
}

extension TLSVersions {
    fileprivate init(_ version: TLSVersion) {
        switch version.rawValue {
        case 0x0002: self = .sslv2
        case 0x0300: self = .sslv3
        case 0x0301: self = .tls10
        case 0x0302: self = .tls11
        case 0x0303: self = .tls12
        case 0x0304, 0x7f00...0x7fff, 0xfb00...0xfbff: self = .tls13
        default: self = []
        }
    }
}
