// SPDX-License-Identifier: Apache-2.0
// The answer is taken out of nDPI's flow before that is freed. In: the flow's structure, whose texts are an
// attacker's bytes. Out: a DetectedProtocol.

import CNDPI
import Glibc

extension DetectedProtocol {
    init(
        _ answer: ndpi_protocol, of flow: UnsafeMutablePointer<ndpi_flow_struct>,
        by detector: ProtocolDetector
    ) {
        protocols = ProtocolPair(answer)
        name = detector.printedName(protocols)
        category = detector.categoryName(answer.category)
        categoryNumber = Int(answer.category.rawValue)
        confidence =
            DetectionConfidence(rawValue: UInt8(clamping: flow.pointee.confidence.rawValue)) ?? .unknown
        risks = DetectionRisks(rawValue: flow.pointee.risk | Self.riskOfURL(protocols, flow))
        hostName = bytes(of: &flow.pointee.host_server_name)
        let hasTLS = Self.hasTLS(protocols)
        ja3Client = hasTLS ? digest(&flow.pointee.protos.tls_quic.ja3_client) : nil
        ja3Server = hasTLS ? digest(&flow.pointee.protos.tls_quic.ja3_server) : nil
    }

    /// The answer on a flow of which no packet was looked at.
    init(unknownBy detector: ProtocolDetector) {
        protocols = .unknown
        name = detector.printedName(.unknown)
        category = detector.categoryName(NDPI_PROTOCOL_CATEGORY_UNSPECIFIED)
        categoryNumber = 0
        confidence = .unknown
        risks = .none
        hostName = []
        ja3Client = nil
        ja3Server = nil
    }

    /// Several protocols keep their texts in one place: it has TLS's only for those that run over TLS.
    private static func hasTLS(_ protocols: ProtocolPair) -> Bool {
        overTLS.contains { protocols.involves($0) }
    }

    private static let overTLS = [
        NDPI_PROTOCOL_TLS, NDPI_PROTOCOL_QUIC, NDPI_PROTOCOL_DTLS, NDPI_PROTOCOL_MAIL_IMAPS,
        NDPI_PROTOCOL_MAIL_POPS, NDPI_PROTOCOL_MAIL_SMTPS,
    ].map { ProtocolID(rawValue: UInt16(clamping: $0.rawValue)) }

    private static let http = ProtocolID(rawValue: UInt16(clamping: NDPI_PROTOCOL_HTTP.rawValue))

    /// Bytes of an URL that are searched for injections: as many as ndpiReader keeps.
    private static let longestURL = 255

    /// The bit of what is suspicious in the request's URL: nDPI itself does not look, ndpiReader does.
    private static func riskOfURL(
        _ protocols: ProtocolPair, _ flow: UnsafeMutablePointer<ndpi_flow_struct>
    ) -> UInt64 {
        guard protocols.involves(http), let url = flow.pointee.http.url else { return 0 }
        var copy = [CChar](repeating: 0, count: longestURL + 1)
        strncpy(&copy, url, longestURL)
        let risk = ndpi_validate_url(&copy)
        return risk == NDPI_NO_RISK ? 0 : 1 << UInt64(risk.rawValue)
    }
}

/// The bytes before the first zero of a C array of characters.
private func bytes<Characters>(of characters: inout Characters) -> [UInt8] {
    withUnsafeBytes(of: &characters) { Array($0.prefix { $0 != 0 }) }
}

/// 32 hexadecimal digits, nil where there is something else.
private func digest<Characters>(_ characters: inout Characters) -> String? {
    withUnsafeBytes(of: &characters) { bytes in
        let digits = bytes.prefix { $0 != 0 }
        guard digits.count == 32,
            digits.allSatisfy({ 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 })
        else { return nil }
        return String(decoding: digits, as: UTF8.self)
    }
}
