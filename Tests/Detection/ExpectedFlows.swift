// SPDX-License-Identifier: Apache-2.0
// The flows that Debian's ndpiReader 4.2 printed for each capture, and ours as the same rows. In:
// expected/ndpi42_flows.csv.gz. Out: rows by capture.

import Glibc
import NetworkTypes
import ProtocolDetection
import TestSupport

/// One line of the file, or one flow of ours.
struct FlowRow: Hashable {
    /// Protocol, addresses, ports, VLAN: what tells flows of a capture apart.
    var key = ""
    var name = ""
    var category = ""
    var confidence = ""
    var hostName = ""
    var ja3Client = ""
    var ja3Server = ""
    var packets = ""
    var risks = ""
}

enum ExpectedFlows {
    /// Rows by capture, in the file's order.
    static func read() throws -> [(path: String, rows: [FlowRow])] {
        guard let folder = SharedData.folder else { return [] }
        let bytes = try SharedData.bytes("\(folder)/expected/ndpi42_flows.csv.gz")
        var captures: [(path: String, rows: [FlowRow])] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
            let fields = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
                .map { String(decoding: $0.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self) }
            guard fields.count == 18 else { continue }
            if captures.last?.path != fields[0] { captures.append((fields[0], [])) }
            captures[captures.count - 1].rows.append(FlowRow(fields))
        }
        return captures
    }
}

extension FlowRow {
    fileprivate init(_ fields: [String]) {
        let ends = [fields[2], fields[3], fields[5], fields[6]].joined(separator: " ")
        key = "\(fields[1]) \(ends) \(fields[7])"
        name = fields[9]
        category = fields[10]
        confidence = fields[11]
        hostName = fields[12]
        ja3Client = fields[13]
        ja3Server = fields[14]
        packets = "\(fields[15]) \(fields[16])"
        risks = fields[17]
    }

    init(_ flow: ReaderFlow) {
        let first = flow.first
        let ends = [
            Self.text(flow.source, first.isIPv6), String(first.sourcePort),
            Self.text(flow.destination, first.isIPv6), String(first.destinationPort),
        ].joined(separator: " ")
        let vlan = first.vlan == 0 ? "" : String(first.vlan)
        key = "\(Self.transport(first.transport)) \(ends) \(vlan)"
        packets = "\(flow.forward) \(flow.backward)"
        guard let found = flow.detection?.finish() else { return }
        name = found.name
        category = found.categoryNumber == 0 ? "" : "\(found.category)/\(found.categoryNumber)"
        confidence = found.confidence.name
        hostName = String(decoding: found.hostName, as: UTF8.self)
        ja3Client = found.ja3Client ?? ""
        ja3Server = found.ja3Server ?? ""
        risks = found.risks.names.map { "** \($0) **" }.joined()
    }

    static func transport(_ number: UInt8) -> String {
        switch number {
        case 1: "ICMP"
        case 2: "IGMP"
        case 6: "TCP"
        case 17: "UDP"
        case 58: "ICMPV6"
        case 112: "VRRP"
        default: String(number)
        }
    }

    /// The address as ndpiReader prints it.
    static func text(of address: IPAddress) -> String {
        var bytes = SIMD16<UInt8>()
        for (index, byte) in address.bytes.prefix(16).enumerated() { bytes[index] = byte }
        return text(bytes, address.family == .ipv6)
    }

    /// The address as ndpiReader prints it: with each ":0:" made "::".
    private static func text(_ address: SIMD16<UInt8>, _ isIPv6: Bool) -> String {
        var text = [CChar](repeating: 0, count: 64)
        let written = withUnsafeBytes(of: address) {
            inet_ntop(isIPv6 ? AF_INET6 : AF_INET, $0.baseAddress, &text, socklen_t(text.count))
        }
        guard written != nil else { return "" }
        let plain = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return isIPv6 ? "[\(shortened(plain))]" : plain
    }

    private static func shortened(_ text: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            if bytes[index...].starts(with: Array(":0:".utf8)) {
                result += Array("::".utf8)
                index += 3
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
