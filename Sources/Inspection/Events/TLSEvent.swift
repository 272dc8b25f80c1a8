// SPDX-License-Identifier: Apache-2.0
// EVE's `tls` and `quic` objects. In: what a handshake showed. Out: their fields in Suricata's order.
import JSONOutput
import Protocols

/// Lists of an event hold at most so many entries.
private let longestList = 32

extension TLSSession {
    /// What a `tls` event, or an alert on this connection, says of it.
    var eve: JSONValue {
        var members = EventMembers()
        if let certificate = certificates.first { members.certificate(certificate) }
        members.flag("session_resumed", isResumed)
        members.text("sni", serverName, limit: longestName)
        members.add("version", .string(version?.name ?? "UNDETERMINED"))
        if let certificate = certificates.first { members.validity(of: certificate) }
        members.fingerprints(client: clientHello, server: serverHello)
        members.protocols(client: clientHello, server: serverHello)
        return members.object
    }

    /// "www.example.com TLS 1.3", for people.
    var summary: String {
        let name = eventText(serverName ?? [], limit: longestName)
        return (name.isEmpty ? "" : name + " ") + (version?.name ?? "")
    }
}

extension QUICHello {
    /// What a `quic` event, or an alert on this hello, says of it.
    var eve: JSONValue {
        var members = EventMembers()
        members.add("version", .string(version.name))
        members.text("sni", serverName, limit: longestName)
        members.text("ua", userAgent, limit: longestName)
        members.fingerprints(client: clientHello, server: serverHello)
        return members.object
    }

    var summary: String {
        let name = eventText(serverName ?? [], limit: longestName)
        return (name.isEmpty ? "" : name + " ") + "QUIC version \(version.name)"
    }
}

extension EventMembers {
    fileprivate mutating func certificate(_ certificate: TLSCertificate) {
        text("subject", certificate.subject)
        text("issuerdn", certificate.issuer)
        text("serial", certificate.serial, limit: longestName)
        text("fingerprint", certificate.fingerprint)
        if !certificate.alternativeNames.isEmpty {
            let names = certificate.alternativeNames.prefix(longestList)
            add("subjectaltname", .array(names.map { eventValue($0, limit: longestName) }))
        }
    }

    fileprivate mutating func validity(of certificate: TLSCertificate) {
        if let start = certificate.notBefore { add("notbefore", .string(certificateTime(start))) }
        if let end = certificate.notAfter { add("notafter", .string(certificateTime(end))) }
    }

    fileprivate mutating func fingerprints(client: TLSClientHello?, server: TLSServerHello?) {
        if let client, !client.ja3.isEmpty { add("ja3", hashed(client.ja3, client.ja3Text)) }
        if let server, !server.ja3s.isEmpty { add("ja3s", hashed(server.ja3s, server.ja3sText)) }
        text("ja4", client?.ja4)
    }

    fileprivate mutating func protocols(client: TLSClientHello?, server: TLSServerHello?) {
        if let client, !client.applicationProtocols.isEmpty {
            let names = client.applicationProtocols.prefix(longestList)
            add("client_alpns", .array(names.map { eventValue($0, limit: longestName) }))
        }
        text("server_alpn", server?.applicationProtocol, limit: longestName)
    }

    private func hashed(_ hash: [UInt8], _ text: [UInt8]) -> JSONValue {
        .object([("hash", eventValue(hash)), ("string", eventValue(text))])
    }
}

/// "2026-01-02T03:04:05", as EVE writes a certificate's times.
/// - Parameter seconds: since 1970-01-01T00:00Z; beyond the years 0 to 9999 the nearest second within.
private func certificateTime(_ seconds: Int64) -> String {
    let bounded = min(max(seconds, -9_223_372_036), 9_223_372_036)
    return String(timestamp(nanoseconds: bounded * 1_000_000_000).prefix(19))
}
