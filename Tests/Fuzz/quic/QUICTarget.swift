// SPDX-License-Identifier: Apache-2.0
// Fuzz target: QUIC datagrams through the parser, and the bytes as a decrypted packet's frames and CRYPTO
// stream, which fuzzing cannot encrypt. In: two bytes of length and a datagram, again and again. Out:
// nothing, or a trap.
import NetworkTypes
import Protocols

private func readFrames(_ bytes: [UInt8], _ version: UInt32) {
    let parser = QUICParser()
    let hello = QUICHello(version: QUICVersion(rawValue: version), direction: .toServer)
    // Frames of two packets, so that their CRYPTO pieces meet.
    parser.take(Array(bytes.prefix(bytes.count / 2)), hello) { _ in }
    parser.take(bytes, hello) { _ in }
    parser.take(bytes, QUICHello(version: hello.version, direction: .toClient)) { _ in }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    for version in [1, 0x5130_3530] as [UInt32] { readFrames(input, version) }
    let parser = DatagramParser()
    var rest = input[...]
    var direction = FlowDirection.toServer
    while rest.count > 2 {
        let length = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
        Array(rest.dropFirst(2).prefix(length)).withUnsafeBytes { parser.feed($0, direction) { _ in } }
        rest = rest.dropFirst(2 + length)
        direction = direction.opposite
    }
    return 0
}
