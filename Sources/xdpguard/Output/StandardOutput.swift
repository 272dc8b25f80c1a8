// SPDX-License-Identifier: Apache-2.0
// Results to standard output, everything else to standard error; a full disk is an error, not a silence.
import Glibc
import JSONOutput
import Service

/// Buffered standard output.
struct StandardOutput {
    private var buffer: [UInt8] = []

    mutating func line(_ text: String) throws {
        buffer += text.utf8
        try endLine()
    }

    mutating func json(_ value: JSONValue) throws {
        value.write(to: &buffer)
        try endLine()
    }

    private mutating func endLine() throws {
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count > 1 << 16 { try flush() }
    }

    /// Writes what is buffered; on failure nothing is kept, so that the failure is told once.
    mutating func flush() throws {
        let bytes = buffer
        buffer.removeAll(keepingCapacity: true)
        try writeAll(bytes, to: STDOUT_FILENO)
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

enum StandardError {
    /// Text as it is. There is nowhere to tell a failure of standard error.
    static func write(_ text: String) { try? writeAll(Array(text.utf8), to: STDERR_FILENO) }
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        if count < 0 {
            throw ServiceError(.unavailable, "cannot write the output: \(String(cString: strerror(errno)))")
        }
        rest = rest.dropFirst(count)
    }
}
