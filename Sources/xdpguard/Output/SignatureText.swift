// SPDX-License-Identifier: Apache-2.0
// Signatures for people and as JSON: what `signatures check|list|show` print.
import Diagnostics
import JSONOutput
import NetworkTypes
import Signatures

extension SignatureCounts {
    /// The summary's object, to the letter of the contract.
    var json: JSONValue {
        let keywords = unsupportedKeywords.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return .object([
            ("rules", .integer(Int64(rules))), ("loaded", .integer(Int64(loaded))),
            ("unsupported", .integer(Int64(unsupported))), ("errors", .integer(Int64(errors))),
            ("keywords", .object(keywords.map { ($0.key, .integer(Int64($0.value))) })),
        ])
    }

    var lines: [String] {
        var text = "\(rules) rules: \(loaded) loaded, \(unsupported) unsupported, \(errors) errors"
        if superseded > 0 { text += ", \(superseded) left out for another with the same sid" }
        let keywords = unsupportedKeywords.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return [text] + keywords.map { "  \($0.value) for '\(printable($0.key))'" }
    }
}

extension Diagnostic {
    var signatureJSON: JSONValue {
        .object([
            ("id", .string(id)), ("severity", .string(severity.rawValue)), ("message", .string(message)),
            ("file", .string(range.source.path)), ("line", .integer(Int64(range.line))),
            ("column", .integer(Int64(range.column))), ("help", help.map(JSONValue.string) ?? .null),
        ])
    }
}

extension Signature {
    /// "1:2024217 rev 3  alert  smb  ET EXPLOIT ..."
    var line: String {
        "\(gid):\(sid) rev \(rev)  \(action.rawValue)  \(protocolText)  \(printable(message))"
    }

    /// What the header asks of a packet's or flow's protocol.
    private var protocolText: String {
        if let application = header.application { return application.rawValue }
        if header.transports.isAll { return header.family?.rawValue ?? "ip" }
        let known = IPProtocol.names.filter { header.transports.contains($0.value) }
        return known.map(\.name).joined(separator: "/")
    }

    var lines: [String] {
        var lines = [line, "  file: \(printable(range.source.path)):\(range.line)"]
        if let classtype { lines.append("  class: \(printable(classtype)) (\(category))") }
        lines.append("  priority: \(priority)")
        lines += references.map { "  reference: \(printable($0.system)) \(printable($0.id))" }
        lines.append("  directions: \(directionText)")
        for (index, group) in matches.enumerated() {
            let transforms = group.transforms.isEmpty ? "" : " after \(group.transforms.count) transforms"
            lines.append("  in \(group.buffer.rawValue)\(transforms): \(group.inspections.count) inspections")
            if let fastPattern, fastPattern.group == index {
                lines.append("    looked for first: \"\(escaped(fastPattern.bytes))\"")
            }
        }
        if matches.isEmpty == false, fastPattern == nil { lines.append("  looked for first: nothing") }
        if !isReported { lines.append("  reports nothing") }
        return lines + ["", printable(text.split(whereSeparator: \.isNewline).joined(separator: " "))]
    }

    private var directionText: String {
        switch (flow.toServer, flow.toClient) {
        case (true, false): "to the server"
        case (false, true): "to the client"
        default: "both"
        }
    }

    var json: JSONValue {
        let first = fastPattern.map { pattern in
            JSONValue.object([
                ("buffer", .string(matches[pattern.group].buffer.rawValue)),
                ("bytes", .string(escaped(pattern.bytes))), ("nocase", .bool(pattern.isCaseInsensitive)),
            ])
        }
        return .object([
            ("gid", .integer(Int64(gid))), ("sid", .integer(Int64(sid))), ("rev", .integer(Int64(rev))),
            ("action", .string(action.rawValue)), ("protocol", .string(protocolText)),
            ("msg", .string(message)), ("classtype", classtype.map(JSONValue.string) ?? .null),
            ("category", .string(category)), ("priority", .integer(Int64(priority))),
            ("references", .array(references.map { .string("\($0.system),\($0.id)") })),
            ("to_server", .bool(flow.toServer)), ("to_client", .bool(flow.toClient)),
            ("buffers", .array(matches.map { .string($0.buffer.rawValue) })),
            ("fast_pattern", first ?? .null), ("file", .string(range.source.path)),
            ("line", .integer(Int64(range.line))), ("rule", .string(text)),
        ])
    }
}

/// Bytes as a content has them: what is not printed stands as "|0d 0a|".
private func escaped(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    var text = ""
    var isHex = false
    for byte in bytes {
        let isPlain = (0x20...0x7e).contains(byte) && ![0x22, 0x3a, 0x3b, 0x5c, 0x7c].contains(byte)
        if isPlain == isHex {
            text += "|"
            isHex.toggle()
        } else if isHex {
            text += " "
        }
        if isPlain {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
    }
    return isHex ? text + "|" : text
}
