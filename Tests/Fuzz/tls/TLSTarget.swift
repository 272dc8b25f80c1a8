// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a TLS connection's bytes, once in one piece and once in single bytes, which must give the
// same. In: two bytes of length, the client's bytes, then the server's. Out: nothing, or a trap.
import NetworkTypes
import Protocols

/// The stages and anomalies that the bytes give.
private func read(_ client: [UInt8], _ server: [UInt8], pieces: Int) -> ([String], TLSSession) {
    let parser = TLSParser()
    var seen: [String] = []
    func take(_ record: ProtocolRecord) {
        switch record {
        case .tls(_, let stage): seen.append("\(stage)")
        case .anomaly(let anomaly): seen.append(anomaly.name)
        default: fatalError("a record of another protocol")
        }
    }
    for (bytes, direction) in [(client, FlowDirection.toServer), (server, .toClient)] {
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + pieces)
            Array(bytes[start..<end]).withUnsafeBytes { parser.feed($0, direction, take) }
            start = end
        }
    }
    return (seen, parser.session)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard input.count > 2 else { return 0 }
    let length = min(Int(input[0]) << 8 | Int(input[1]), input.count - 2)
    let client = Array(input[2..<(2 + length)])
    let server = Array(input[(2 + length)...])
    let whole = read(client, server, pieces: .max / 2)
    let single = read(client, server, pieces: 1)
    precondition(whole.0 == single.0, "single bytes give other records")
    precondition(whole.1.clientHello?.ja4 == single.1.clientHello?.ja4, "single bytes give another hello")
    precondition(whole.1.certificates.count <= ProtocolLimits().tlsCertificates, "a chain over its limit")
    return 0
}
