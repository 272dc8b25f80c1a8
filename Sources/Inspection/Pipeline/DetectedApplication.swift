// SPDX-License-Identifier: Apache-2.0
// What the detector calls protocols, and what others do: signatures (`alert ftp ...`, `app-layer-protocol`),
// and the parsers here. In: a detector's names. Out: its numbers with the others' words.
import ProtocolDetection
import Protocols
import Signatures

extension ProtocolNames {
    /// The signatures' words by the detector's numbers.
    var signatureApplications: [ProtocolID: Signatures.ApplicationProtocol] {
        var found: [ProtocolID: Signatures.ApplicationProtocol] = [:]
        for (name, application) in applicationNames {
            if let id = find(name) { found[id] = application }
        }
        return found
    }

    /// The detector's numbers of what the parsers here read.
    /// - Throws: where it does not know one: what is read could not be forbidden then.
    func parsedApplications() throws(UnknownProtocolName) -> [Protocols.ApplicationProtocol: ProtocolID] {
        var found: [Protocols.ApplicationProtocol: ProtocolID] = [:]
        for application in Protocols.ApplicationProtocol.allCases {
            found[application] = try id(named: application.name)
        }
        return found
    }
}

private let applicationNames: [(String, Signatures.ApplicationProtocol)] = [
    ("HTTP", .http1), ("TLS", .tls), ("SSH", .ssh), ("DNS", .dns), ("QUIC", .quic), ("FTP_CONTROL", .ftp),
    ("FTP_DATA", .ftpData), ("SMTP", .smtp), ("IMAP", .imap), ("POP3", .pop3), ("SMBv1", .smb),
    ("SMBv23", .smb), ("NFS", .nfs), ("TFTP", .tftp), ("Kerberos", .krb5), ("DHCP", .dhcp), ("SNMP", .snmp),
    ("SIP", .sip), ("VNC", .rfb), ("MQTT", .mqtt), ("RDP", .rdp), ("Modbus", .modbus), ("DNP3", .dnp3),
    ("EthernetIP", .enip), ("NTP", .ntp), ("PostgreSQL", .pgsql), ("Telnet", .telnet), ("LDAP", .ldap),
    ("Websocket", .websocket), ("MDNS", .mdns), ("Jabber", .jabber), ("IRC", .irc), ("Radius", .radius),
    ("RPC", .dcerpc), ("HTTP2", .http2),
]
