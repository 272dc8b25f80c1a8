// SPDX-License-Identifier: Apache-2.0
// Signature files as rule sets are published: plain, or packed by gzip. In: a path. Out: the text's bytes.
import CZlib
import Glibc
import PolicyLanguage

/// Files of this machine, or of another reader; what gzip packed comes unpacked.
public struct SignatureFileReader: FileReader {
    private let files: any FileReader

    public init(_ files: any FileReader = DiskReader()) { self.files = files }

    public func read(_ path: String) throws(FileReadError) -> [UInt8] {
        let bytes = try files.read(path)
        guard bytes.starts(with: [0x1f, 0x8b]) else { return bytes }
        return try Unpacking(path).unpack(bytes)
    }
}

/// One file's unpacking.
private struct Unpacking {
    private var stream = z_stream()
    private let path: String
    /// As of plain files: gzip packs a thousandfold.
    private static let mostBytes = 1 << 30

    init(_ path: String) { self.path = path }

    /// RFC 1952: one member or several, one behind the other.
    consuming func unpack(_ packed: [UInt8]) throws(FileReadError) -> [UInt8] {
        guard zlib_begin_inflate(&stream) == Z_OK else { throw FileReadError(errno: ENOMEM, path: path) }
        defer { inflateEnd(&stream) }
        var (unpacked, used) = ([UInt8](), 0)
        var piece = [UInt8](repeating: 0, count: 256 << 10)
        while used < packed.count {
            let (outcome, count) = step(packed, &used, &piece)
            unpacked += piece[..<count]
            guard unpacked.count <= Self.mostBytes else { throw FileReadError(errno: EFBIG, path: path) }
            switch outcome {
            case Z_OK: continue
            case Z_STREAM_END:
                guard used < packed.count else { return unpacked }
                inflateReset(&stream)
            default: throw damaged
            }
        }
        throw damaged
    }

    private var damaged: FileReadError {
        FileReadError(errno: EBADMSG, path: path, words: "it is packed by gzip, and damaged or cut short")
    }

    /// - Returns: what zlib says, and how many bytes of the piece are filled.
    private mutating func step(
        _ packed: [UInt8], _ used: inout Int, _ piece: inout [UInt8]
    ) -> (outcome: Int32, count: Int) {
        var outcome = Z_OK
        var left: (input: UInt32, output: UInt32) = (0, 0)
        let given = min(packed.count - used, 1 << 30)
        packed.withUnsafeBufferPointer { input in
            piece.withUnsafeMutableBufferPointer { output in
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.advanced(by: used))
                stream.avail_in = UInt32(given)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(output.count)
                outcome = inflate(&stream, Z_NO_FLUSH)
                left = (stream.avail_in, stream.avail_out)
            }
        }
        used += given - Int(left.input)
        return (outcome, piece.count - Int(left.output))
    }
}
