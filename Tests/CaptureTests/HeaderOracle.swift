// SPDX-License-Identifier: Apache-2.0
// What tshark read of the captures beside the checkout, and our reading of the same packets. In:
// ../shared/data/expected/tshark_headers.tsv.gz and the captures that it names. Out: rows and frames.
import Capture
import Glibc
import NetworkTypes

/// The header fields that are compared; raw values are tshark's names.
enum HeaderField: String, CaseIterable {
    case frameLength = "frame.len"
    case capturedLength = "frame.cap_len"
    case etherType = "eth.type"
    case vlan = "vlan.id"
    case v4Source = "ip.src"
    case v4Destination = "ip.dst"
    case v4Protocol = "ip.proto"
    /// Of ip.flags.mf and ip.frag_offset: 0 no fragment, 1 the first, 2 a later one.
    case fragment = "ip.frag_offset"
    case v4TTL = "ip.ttl"
    case v6Source = "ipv6.src"
    case v6Destination = "ipv6.dst"
    case v6Next = "ipv6.nxt"
    case tcpSource = "tcp.srcport"
    case tcpDestination = "tcp.dstport"
    case tcpFlags = "tcp.flags"
    case udpSource = "udp.srcport"
    case udpDestination = "udp.dstport"
    case icmpType = "icmp.type"
    case icmpv6Type = "icmpv6.type"

    /// The IP protocol whose header has the field; nil above L4.
    var owner: IPProtocol? {
        switch self {
        case .tcpSource, .tcpDestination, .tcpFlags: .tcp
        case .udpSource, .udpDestination: .udp
        case .icmpType: .icmp
        case .icmpv6Type: .icmpv6
        default: nil
        }
    }

    /// The family whose header has the field; nil for other headers.
    var family: AddressFamily? {
        switch self {
        case .v4Source, .v4Destination, .v4Protocol, .v4TTL, .fragment: .ipv4
        case .v6Source, .v6Destination, .v6Next: .ipv6
        default: nil
        }
    }
}

/// Values of fields; those that were not read are not there. Addresses are numbers in host order.
typealias HeaderFields = [HeaderField: UInt128]

/// One packet as tshark read it.
struct OracleRow {
    var path: String
    var number: Int
    var fields: HeaderFields
    /// tshark's frame.protocols, "eth:ethertype:ip:tcp", without the words "ethertype".
    var protocols: [Substring]
}

/// The rows of the file, in its order.
final class Oracle {
    /// The folder beside the checkout, or beside the folder of a checkout.
    static let folder: String? = {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        return ["\(root)/../shared/data", "\(root)/../../shared/data"].first {
            access("\($0)/expected/tshark_headers.tsv.gz", R_OK) == 0
        }
    }()

    private let pipe: UnsafeMutablePointer<FILE>
    private var line: UnsafeMutablePointer<CChar>?
    private var capacity = 0
    private var columns: [String] = []

    init?() {
        guard let folder = Self.folder,
            let pipe = popen("gzip -dc '\(folder)/expected/tshark_headers.tsv.gz'", "r")
        else { return nil }
        self.pipe = pipe
        guard getline(&line, &capacity, pipe) > 0 else { return nil }
        var cursor = line
        while let word = strsep(&cursor, "\t\n") { columns.append(String(cString: word)) }
    }

    deinit {
        free(line)
        pclose(pipe)
    }

    func next() -> OracleRow? {
        guard getline(&line, &capacity, pipe) > 0 else { return nil }
        var row = OracleRow(path: "", number: 0, fields: [:], protocols: [])
        var hasMore = false
        var cursor = line
        for column in columns {
            guard let word = strsep(&cursor, "\t\n"), word.pointee != 0 else { continue }
            switch column {
            case "path": row.path = String(cString: word)
            case "frame.number": row.number = Int(strtol(word, nil, 10))
            case "frame.protocols":
                row.protocols = String(cString: word).split(separator: ":").filter { $0 != "ethertype" }
            case "ip.flags.mf": hasMore = word.pointee == 0x31
            case "ip.frag_offset": row.fields[.fragment] = word.pointee != 0x30 ? 2 : hasMore ? 1 : 0
            // tshark has the reserved bits and the one of RFC 3540 with the flags.
            case "tcp.flags": row.fields[.tcpFlags] = Self.value(word).map { $0 & 0xff }
            default: if let field = HeaderField(rawValue: column) { row.fields[field] = Self.value(word) }
            }
        }
        return row
    }

    /// A decimal or 0x number, or an address.
    private static func value(_ word: UnsafePointer<CChar>) -> UInt128? {
        var end: UnsafeMutablePointer<CChar>?
        let number = strtoul(word, &end, 0)
        if let end, end.pointee == 0 { return UInt128(number) }
        return IPAddress(String(cString: word))?.bits
    }
}

/// A capture of the folder, read beside its rows.
struct OracleCapture: ~Copyable {
    let path: String
    private var reader: CaptureReader?
    private var number = 0
    /// Why the reader stopped.
    private(set) var error: CaptureError?

    init(_ path: String) {
        self.path = path
        do throws(CaptureError) {
            reader = try CaptureReader(path: "\(Oracle.folder ?? "")/\(path)")
        } catch { self.error = error }
    }

    /// The frame of a row, or nil where the reader ended before; rows are asked for in their order.
    mutating func frame(_ row: Int) -> CapturedFrame? {
        do throws(CaptureError) {
            while error == nil, let frame = try reader?.next() { if frame.number == row { return frame } }
        } catch { self.error = error }
        return nil
    }
}

/// What our reader and decoder say of a frame, in tshark's fields.
func headerFields(_ frame: CapturedFrame, _ packet: PacketDescription?, isEthernet: Bool) -> HeaderFields {
    var fields: HeaderFields = [
        .frameLength: UInt128(frame.originalLength), .capturedLength: UInt128(frame.capturedLength),
    ]
    if isEthernet, frame.bytes.count >= 14 {
        let ethertype = UInt128(frame.bytes[12]) << 8 | UInt128(frame.bytes[13])
        // Below it is 802.3's length.
        if ethertype >= 0x600 { fields[.etherType] = ethertype }
    }
    guard let packet else { return fields }
    if let vlan = packet.vlans.first { fields[.vlan] = UInt128(vlan) }
    if packet.source.family == .ipv4 {
        fields[.v4Source] = packet.source.bits
        fields[.v4Destination] = packet.destination.bits
        fields[.v4Protocol] = UInt128(packet.proto.rawValue)
        fields[.v4TTL] = packet.ttl.map { UInt128($0) }
        fields[.fragment] = packet.fragment == .none ? 0 : packet.fragment == .first ? 1 : 2
    } else {
        fields[.v6Source] = packet.source.bits
        fields[.v6Destination] = packet.destination.bits
        fields[.v6Next] = UInt128(packet.proto.rawValue)
    }
    addL4(packet, to: &fields)
    return fields
}

private func addL4(_ packet: PacketDescription, to fields: inout HeaderFields) {
    let ports = (packet.sourcePort.map { UInt128($0) }, packet.destinationPort.map { UInt128($0) })
    switch packet.proto {
    case .tcp where ports.0 != nil:
        (fields[.tcpSource], fields[.tcpDestination]) = ports
        fields[.tcpFlags] = UInt128(packet.tcpFlags.rawValue)
    case .udp: (fields[.udpSource], fields[.udpDestination]) = ports
    case .icmp: fields[.icmpType] = packet.icmpType.map { UInt128($0) }
    case .icmpv6: fields[.icmpv6Type] = packet.icmpType.map { UInt128($0) }
    default: break
    }
}
