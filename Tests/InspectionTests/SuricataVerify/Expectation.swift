// SPDX-License-Identifier: Apache-2.0
// What a test of suricata-verify expects: so many events with such fields. In: the expectation and the run's
// events. Out: whether it holds.
import Foundation

struct Expectation: @unchecked Sendable {
    /// `event_type`; nil: any event.
    var event: String?
    var count: Int
    /// Dotted paths, as in "alert.signature_id" and "dns.queries[0].rrname", and the values they must have.
    var match: [String: Any]
    var requirements: VersionRequirements

    init(_ parsed: [String: Any]) {
        event = parsed["event"] as? String
        count = parsed["count"] as? Int ?? 1
        match = parsed["match"] as? [String: Any] ?? [:]
        requirements = VersionRequirements(parsed["requires"] as? [String: Any])
    }

    /// It asks for alerts.
    var isOfAlerts: Bool {
        event == "alert" || event == nil && match.keys.contains { $0.hasPrefix("alert.") }
    }

    /// It asks for a line of Suricata's own log.
    var isOfLog: Bool { match["log_level"] != nil }

    /// The signature that it asks for.
    var sid: Int? { match["alert.signature_id"] as? Int }

    /// The same without the fields beside the alert's own number.
    var onlyAlert: Expectation {
        var plain = self
        plain.match = match.filter { ["event_type", "alert.signature_id"].contains($0.key) }
        return plain
    }

    func found(in events: [[String: Any]]) -> Int { events.filter(isMatched).count }

    func isMatched(_ event: [String: Any]) -> Bool {
        match.allSatisfy { path, wanted in
            switch path {
            case "has-key": value(at: "\(wanted)", in: event) != nil
            case "not-has-key": names(wanted).allSatisfy { value(at: $0, in: event) == nil }
            default: value(at: path, in: event).map { isEqual($0, wanted) } ?? false
            }
        }
    }

    private func names(_ value: Any) -> [String] { value as? [String] ?? ["\(value)"] }

    var description: String {
        let fields = match.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "\(count) x {\(fields.joined(separator: " "))}"
    }
}

/// The value at a dotted path, where an index may stand behind a name: "vlan[0]".
private func value(at path: String, in event: [String: Any]) -> Any? {
    var current: Any = event
    for part in path.split(separator: ".") {
        let pieces = part.split(separator: "[")
        guard let name = pieces.first, let object = current as? [String: Any],
            let member = object[String(name)]
        else { return nil }
        current = member
        for piece in pieces.dropFirst() {
            guard let list = current as? [Any], let index = Int(piece.dropLast()), index < list.count else {
                return nil
            }
            current = list[index]
        }
    }
    return current
}

private func isEqual(_ found: Any, _ wanted: Any) -> Bool {
    if let left = found as? NSNumber, let right = wanted as? NSNumber { return left == right }
    if let left = found as? [Any], let right = wanted as? [Any] {
        return left.count == right.count && zip(left, right).allSatisfy(isEqual)
    }
    let (left, right) = ("\(found)", "\(wanted)")
    // IPv6 addresses stand there uncompressed.
    return left == right || left.contains(":") && compressed(right) == left
}

/// "2001:0db8:0000:...:8335" as RFC 5952 has it, or the text itself.
private func compressed(_ text: String) -> String {
    var address = in6_addr()
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_pton(AF_INET6, text, &address) == 1,
        inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil
    else { return text }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
