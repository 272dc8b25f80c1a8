// SPDX-License-Identifier: Apache-2.0
// The bytes of messages between controller and worker: numbers in host order, as both ends are one program on
// one host. Reading believes nothing: what ends early or goes on too long is no message.

/// The frame around every message: version, kind, length of the body, and then the body.
enum Wire {
    /// Raised with every change of a message.
    static let version: UInt16 = 2
    static let headerBytes = 8
    /// Bytes of a message, its header included.
    static let mostBytes = 1 << 16
}

/// Builds one message.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    init(kind: UInt16) {
        append(Wire.version)
        append(kind)
        append(UInt32(0))
    }

    mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
    }

    /// Bytes behind their count, which is cut to `most`.
    mutating func append(_ block: some Collection<UInt8>, most: Int) {
        let kept = block.prefix(most)
        append(UInt32(kept.count))
        bytes.append(contentsOf: kept)
    }

    /// The message with its length.
    func message() -> [UInt8] {
        var message = bytes
        let length = UInt32(clamping: bytes.count - Wire.headerBytes)
        withUnsafeBytes(of: length) { message.replaceSubrange(4..<8, with: $0) }
        return message
    }
}

/// Takes one message apart. After a read beyond the end everything reads as nil.
struct WireReader {
    let kind: UInt16
    private let bytes: UnsafeRawBufferPointer
    private var position = Wire.headerBytes

    /// - Throws: `WireError` for what is not one whole message of this version.
    init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        guard bytes.count >= Wire.headerBytes, bytes.count <= Wire.mostBytes else {
            throw .length(bytes.count)
        }
        let version = bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self)
        guard version == Wire.version else { throw .version(version) }
        let length = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        guard Int(length) == bytes.count - Wire.headerBytes else { throw .length(bytes.count) }
        kind = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        self.bytes = bytes
    }

    mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type = Number.self
    ) throws(WireError) -> Number {
        guard bytes.count - position >= MemoryLayout<Number>.size else { throw .length(bytes.count) }
        defer { position += MemoryLayout<Number>.size }
        return bytes.loadUnaligned(fromByteOffset: position, as: Number.self)
    }

    /// Bytes behind their count.
    mutating func block(most: Int) throws(WireError) -> UnsafeRawBufferPointer {
        let count = Int(try number(UInt32.self))
        guard count <= most, count <= bytes.count - position else { throw .length(bytes.count) }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// What stands behind the last field is no part of any message.
    func finish() throws(WireError) {
        guard position == bytes.count else { throw .length(bytes.count) }
    }
}

/// Why bytes are no message.
public enum WireError: Error, Sendable, Equatable, CustomStringConvertible {
    case version(UInt16)
    case kind(UInt16)
    /// Bytes of the message.
    case length(Int)
    /// A field has a value that no message has.
    case field(String)

    public var description: String {
        switch self {
        case .version(let version): "a message of version \(version), not \(Wire.version)"
        case .kind(let kind): "a message of the unknown kind \(kind)"
        case .length(let count): "a message of \(count) bytes, which are not what its kind has"
        case .field(let name): "a message whose \(name) is none"
        }
    }
}
