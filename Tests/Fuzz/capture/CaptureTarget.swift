// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a capture file through the reader, and each of its frames, in an allocation of exactly its
// size, through the decoder. In: the bytes of a pcap or pcapng file. Out: nothing, or a trap.
import Capture
import Glibc
import NetworkTypes

/// The reader takes paths: a file in memory, made new for each input.
private func withFile(_ bytes: UnsafeRawBufferPointer, _ body: (String) -> Void) {
    let path = "/dev/shm/xdpguard-fuzz-\(getpid())"
    guard let file = fopen(path, "wb") else { fatalError("\(path): \(String(cString: strerror(errno)))") }
    defer { unlink(path) }
    let written = fwrite(bytes.baseAddress, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { fatalError("\(path): cannot be written") }
    body(path)
}

private func look(at frame: CapturedFrame, ofFileWith count: Int) {
    precondition(frame.capturedLength <= count, "more than the file holds")
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyMemory(from: frame.bytes)
    guard let packet = PacketDecoder().describe(UnsafeRawBufferPointer(copy)) else { return }
    _ = packet.text
}

private func readAll(_ path: String, ofSize count: Int) {
    do throws(CaptureError) {
        var reader = try CaptureReader(path: path)
        var number = 0
        while let frame = try reader.next() {
            number += 1
            precondition(frame.number == number, "frame \(frame.number) in place of \(number)")
            look(at: frame, ofFileWith: count)
        }
    } catch {
        precondition(error.message.hasPrefix(path), "an error that does not name its file")
        _ = error.help
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    withFile(UnsafeRawBufferPointer(start: start, count: count)) { readAll($0, ofSize: count) }
    return 0
}
