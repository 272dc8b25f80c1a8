// SPDX-License-Identifier: Apache-2.0
// The SSH lock-out guard: would this policy cut the session that it is applied from?
import Dataplane
import NetworkTypes
import PolicyLanguage
import ReferenceFirewall

/// An SSH session as sshd describes it in SSH_CONNECTION: "client-address client-port server-address
/// server-port".
struct SSHSession {
    var packet: PacketDescription

    /// Nil where the text is not such a description.
    init?(_ environment: String) {
        let words = environment.split(separator: " ")
        guard words.count == 4, let client = Self.address(words[0]), let clientPort = UInt16(words[1]),
            let server = Self.address(words[2]), let serverPort = UInt16(words[3]),
            client.family == server.family
        else { return nil }
        packet = PacketDescription(proto: .tcp, source: client, destination: server)
        packet.sourcePort = clientPort
        packet.destinationPort = serverPort
        packet.tcpFlags = .ack
    }

    /// Link-local addresses carry a zone, as in "fe80::1%eth0".
    private static func address(_ word: Substring) -> IPAddress? {
        IPAddress(word.prefix { $0 != "%" })
    }
}

/// - Returns: why the session's packets would be dropped; nil where they pass, or come in on none of these
///   interfaces.
func lockoutReason(
    _ policy: CheckedPolicy, _ session: SSHSession, on interfaces: [NetworkInterface], nowNanoseconds: Int64
) throws -> String? {
    // An address on a bridge or a bond is reached through the interfaces below it.
    if let home = try interfaceName(of: session.packet.destination).flatMap(NetworkInterface.init(named:)),
        !home.isStacked, !interfaces.contains(home)
    {
        return nil
    }
    let own = Set(try hostAddresses())
    for interface in interfaces {
        var firewall = ReferenceFirewall(policy: policy, ownAddresses: own)
        let frame = ReferenceFrame(
            bytes: session.packet.frame(), timeNanoseconds: nowNanoseconds, interface: interface.name)
        let judgement = firewall.judge(frame)
        guard judgement.verdict != .pass else { continue }
        let by = judgement.rule.map { "rule '\($0)'" } ?? "reason '\(judgement.reason.rawValue)'"
        return
            "'\(session.packet.flowText)' on \(interface.name) would meet "
            + "\(judgement.verdict.rawValue) by \(by)"
    }
    return nil
}
