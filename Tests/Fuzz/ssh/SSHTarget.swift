// SPDX-License-Identifier: Apache-2.0
// Fuzz target: an SSH connection's bytes, once in one piece and once in single bytes, which must give the
// same. In: two bytes of length, the client's bytes, then the server's. Out: nothing, or a trap.
import NetworkTypes
import Protocols

/// The stages and anomalies that the bytes give.
private func read(_ client: [UInt8], _ server: [UInt8], pieces: Int) -> ([String], SSHSession) {
    let parser = SSHParser()
    var seen: [String] = []
    for (bytes, direction) in [(client, FlowDirection.toServer), (server, .toClient)] {
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + pieces)
            Array(bytes[start..<end]).withUnsafeBytes {
                parser.feed($0, direction) { record in
                    switch record {
                    case .ssh(_, let stage): seen.append("\(stage)")
                    case .anomaly(let anomaly): seen.append(anomaly.name)
                    default: fatalError("a record of another protocol")
                    }
                }
            }
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
    for (one, other) in [(whole.1.client, single.1.client), (whole.1.server, single.1.server)] {
        precondition(one.banner?.line == other.banner?.line, "single bytes give another banner")
        precondition(one.keyExchange?.hassh == other.keyExchange?.hassh, "single bytes give other keys")
        precondition((one.banner?.line.count ?? 0) <= ProtocolLimits().sshBanner, "a banner over its limit")
    }
    return 0
}
