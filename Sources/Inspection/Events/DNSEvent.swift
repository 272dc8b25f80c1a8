// SPDX-License-Identifier: Apache-2.0
// EVE's `dns` object, version 3 (Suricata 8). In: a message. Out: its fields in Suricata's order.
import JSONOutput
import NetworkTypes
import Protocols

/// Records of one section that an event shows.
private let mostRecords = 64

extension DNSMessage {
    /// - Parameter transaction: the message's number in its flow, from 0.
    func eve(transaction: Int) -> JSONValue {
        var members = EventMembers()
        members.add("version", 3)
        members.add("type", isResponse ? "response" : "request")
        members.add("tx_id", .integer(Int64(transaction)))
        members.add("id", .integer(Int64(id)))
        if isResponse { addResponseFlags(&members) }
        members.add("opcode", .integer(Int64(opcode)))
        if isResponse { members.add("rcode", .string(responseCodeWord)) }
        if !questions.isEmpty {
            members.add("queries", .array(questions.prefix(mostRecords).map(\.eve)))
        }
        addSections(&members)
        return members.object
    }

    private func addResponseFlags(_ members: inout EventMembers) {
        members.add("flags", .string(String(flags, radix: 16)))
        members.add("qr", true)
        members.flag("aa", isAuthoritative)
        members.flag("tc", isTruncated)
        members.flag("rd", recursionDesired)
        members.flag("ra", recursionAvailable)
        members.flag("z", reservedBit)
    }

    private func addSections(_ members: inout EventMembers) {
        let sections = [("answers", answers), ("authorities", authorities), ("additionals", additionals)]
        for (name, records) in sections where !records.isEmpty {
            members.add(name, .array(records.prefix(mostRecords).map(\.eve)))
        }
        let grouped = groupedAnswers
        if !grouped.isEmpty { members.add("grouped", .object(grouped)) }
    }

    /// The answers' data by type: what is looked up most.
    private var groupedAnswers: [(String, JSONValue)] {
        var groups: [(type: DNSType, values: [JSONValue])] = []
        for answer in answers.prefix(mostRecords) {
            guard let text = answer.data.text else { continue }
            if let index = groups.firstIndex(where: { $0.type == answer.type }) {
                groups[index].values.append(.string(text))
            } else {
                groups.append((answer.type, [.string(text)]))
            }
        }
        return groups.map { ($0.type.word, .array($0.values)) }
    }

    /// "request www.example.com A", for people.
    var summary: String {
        let asked = questions.first.map {
            " \(eventText($0.name, limit: longestName)) \($0.type.word)"
        }
        let rest = isResponse ? " \(responseCodeWord), \(answers.count) answers" : ""
        return (isResponse ? "response" : "request") + (asked ?? "") + rest
    }
}

extension DNSQuestion {
    fileprivate var eve: JSONValue {
        .object([
            ("rrname", eventValue(name, limit: longestName)), ("rrtype", .string(type.word)),
        ])
    }
}

extension DNSResource {
    fileprivate var eve: JSONValue {
        var members = EventMembers()
        members.add("rrname", eventValue(name, limit: longestName))
        members.add("rrtype", .string(type.word))
        members.add("ttl", .integer(Int64(ttl)))
        switch data {
        case .startOfAuthority(let authority): members.add("soa", authority.eve)
        case .service(let service): members.add("srv", service.eve)
        default: if let text = data.text { members.add("rdata", .string(text)) }
        }
        return members.object
    }
}

extension DNSData {
    /// The data as one text; nil for what has fields of its own, or no text.
    fileprivate var text: String? {
        switch self {
        case .address(let bytes): IPAddress(bytes: bytes)?.description
        case .name(let name), .mailExchange(_, let name): eventText(name, limit: longestName)
        case .text(let texts): eventText(Array(texts.joined(separator: [0x20])), limit: longestName)
        case .keyFingerprint(_, _, let fingerprint):
            fingerprint.prefix(64).map(hexPair).joined(separator: ":")
        case .certificateAuthority(_, let tag, let value): eventText(tag + [0x20] + value, limit: longestName)
        case .service, .startOfAuthority, .other: nil
        }
    }
}

extension DNSService {
    fileprivate var eve: JSONValue {
        .object([
            ("priority", .integer(Int64(priority))), ("weight", .integer(Int64(weight))),
            ("port", .integer(Int64(port))), ("name", eventValue(target, limit: longestName)),
        ])
    }
}

extension DNSAuthority {
    fileprivate var eve: JSONValue {
        .object([
            ("mname", eventValue(primary, limit: longestName)),
            ("rname", eventValue(mailbox, limit: longestName)), ("serial", .integer(Int64(serial))),
            ("refresh", .integer(Int64(refresh))), ("retry", .integer(Int64(retry))),
            ("expire", .integer(Int64(expire))), ("minimum", .integer(Int64(minimum))),
        ])
    }
}

extension DNSType {
    /// "A", "AAAA"; types without a name as RFC 3597 writes them: "TYPE65400".
    fileprivate var word: String { name ?? "TYPE\(rawValue)" }
}

extension DNSMessage {
    /// "NOERROR", "NXDOMAIN"; codes without a name by their number.
    fileprivate var responseCodeWord: String { responseCodeName ?? String(responseCode) }
}
