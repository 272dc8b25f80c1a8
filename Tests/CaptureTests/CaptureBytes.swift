// SPDX-License-Identifier: Apache-2.0
// Capture files for tests, written byte by byte: nothing here comes from the reader under test or from
// libpcap.

import Capture
import Glibc

/// Numbers in the byte order of a capture.
struct ByteWriter {
    var bytes: [UInt8] = []
    var isBigEndian = false

    mutating func put<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: isBigEndian ? number.bigEndian : number.littleEndian) { bytes += $0 }
    }

    mutating func pad4() { while !bytes.count.isMultiple(of: 4) { bytes.append(0) } }
}

/// A classic pcap file.
struct PcapBytes {
    private var writer: ByteWriter

    init(linkType: UInt32 = 1, isBigEndian: Bool = false, isNano: Bool = false, snapLength: UInt32 = 65_535) {
        writer = ByteWriter(isBigEndian: isBigEndian)
        writer.put(isNano ? UInt32(0xa1b2_3c4d) : UInt32(0xa1b2_c3d4))
        writer.put(UInt16(2))
        writer.put(UInt16(4))
        writer.put(UInt64(0))
        writer.put(snapLength)
        writer.put(linkType)
    }

    /// The time's `fraction` is in the file's unit; `captured` lies where it is given.
    mutating func add(
        _ frame: [UInt8], at time: (seconds: UInt32, fraction: UInt32) = (1, 0), original: Int? = nil,
        captured: UInt32? = nil
    ) {
        writer.put(time.seconds)
        writer.put(time.fraction)
        writer.put(captured ?? UInt32(frame.count))
        writer.put(UInt32(original ?? frame.count))
        writer.bytes += frame
    }

    var bytes: [UInt8] { writer.bytes }
}

/// A pcapng file, block by block.
struct PcapngBytes {
    var bytes: [UInt8] = []
    let isBigEndian: Bool

    init(isBigEndian: Bool = false) {
        self.isBigEndian = isBigEndian
        section()
    }

    mutating func block(_ type: UInt32, lengthOffBy lie: Int = 0, _ body: (inout ByteWriter) -> Void) {
        var content = ByteWriter(isBigEndian: isBigEndian)
        body(&content)
        content.pad4()
        var whole = ByteWriter(isBigEndian: isBigEndian)
        whole.put(type)
        whole.put(UInt32(content.bytes.count + 12 + lie))
        whole.bytes += content.bytes
        whole.put(UInt32(content.bytes.count + 12))
        bytes += whole.bytes
    }

    mutating func section() {
        block(0x0a0d_0d0a) {
            $0.put(UInt32(0x1a2b_3c4d))
            $0.put(UInt16(1))
            $0.put(UInt16(0))
            $0.put(Int64(-1))
        }
    }

    mutating func interface(
        _ name: String?, linkType: UInt16 = 1, snapLength: UInt32 = 0, options: [(UInt16, [UInt8])] = []
    ) {
        block(1) {
            $0.put(linkType)
            $0.put(UInt16(0))
            $0.put(snapLength)
            for (code, value) in (name.map { [(UInt16(2), Array($0.utf8))] } ?? []) + options {
                $0.put(code)
                $0.put(UInt16(value.count))
                $0.bytes += value
                $0.pad4()
            }
            $0.put(UInt32(0))
        }
    }

    mutating func packet(_ frame: [UInt8], interface: UInt32 = 0, time: UInt64 = 0, captured: UInt32? = nil) {
        block(6) {
            $0.put(interface)
            $0.put(UInt32(time >> 32))
            $0.put(UInt32(truncatingIfNeeded: time))
            $0.put(captured ?? UInt32(frame.count))
            $0.put(UInt32(frame.count))
            $0.bytes += frame
        }
    }

    mutating func simplePacket(_ frame: [UInt8], original: Int? = nil) {
        block(3) {
            $0.put(UInt32(original ?? frame.count))
            $0.bytes += frame
        }
    }

    /// The obsolete packet block: a 16-bit interface and a drop count.
    mutating func oldPacket(_ frame: [UInt8], interface: UInt16, time: UInt64) {
        block(2) {
            $0.put(interface)
            $0.put(UInt16(0xffff))
            $0.put(UInt32(time >> 32))
            $0.put(UInt32(truncatingIfNeeded: time))
            $0.put(UInt32(frame.count))
            $0.put(UInt32(frame.count))
            $0.bytes += frame
        }
    }
}

/// A frame that outlives the reader's next call.
struct KeptFrame: Equatable {
    var bytes: [UInt8]
    var captured: Int
    var original: Int
    var time: Int64
    var interface: String?
    var number: Int
}

/// What a capture gave: its frames, and the error that ended it.
struct Outcome {
    var frames: [KeptFrame] = []
    var error: CaptureError?
    /// The file's path, which errors repeat.
    var path = ""
}

/// Reads capture bytes through a file that is gone afterwards.
func read(_ capture: [UInt8]) -> Outcome {
    var template = Array("/tmp/xdpguard-capture-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }
    var written = 0
    while written < capture.count {
        let count = capture.withUnsafeBytes {
            write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
        }
        guard count > 0 else { break }
        written += count
    }
    close(descriptor)
    return read(path: path)
}

func read(path: String) -> Outcome {
    var outcome = Outcome(path: path)
    do throws(CaptureError) {
        var reader = try CaptureReader(path: path)
        while let frame = try reader.next() {
            outcome.frames.append(
                KeptFrame(
                    bytes: Array(frame.bytes), captured: frame.capturedLength, original: frame.originalLength,
                    time: frame.timeNanoseconds, interface: frame.interface, number: frame.number))
        }
    } catch { outcome.error = error }
    return outcome
}
