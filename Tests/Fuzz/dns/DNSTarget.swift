// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a DNS message as a datagram, and the same bytes as a TCP direction. In: the bytes. Out:
// nothing, or a trap.
import NetworkTypes
import Protocols

private func look(at record: ProtocolRecord) {
    guard case .dns(let message, _) = record else { return }
    let records = message.answers + message.authorities + message.additionals
    precondition(message.questions.count + records.count <= ProtocolLimits().dnsRecords, "too many records")
    let names = message.questions.map(\.name.count) + records.map(\.name.count)
    precondition(names.allSatisfy { $0 <= 1025 }, "a name over its limit")
    precondition(names.reduce(0, +) <= ProtocolLimits().dnsExpanded, "names over their limit")
    _ = message.responseCodeName
    for one in records { _ = one.type.name }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let datagrams = DatagramParser()
    let stream = StreamParser(http: configuration)
    input.withUnsafeBytes {
        DNSParser().feed(datagram: $0, .toServer, look)
        datagrams.feed($0, .toClient, look)
        stream.feed($0, .toServer, look)
    }
    return 0
}

private let configuration = HTTPConfiguration()
