// SPDX-License-Identifier: Apache-2.0
// EVE's `http` object. In: a transaction as far as it has come. Out: its fields in Suricata's order.
import JSONOutput
import Protocols

extension HTTPTransaction {
    /// What an `http` event, or an alert on this transaction, says of it.
    var eve: JSONValue {
        var members = EventMembers()
        members.text("hostname", request.host)
        if let port = request.port { members.add("http_port", .integer(Int64(port))) }
        members.text("url", request.rawURI)
        members.text("http_user_agent", request.userAgent)
        members.text("http_content_type", mediaType(response.contentType))
        members.text("http_refer", request.referer)
        members.text("http_method", request.method)
        members.text("protocol", request.protocolName.isEmpty ? response.protocolName : request.protocolName)
        if let status = response.status { members.add("status", .integer(Int64(status))) }
        if let status = response.status, (300..<400).contains(status) {
            members.text("redirect", response.location)
        }
        members.add("length", .integer(Int64(response.messageLength)))
        return members.object
    }

    /// "GET www.example.com /index.html 200", for people.
    var summary: String {
        let words = [
            eventText(request.method, limit: 32), eventText(request.host, limit: longestName),
            eventText(request.rawURI, limit: longestName), response.status.map(String.init) ?? "",
        ]
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }
}

/// The type without its parameters: "text/html" of "text/html; charset=utf-8".
private func mediaType(_ value: [UInt8]) -> ArraySlice<UInt8> {
    let end = value.firstIndex { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: " ") } ?? value.endIndex
    return value[..<end]
}
