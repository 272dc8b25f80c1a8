// SPDX-License-Identifier: Apache-2.0
// A transaction's record as an event's object: one name and one shape, whether an alert or the protocol's
// own event has it.
import JSONOutput
import Protocols

extension TransactionRecord {
    /// The object's name in an event.
    var name: String {
        switch self {
        case .http: "http"
        case .tls: "tls"
        case .quic: "quic"
        case .dns: "dns"
        case .ssh: "ssh"
        case .anomaly: "anomaly"
        }
    }

    var eve: JSONValue {
        switch self {
        case .http(let transaction): transaction.eve
        case .tls(let session): session.eve
        case .quic(let hello): hello.eve
        case .dns(let message, let number): message.eve(transaction: number)
        case .ssh(let session): session.eve
        case .anomaly(let anomaly): anomaly.eve
        }
    }

    /// For people.
    var summary: String {
        switch self {
        case .http(let transaction): transaction.summary
        case .tls(let session): session.summary
        case .quic(let hello): hello.summary
        case .dns(let message, _): message.summary
        case .ssh(let session): session.summary
        case .anomaly(let anomaly): "\(anomaly.appProtocol.name).\(anomaly.name)"
        }
    }
}

extension ProtocolAnomaly {
    /// EVE's `anomaly` object.
    var eve: JSONValue {
        .object([
            ("app_proto", .string(appProtocol.name)), ("type", "applayer"), ("event", .string(name)),
            ("layer", "proto_parser"),
        ])
    }
}
