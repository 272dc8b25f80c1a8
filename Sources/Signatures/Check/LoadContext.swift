// SPDX-License-Identifier: Apache-2.0
// What the checks of one load share: settings, names, and headers that were read before (most rules have
// the same few).
import Diagnostics
import NetworkTypes

final class LoadContext {
    let settings: SignatureSettings
    let addressVariables: [String: String]
    let portVariables: [String: String]
    let classifications: [String: Classification]
    var names: StateNames
    var addresses: [String: AddressSet] = [:]
    var ports: [String: IntervalSet<UInt16>] = [:]

    /// Words that were not known, each with the near one that is; nil where none is near.
    private var suggestions: [String: String?] = [:]

    init(_ settings: SignatureSettings, _ names: StateNames) {
        self.settings = settings
        self.names = names
        addressVariables = DefaultVariables.addresses.merging(settings.addressVariables) { $1 }
        portVariables = DefaultVariables.ports.merging(settings.portVariables) { $1 }
        classifications = DefaultClassifications.table.merging(settings.classifications) { $1 }
    }

    /// The known word that a misspelt one is near to. It is looked for a bounded number of times in a load: a
    /// file of a hundred thousand unknown words would take half a minute with it.
    func suggestion(for text: String, among candidates: @autoclosure () -> [String]) -> String? {
        // A word can be as long as the rule; near words are of short ones.
        let word = String(text.prefix(48))
        if let known = suggestions[word] { return known }
        guard suggestions.count < 500 else { return nil }
        let near = nearest(to: word, among: candidates())
        suggestions[word] = .some(near)
        return near
    }
}

/// Suricata's suricata.yaml as it comes, and the names that Snort's rules add.
enum DefaultVariables {
    static let addresses: [String: String] = [
        "HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]",
        "EXTERNAL_NET": "!$HOME_NET",
        "HTTP_SERVERS": "$HOME_NET", "SMTP_SERVERS": "$HOME_NET", "SQL_SERVERS": "$HOME_NET",
        "DNS_SERVERS": "$HOME_NET", "TELNET_SERVERS": "$HOME_NET", "DC_SERVERS": "$HOME_NET",
        "DNP3_SERVER": "$HOME_NET", "DNP3_CLIENT": "$HOME_NET", "MODBUS_CLIENT": "$HOME_NET",
        "MODBUS_SERVER": "$HOME_NET", "ENIP_CLIENT": "$HOME_NET", "ENIP_SERVER": "$HOME_NET",
        "FTP_SERVERS": "$HOME_NET", "SIP_SERVERS": "$HOME_NET", "SSH_SERVERS": "$HOME_NET",
        "AIM_SERVERS": "$EXTERNAL_NET",
    ]

    static let ports: [String: String] = [
        "HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22",
        "DNP3_PORTS": "20000", "MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]",
        "FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789", "TEREDO_PORTS": "3544",
        "SIP_PORTS": "[5060,5061,5600]", "MAIL_PORTS": "[110,143]",
    ]
}
